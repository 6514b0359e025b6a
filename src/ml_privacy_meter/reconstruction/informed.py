"""What did the one record look like that the adversary does not know? It knows all others, and the weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.reconstruction.likeness import all_psnr, psnr

Labels = Tensor  # one each; int64: a class; float64: a quantity
Refit = Callable[[Float[Tensor, "records ..."], Labels], Float[Tensor, "records weights"]]


@dataclass(frozen=True)
class Range:
    """What a feature can hold: by it likeness is measured, and guesses are cut.

    Args:
        low, high: of each feature, or of all alike.
        exact: no record lies outside; else it is what known records show, and guesses may go as far again beyond it.
    """

    low: Float[Tensor, "..."]
    high: Float[Tensor, "..."]
    exact: bool = False

    @property
    def width(self) -> Tensor:
        """Of each feature, above 0."""
        return self.high - self.low

    def cut(self, x: Tensor) -> Tensor:
        """The guesses within it, the nearest to each."""
        beyond = 0.0 if self.exact else self.width
        return torch.minimum(torch.maximum(x.nan_to_num(), self.low - beyond), self.high + beyond)


def range_of(known: Float[Tensor, "records ..."], span: tuple[float, float] | None = None) -> Range:
    """The range of the features: ``span``, or what known records hold, tables by column and images over all values.

    A column that never varies among them counts by the mean width of the others.
    """
    if span is not None:
        if not span[0] < span[1]:
            raise InputError(f"`span` must be the least and the largest value of a record, found {tuple(span)}.")
        low, high = (torch.tensor(float(end), dtype=torch.float64) for end in span)
        return Range(low, high, exact=True)
    if known.ndim > 2:
        low, high = known.double().min(), known.double().max()
    else:
        low, high = known.double().amin(0), known.double().amax(0)
    width = high - low
    if not (width > 0).any():
        raise InputError("Known records must differ from one another: nothing says how far apart two of them are.")
    return Range(low, torch.where(width > 0, high, low + width[width > 0].mean()))


@dataclass(frozen=True)
class Linear:
    """How the weights of a generalised linear model are read, and what its training made least.

    That is the sum of the records' losses, plus half of ``l2`` times the squared weights: cross-entropy of one row a
    class, or of one row for two classes; of quantities, half the squared error.

    Args:
        rows: of weights, each with its intercept as the last entry.
        classes: the labels are classes.
        l2: of the weights; of the intercepts too, where they are ``penalised``.
    """

    rows: int
    classes: bool
    l2: float
    penalised: bool = False

    def split(self, weights: Float[Tensor, " weights"]) -> Float[Tensor, "rows inputs"]:
        """Weights as one row for each of the model's outputs."""
        return weights.reshape(self.rows, -1)

    def probabilities(self, weights: Tensor, x: Float[Tensor, "records inputs"]) -> Float[Tensor, "records rows"]:
        """What the model answers: of classes probabilities, else quantities. ``x`` ends with a 1 for the intercept."""
        out = x @ weights.T
        if not self.classes:
            return out
        return out.sigmoid() if self.rows == 1 else out.softmax(1)

    def wanted(self, y: Shaped[Tensor, " records"]) -> Float[Tensor, "records rows"]:
        """What the labels ask the model to answer."""
        if self.classes and self.rows > 1:
            return torch.nn.functional.one_hot(y, self.rows).double()
        return y.double().reshape(len(y), self.rows)

    def penalty(self, weights: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows inputs"]:
        """By how much each weight is penalised."""
        held = torch.full_like(weights, self.l2)
        held[:, -1] *= self.penalised
        return held

    def missing(
        self, weights: Tensor, x: Float[Tensor, "records ..."], y: Shaped[Tensor, " records"]
    ) -> Float[Tensor, "rows inputs"]:
        """What the unknown record adds to the gradient: at the optimum, all gradients add up to nothing."""
        rows = with_one(x)
        found = (self.probabilities(weights, rows) - self.wanted(y)).T @ rows
        return -(found + self.penalty(weights) * weights)


def with_one(x: Float[Tensor, "records ..."]) -> Float[Tensor, "records inputs"]:
    """Records as rows of numbers, each with a 1 for the intercept."""
    return torch.cat([x.double().flatten(1), torch.ones(len(x), 1, dtype=torch.float64)], 1)


@dataclass(frozen=True)
class Shadows:
    """Models that the adversary trained on the known records and one of its own each."""

    x: Float[Tensor, "models ..."]
    y: Shaped[Tensor, " models"]
    weights: Float[Tensor, "models weights"]


@dataclass(frozen=True)
class InformedView:
    """All that the adversary sees who knows every training record but one. **The one is not in it.**

    Args:
        weights: of released models, in float64; each was trained on the known records and one more.
        x, y: the known records.
        public: others of the same kind, that no model was trained on; ``public_y``: their labels.
        range: of the features.
        noise: the standard deviation of what was added to each weight before the release.
        linear: how the weights are read, where the model is linear and its optimum known.
        refit: records and labels -> the weights of the models trained on the known records and one of these each,
            exactly as the released ones were; None: it is not known how.
        shadows: such models of public records.
        seed: of what attacks draw at random.
    """

    weights: Float[Tensor, "models weights"]
    x: Float[Tensor, "records ..."]
    y: Shaped[Tensor, " records"]
    public: Float[Tensor, "public ..."]
    public_y: Shaped[Tensor, " public"]
    range: Range
    noise: float = 0.0
    linear: Linear | None = None
    refit: Refit | None = None
    shadows: Shadows | None = None
    seed: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one record."""
        return tuple(self.x.shape[1:])


Guesses = tuple[Float[Tensor, "models ..."], Labels]
InformedAttack = Callable[[InformedView], Guesses]


@dataclass(frozen=True)
class Likeness:
    """How like each guess is to the record that was asked for.

    Args:
        psnr: in dB, at most 120; the peak is the width of the range, of each feature its own.
        labels: of the guesses.
    """

    psnr: Float[Tensor, " models"]
    labels: Shaped[Tensor, " models"]


@dataclass(frozen=True)
class InformedGame:
    """The challenger.

    Args:
        records: the one that the adversary does not know, for each released model.

    Raises:
        InputError: they are not as many as models, or of another shape.
    """

    view: InformedView
    records: Float[Tensor, "models ..."]

    def __post_init__(self) -> None:
        wanted = (len(self.view.weights), *self.view.shape)
        if self.records.shape != wanted:
            raise InputError(
                f"There must be one record of shape {wanted[1:]} for each of {wanted[0]} models, found "
                f"{tuple(self.records.shape)}."
            )

    def play(self, attack: InformedAttack) -> Likeness:
        """Hands the view, and only the view, to the attack; measures what it gives."""
        found: Any = attack(self.view)
        x, y = found if isinstance(found, tuple) and len(found) == 2 else (None, None)
        if not isinstance(x, Tensor) or not isinstance(y, Tensor) or x.shape != self.records.shape or len(y) != len(x):
            raise InputError(
                f"An attack must give records of shape {tuple(self.records.shape)} and a label for each, found "
                f"{type(found).__name__} of {[tuple(getattr(part, 'shape', ())) for part in (x, y)]}."
            )
        return Likeness(self._like(self.view.range.cut(x.detach().double().cpu())), y.detach().cpu())

    def nearest(self) -> Float[Tensor, " models"]:
        """The baseline: of each record the likest among all that the adversary holds, known and public, in dB.

        To choose it takes the record itself, so no adversary can: who does not beat it has shown no leak.
        """
        held = torch.cat([self.view.x, self.view.public]).double() / self.view.range.width
        return all_psnr(held, self.records.double() / self.view.range.width, (0.0, 1.0)).amax(0)

    def mean(self) -> Float[Tensor, " models"]:
        """The baseline of who looks at nothing: the mean of the known records, in dB."""
        return self._like(self.view.x.double().mean(0).expand(self.records.shape))

    def _like(self, guess: Tensor) -> Tensor:
        width = self.view.range.width
        return psnr(guess / width, self.records.double() / width, (0.0, 1.0))
