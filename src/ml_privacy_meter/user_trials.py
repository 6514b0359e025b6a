"""Which users are asked about, and by which of their records: drawn once, alike for every attack."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ml_privacy_meter.membership import MembershipGame, Shadow, View
from ml_privacy_meter.risk.roc import FEWEST
from ml_privacy_meter.types import Scores, fold_of

BY_RECORD = (
    "Reference models were trained on records of nearly every user: attacks that need reference models were not asked "
    "about users. Train each on records of half of the users and on none of the others, and give them by "
    "`own_references`."
)


@dataclass(frozen=True)
class Trials:
    """The users, in an order that says nothing, each with the records that are asked about.

    Args:
        names: of the users.
        inside: who has records among the members.
        trained: how many each has there.
        rows: of the audit's records, those asked about: user after user.
        of: the user of each of these.
        count: how many each user has.
        held_out: none of these was trained on.
        reference: of these rows, ``reference[i, j]``: its user (held out), or the row itself, is inside of reference
            model j; None: no reference model is asked.
        alone: no reference model can be asked about users, though there are some.
    """

    names: np.ndarray
    inside: np.ndarray
    trained: np.ndarray
    rows: np.ndarray
    of: np.ndarray
    count: np.ndarray
    held_out: bool
    reference: Bool[Tensor, "rows models"] | None = None
    alone: bool = False

    @property
    def note(self) -> str:
        return BY_RECORD if self.alone else ""

    def users(self, known: int) -> np.ndarray:
        """Those with at least so many records."""
        return np.flatnonzero(self.count >= known)

    def first(self, known: int) -> np.ndarray:
        """Places in ``rows`` of the first so many records of each of these users, user after user."""
        starts = (np.cumsum(self.count) - self.count)[self.users(known)]
        return np.asarray((starts[:, None] + np.arange(known)).ravel())

    def scores(self, score: Float[Tensor, " users"], known: int) -> Scores:
        """Beside the truth of the users with at least so many records."""
        return Scores(score, torch.from_numpy(self.inside[self.users(known)]))

    def among(self, known: int, more: int) -> Bool[Tensor, " users"]:
        """Of the users with at least ``known`` records, which have ``more``."""
        return torch.from_numpy(self.count[self.users(known)] >= more)

    def share_of(self, known: int) -> Float[Tensor, " users"]:
        """Of the members, the share that each of the users with at least so many records has."""
        return torch.from_numpy(self.trained[self.users(known)] / self.trained.sum())

    def dealt(self, truth: Tensor, folds: int) -> np.ndarray:
        """The fold of each row: that of its user. Arguments as for `fold_of`."""
        fold: np.ndarray = fold_of(torch.from_numpy(self.inside), folds)[self.of]
        return fold

    def game(self, view: View) -> MembershipGame:
        """The game about these records, in which the truth is whether their user is inside."""
        here = view.records.take(self.rows)
        beside = () if self.alone else view.references
        seen: dict[str, Any] = {"snapshots": (), "updates": (), "client": None}
        part = replace(view, records=here, references=beside, inside=self.reference, **seen)
        return MembershipGame(part, torch.from_numpy(self.inside[self.of]))


def trials(user: np.ndarray, game: MembershipGame, *, most: int, seed: int = 0) -> Trials:
    """The users and, of each, up to ``most`` records, drawn at random.

    Records of users inside are held out, where 20 such users have some; else members. Where records are held out, a
    user counts as inside of a reference model that was trained on any of theirs, and records that trained no reference
    model are asked about before others.

    Args:
        user: of each record of the game, whose it is.
    """
    names, of = np.unique(user.astype(str), return_inverse=True)
    member = game.member.numpy()
    rng = np.random.default_rng(seed)
    number = rng.permutation(len(names))  # of each user, in an order that says nothing
    of, names = number[of], names[np.argsort(number)]
    trained = np.bincount(of[member], minlength=len(names))
    inside = trained > 0
    held_out = is_held_out(user, game.member)
    may = ~member if held_out else member == inside[of]
    inside_of, alone = game.view.inside, False
    last = np.zeros(len(of), dtype=bool)
    if inside_of is not None and held_out:
        last = np.asarray(inside_of.numpy().any(1))
        of_users = _inside_of(of, inside_of.numpy(), len(names))
        alone = bool(of_users.any()) and not _varied(of_users)
        inside_of = None if alone else torch.from_numpy(of_users[of])
    rows = _drawn(np.flatnonzero(may), of, most, rng, last=last)
    count = np.bincount(of[rows], minlength=len(names))
    told = None if inside_of is None else inside_of[torch.from_numpy(rows)]
    return Trials(names, inside, trained, rows, of[rows], count, held_out, told, alone)


def is_held_out(user: np.ndarray, member: Bool[Tensor, " records"]) -> bool:
    """Whether enough users with records among the members have others that are not."""
    trained, left = (set(user[side.numpy()].astype(str)) for side in (member, ~member))
    return len(trained & left) >= FEWEST


def shadows(user: np.ndarray, view: View, *, known: int, held_out: bool, seed: int = 0) -> tuple[Shadow, ...]:
    """Reference models that were trained on some users and not on others, with so many records of each user.

    Args:
        held_out: of users inside of a reference model, records that it was not trained on; else ones that it was.
    """
    if view.inside is None:
        return ()
    names, of = np.unique(user.astype(str), return_inverse=True)
    found, rng = [], np.random.default_rng([seed, known])
    for model, here in zip(view.references, view.inside.numpy().T, strict=True):
        inside = _inside_of(of, here[:, None], len(names))[:, 0]
        may = ~here if held_out else here == inside[of]
        rows = _drawn(np.flatnonzero(may), of, known, rng)
        count = np.bincount(of[rows], minlength=len(names))
        rows = rows[count[of[rows]] == known]
        truth = inside[of[rows][::known]]
        if min(truth.sum(), (~truth).sum()) >= FEWEST:
            found.append(Shadow(model, view.records.take(rows), torch.from_numpy(truth)))
    return tuple(found)


def _drawn(
    rows: np.ndarray, of: np.ndarray, most: int, rng: np.random.Generator, *, last: np.ndarray | None = None
) -> np.ndarray:
    """Up to ``most`` of these rows of each user, drawn at random, user after user; some only where others run out."""
    rows = rng.permutation(rows)
    rows = rows if last is None else rows[np.argsort(last[rows], kind="stable")]
    rows = rows[np.argsort(of[rows], kind="stable")]
    _, first, count = np.unique(of[rows], return_index=True, return_counts=True)
    place = np.arange(len(rows)) - np.repeat(first, count)
    return rows[place < most]


def _inside_of(of: np.ndarray, inside: np.ndarray, users: int) -> np.ndarray:
    """Whether any record of each user is inside of each model."""
    found = np.zeros((users, inside.shape[1]), dtype=bool)
    np.logical_or.at(found, of, inside)
    return found


def _varied(inside: np.ndarray) -> bool:
    """Whether some reference model has enough users inside and outside."""
    return bool((np.minimum(inside.sum(0), (~inside).sum(0)) >= FEWEST).any())
