"""What do synthetic records tell of those behind them? The challenger keeps the truth; adversaries see views."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.synthetic.predicates import Predicate, at_random, only_one
from ml_privacy_meter.synthetic.table import Table
from ml_privacy_meter.synthetic.view import Attack, GuessView, LinkView, SinglingView, View
from ml_privacy_meter.types import Scores


@dataclass(frozen=True)
class MemberGame:
    """Did this record train the generator?

    Args:
        member: whether each record of the view did.
    """

    view: View
    member: Bool[Tensor, " records"]

    def play(self, attack: Attack) -> Scores:
        """Hands the view, and only the view, to the attack; sets the truth beside its scores."""
        found = torch.as_tensor(attack(self.view))
        if found.shape != self.member.shape:
            count = len(self.member)
            raise InputError(f"An attack must score each of {count} records, found shape {tuple(found.shape)}.")
        return Scores(found.double().cpu(), self.member)


@dataclass(frozen=True)
class Tries:
    """How an attack fared on training records, on others, and how guesses fare that need no synthetic record.

    Args:
        members: whether each try on the training records came out right.
        others: the same on records that did not train the generator: the control.
        luck: the same on the training records, of guesses by luck.
        paired: try i on the one and on the other is the same guess.
        alike: how many tries count as one, since they hit the same record.
    """

    members: Bool[Tensor, " members"]
    others: Bool[Tensor, " others"]
    luck: Bool[Tensor, " members"]
    paired: bool = False
    alike: float = 1.0


@dataclass(frozen=True)
class SinglingGame:
    """Does this description fit one training record, and one only?

    Args:
        members, others: equally many records, since how often one alone is so described hangs on how many there are.
    """

    view: SinglingView
    members: Table
    others: Table

    def __post_init__(self) -> None:
        if len(self.members) != len(self.others):
            sizes = f"{len(self.members)} and {len(self.others)}"
            raise InputError(f"Singling out is compared on equally many members and non-members, found {sizes}.")

    def play(self, attack: Callable[[SinglingView], tuple[Predicate, ...]]) -> Tries:
        """Asks for descriptions, and counts the records that each fits. Luck: descriptions of nobody in particular."""
        told, rng = attack(self.view)[: self.view.count], np.random.default_rng(self.view.seed)
        lucky = [at_random(self.view.synthetic, len(one), rng) for one in told]
        sides = ((told, self.members), (told, self.others), (lucky, self.members))
        rows = [[only_one(one, table) for one in of] for of, table in sides]
        found, control, luck = (torch.tensor([row is not None for row in of], dtype=torch.bool) for of in rows)
        return Tries(found, control, luck, paired=True, alike=max(_alike(of) for of in rows[:2]))


@dataclass(frozen=True)
class LinkGame:
    """Which rows of two tables are of one person?

    Args:
        partner: the row of the right table that belongs to each of the left.
        member: whether each of the left rows is of a record that trained the generator.
    """

    view: LinkView
    partner: Int[np.ndarray, " records"]
    member: Bool[Tensor, " records"]

    def play(
        self, attack: Callable[[LinkView], tuple[Int[np.ndarray, "left some"], Int[np.ndarray, "right some"]]]
    ) -> Tries:
        """A person's rows are linked where a synthetic record is named for both. Luck: the rows of two persons are."""
        left, right = attack(self.view)
        right, side = right[self.partner], np.flatnonzero(self.member.numpy())
        linked = torch.from_numpy(_in_common(left, right))
        luck = torch.from_numpy(_in_common(left[side], right[np.roll(side, 1)]))
        return Tries(linked[self.member], linked[~self.member], luck)


@dataclass(frozen=True)
class GuessGame:
    """What does a record hold in the column that is not known?

    Args:
        truth: the values; NaN where there is none, and then a guess that there is none is right.
        member: whether each record trained the generator.
        tolerance: how far from a number a guess may lie, as a share of it.
    """

    view: GuessView
    truth: Float64[np.ndarray, " records"]
    member: Bool[Tensor, " records"]
    tolerance: float = 0.05

    def play(self, attack: Callable[[GuessView], Float64[np.ndarray, " records"]]) -> Tries:
        """Asks for guesses. Luck: one guess for all, that fits most synthetic records."""
        column = self.view.synthetic.only([self.view.secret])
        within = 0.0 if column.words[0] else self.tolerance
        guesses = np.asarray(attack(self.view), np.float64)
        if guesses.shape != self.truth.shape:
            raise InputError(f"An attack must guess for each of {len(self.truth)} records, found {guesses.shape}.")
        one = np.full(len(self.truth), _commonest(column.values[:, 0], within))
        right, luck = (torch.from_numpy(_right(guess, self.truth, within)) for guess in (guesses, one))
        return Tries(right[self.member], right[~self.member], luck[self.member])


def _alike(rows: list[int | None]) -> float:
    """By how much the variance of a count of hits grows where several hit one record: all of these stand or fall."""
    often = np.unique([row for row in rows if row is not None], return_counts=True)[1]
    return float((often**2).sum() / often.sum()) if len(often) else 1.0


def _in_common(
    left: Int[np.ndarray, "records some"], right: Int[np.ndarray, "records some"]
) -> Bool[np.ndarray, " records"]:
    found: np.ndarray = (left[:, :, None] == right[:, None, :]).any((1, 2))
    return found


def _right(guess: np.ndarray, truth: np.ndarray, within: float) -> Bool[np.ndarray, " records"]:
    found: np.ndarray = (np.abs(guess - truth) <= within * np.abs(truth)) | (np.isnan(guess) & np.isnan(truth))
    return found


def _commonest(values: Float64[np.ndarray, " records"], within: float) -> float:
    """The guess that is right of most of these values."""
    there = np.sort(values[~np.isnan(values)])
    if 2 * len(there) < len(values):
        return np.nan
    ends = np.sort([there / (1 + within), there / (1 - within)], axis=0)  # |guess - value| <= within * |value|
    fits = np.searchsorted(there, ends[1], side="right") - np.searchsorted(there, ends[0], side="left")
    return float(there[fits.argmax()])
