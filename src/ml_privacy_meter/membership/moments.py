"""What the reference models that were, and those that were not, trained on a record say of it, in few numbers."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership.view import View
from ml_privacy_meter.types import Signal, Signals

BLOCK = 2**19  # numbers at a time: 2,048 records under 256 models; larger temporaries are mapped and faulted every time
FLOOR = 1e-12  # least variance that is believed: below it, models agree to rounding


@dataclass(frozen=True)
class Moments:
    """Of one signal of each record, over the reference models on one side of it.

    Args:
        count: these reference models.
        mean: of the signal over them; 0 where there is none.
        squares: sum of squared deviations from that mean.
    """

    count: Float[Tensor, "records 1"]
    mean: Float[Tensor, "records queries"]
    squares: Float[Tensor, "records queries"]

    @property
    def within(self) -> Float[Tensor, " queries"]:
        """Variance over models for one and the same record, pooled over the records.

        Where no record has two models on this side, nothing tells it from the variance over records: half of that.
        """
        freedom = float((self.count - 1).clamp(min=0).sum())
        pooled = self.squares.sum(0) / freedom if freedom else _spread(self.mean[self.count[:, 0] > 0]) / 2
        return pooled.clamp(min=FLOOR)

    @property
    def centre(self) -> Float[Tensor, " queries"]:
        """Mean over records of their means."""
        return self.mean[self.count[:, 0] > 0].mean(0)

    @property
    def between(self) -> Float[Tensor, " queries"]:
        """Variance over records of their true means: that of the means found, less what few models make of it."""
        some = self.count[:, 0] > 0
        chance = self.within * (1 / self.count[some]).mean()
        return torch.maximum(_spread(self.mean[some]) - chance, self.within / 1000)


def read(
    view: View, signal: Signal, queries: int = 1, snapshots: int = 0, *, attack: str, population: bool = False
) -> Signals:
    """``signal``, one number a record, with a last axis of queries and moments, also where there is one of either."""
    if not view.references:
        raise InputError(f"`{attack}` needs reference models, and there are none. Give `references`.")
    seen = (view.population_signals if population else view.signals)(signal, queries, snapshots)
    if seen.target.ndim != (1 if queries == 1 and not snapshots else 2):
        found = tuple(seen.target.shape[1:])
        raise InputError(f"`{attack}` needs a signal of one number a record, found shape {found}. Choose another.")
    several = seen.target.ndim > 1
    return seen if several else Signals(seen.target[:, None], seen.reference[:, :, None], seen.inside)


def moments(seen: Signals, trained: bool) -> Moments:
    """Over the models that were, or were not, trained on the record. What the others say plays no part."""
    values = seen.reference
    mean = values.new_zeros(len(values), values.shape[2], dtype=torch.float64)
    count, squares = mean.new_zeros(len(values), 1), torch.zeros_like(mean)
    for rows in blocks(values):
        weight = (seen.inside[rows] == trained).double()
        count[rows] = weight.sum(1, keepdim=True)
        left = values[rows] * weight[:, :, None]
        mean[rows] = left.sum(1) / count[rows].clamp(min=1)
        left.sub_(mean[rows][:, None]).mul_(weight[:, :, None])
        squares[rows] = left.square_().sum(1)
    return Moments(count, mean, squares)


def blocks(values: Float[Tensor, "records models queries"]) -> Iterator[slice]:
    """Slices of so many records that their values stay small."""
    step = max(1, BLOCK // max(1, values.shape[1] * values.shape[2]))
    return (slice(start, start + step) for start in range(0, len(values), step))


def check_some(count: Float[Tensor, "records 1"], attack: str, side: str, advice: str, least: int = 1) -> None:
    """Raises unless each record has ``least`` reference models on this side."""
    few = count[:, 0] < least
    if few.any():
        first = int(few.nonzero()[0])
        raise InputError(
            f"`{attack}` needs, for each record, {least} or more reference models {side} it, found "
            f"{int(count[first])} for record {first}, and too few for {int(few.sum()) - 1} others. {advice}"
        )


def squash(x: Tensor) -> Tensor:
    """Into (0, 1), strictly increasing, and slow enough that numbers which differ still do."""
    return 0.5 + torch.atan(x) / torch.pi


def _spread(mean: Float[Tensor, "records queries"]) -> Float[Tensor, " queries"]:
    return mean.var(0) if len(mean) > 1 else torch.zeros_like(mean[0])
