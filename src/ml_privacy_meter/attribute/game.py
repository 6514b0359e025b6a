"""What does a hidden column hold? The challenger keeps the truth; the adversary is a function of its view."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.attribute.learner import learned


@dataclass(frozen=True, eq=False)
class Answers:
    """What the model answers when it is asked about each record with each candidate filled in.

    Args:
        confidence: log-probability of the record's own label, in nats; of a quantity, the log-density of the model's
            error, up to a constant.
        certainty: probability of the class that the model names, in [0, 1]; None where labels are quantities.
        agrees: whether the class that it names is the record's own; None where labels are quantities.
    """

    confidence: Float[Tensor, "records candidates"]
    certainty: Float[Tensor, "records candidates"] | None
    agrees: Bool[Tensor, "records candidates"] | None


@dataclass(frozen=True, eq=False)
class Known:
    """Records as the adversary knows them.

    Args:
        features: all that is known, as numbers, the label last: categories are numbered, those that no auxiliary record
            has are NaN.
        label: of each record.
        answers: asks the model.
        neurons: what a hidden layer gives with each candidate filled in: of those of its neurons with these numbers; of
            all of them (None) for as many of the first records as can be held. None where the model's inside is not
            seen.
    """

    features: Float[Tensor, "records features"]
    label: Tensor
    answers: Callable[[], Answers]
    neurons: Callable[[Sequence[int] | None], Float[Tensor, "some candidates neurons"]] | None = None


@dataclass(frozen=True, eq=False)
class View:
    """All that the adversary may see who asks what a hidden column holds.

    Args:
        records: that are asked about, in an order that says nothing.
        auxiliary: the adversary's own records, none of them asked about.
        secret: which candidate the hidden column of each auxiliary record holds.
        candidates: the values that it may hold.
        categorical: which features are numbered categories.
        seed: of whatever an attack draws.
    """

    records: Known
    auxiliary: Known
    secret: Int[Tensor, " auxiliary"]
    candidates: tuple[str, ...]
    categorical: tuple[bool, ...]
    seed: int = 0

    @cached_property
    def prior(self) -> Float[Tensor, " candidates"]:
        """Log-probability of each candidate by how many auxiliary records hold it, one more counted for each."""
        counts = torch.bincount(self.secret, minlength=len(self.candidates)).double() + 1
        return (counts / counts.sum()).log()

    @cached_property
    def imputed(self) -> Float[Tensor, "records candidates"]:
        """Log-probability of each candidate by all that is known of the record, learned from the auxiliary records.

        Attacks that multiply it with the model's answers take the very numbers that they are compared with.
        """
        return self.learned(self.auxiliary.features, self.secret, self.records.features, self.categorical)

    def learned(
        self, known: Tensor, secret: Tensor, asked: Tensor, categorical: Sequence[bool]
    ) -> Float[Tensor, "asked candidates"]:
        """Log-probabilities of candidates for ``asked``, learned from records whose secret is known."""
        return learned(known, secret, asked, categorical, candidates=len(self.candidates), seed=self.seed)


Attack = Callable[[View], Tensor]


@dataclass(frozen=True)
class Guesses:
    """How strongly an attack says of each record that its hidden column holds each candidate, beside the truth.

    Args:
        score: higher says likelier; where it can be, a log-probability up to a constant for each record.
        right: which candidates count as right; where the column holds none of them, there is none.

    Raises:
        InputError: a score is not finite.
    """

    score: Float[Tensor, "records candidates"]
    right: Bool[Tensor, "records candidates"]

    def __post_init__(self) -> None:
        if not self.score.isfinite().all():
            row = int((~self.score.isfinite().all(1)).nonzero()[0])
            raise InputError(f"A score must be finite, found {self.score[row].tolist()!s:.200} at record {row}.")

    @property
    def named(self) -> Float[Tensor, "records candidates"]:
        """The share of each record's one guess that goes to each candidate: all to the highest score, ties share it."""
        best = self.score == self.score.amax(1, keepdim=True)
        return best.double() / best.sum(1, keepdim=True)

    @property
    def hit(self) -> Float[Tensor, " records"]:
        """The share of each record's guess that is right, in [0, 1]."""
        return (self.named * self.right).sum(1)

    @property
    def odds(self) -> Float[Tensor, "records candidates"]:
        """Each candidate's score less the logarithm of the sum over all others: log-odds of log-probabilities."""
        each = range(self.score.shape[1])
        others = [self.score[:, [other for other in each if other != one]].logsumexp(1) for one in each]
        return self.score - torch.stack(others, 1)


@dataclass(frozen=True)
class AttributeGame:
    """The challenger.

    Args:
        right: which candidates count as right, for each record of the view.
    """

    view: View
    right: Bool[Tensor, "records candidates"]

    def play(self, attack: Attack) -> Guesses:
        """Hands the view, and only the view, to the attack; sets the truth beside what it says."""
        found: Any = torch.as_tensor(attack(self.view))
        if found.shape != self.right.shape:
            raise InputError(
                f"An attack must give each of {self.right.shape[0]} records a score for each of {self.right.shape[1]} "
                f"candidates, found shape {tuple(found.shape)}."
            )
        return Guesses(found.double().cpu(), self.right)
