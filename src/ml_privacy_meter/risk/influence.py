"""How much a model's being right about one record hangs on another record in its training set."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

BLOCK = 1_024  # records of either kind: what is made on the way stays small


@dataclass(frozen=True)
class Influence:
    """For each record that models were trained on, the other record that hangs most surely on it.

    Args:
        asked: which of the records that were asked about: the one with the largest ``value`` by its ``error``; -1
            where there is none.
        value: the influence, in [-1, 1]; NaN where there is none.
        error: its standard error.
    """

    asked: Int[Tensor, " trained"]
    value: Float[Tensor, " trained"]
    error: Float[Tensor, " trained"]

    @property
    def sureness(self) -> Float[Tensor, " trained"]:
        """``value`` by ``error``. The largest of very many pairs is large by luck alone: see `shuffled`."""
        return self.value / self.error


def influence(
    right: Float[Tensor, "asked models"],
    inside: Bool[Tensor, "trained models"],
    *,
    asked_inside: Bool[Tensor, "asked models"] | None = None,
) -> Influence:
    """Of each record i the record j with the most influence of i on j, taken by its standard error.

    The influence, in [-1, 1], is the share of right predictions about j of the models trained on i, less that of the
    others; models trained on j itself are left out. No more than a block of pairs is held at once.

    Source: Feldman and Zhang, What Neural Networks Memorize and Why, NeurIPS 2020. That models trained on j are left
    out is added here: theirs were asked about a test set. The standard error is that of `memorization`.

    Args:
        right: 1 where the reference model's prediction is right, else 0; or a share, as the true class's probability.
        inside: whether the record was in the model's training set.
        asked_inside: the same of the records that are asked about; None: none was.
    """
    trained = len(inside)
    most = torch.full((trained,), -torch.inf, dtype=torch.float64)
    asked = torch.full((trained,), -1)
    value, error = (torch.full((trained,), torch.nan, dtype=torch.float64) for _ in range(2))
    for rows in _blocks(trained):
        for columns in _blocks(len(right)):
            out = torch.ones(right[columns].shape) if asked_inside is None else (~asked_inside[columns]).float()
            found, spread = _pairs(right[columns], out, inside[rows])
            sure = (found / spread).nan_to_num(-torch.inf)
            best, where = sure.max(1)
            better = best > most[rows]
            for whole, part in ((most, best), (value, _at(found, where)), (error, _at(spread, where))):
                whole[rows] = torch.where(better, part, whole[rows])
            asked[rows] = torch.where(better, where + columns.start, asked[rows])
    return Influence(asked, value, error)


def shuffled(
    right: Float[Tensor, "asked models"],
    inside: Bool[Tensor, "trained models"],
    *,
    times: int,
    seed: int = 0,
    asked_inside: Bool[Tensor, "asked models"] | None = None,
) -> Float[Tensor, " times"]:
    """The largest `Influence.sureness` of all pairs where what models were trained on is swapped among them at random.

    Then no record hangs on another. A pair above the largest of n shuffles would come by luck in 1 of n + 1 cases,
    however many pairs there are.
    """
    rng = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(times):
        swapped = inside[:, torch.randperm(inside.shape[1], generator=rng)]
        found.append(influence(right, swapped, asked_inside=asked_inside).sureness.nan_to_num(-torch.inf).max())
    return torch.stack(found)


def _blocks(records: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, records)) for start in range(0, records, BLOCK))


def _at(values: Float[Tensor, "trained asked"], where: Int[Tensor, " trained"]) -> Float[Tensor, " trained"]:
    return values.gather(1, where[:, None])[:, 0].double()


def _pairs(
    right: Float[Tensor, "asked models"], out: Float[Tensor, "asked models"], inside: Bool[Tensor, "trained models"]
) -> tuple[Float[Tensor, "trained asked"], Float[Tensor, "trained asked"]]:
    """Influence of each record on each, and its standard error; both NaN where models of one kind are missing."""
    hit = right.float() * out  # in float32: counts of models, exact, and half the time
    value, variance = torch.zeros(()), torch.zeros(())
    for sign, side in ((1, inside.float()), (-1, (~inside).float())):
        count, hits, squares = (side @ of.T for of in (out, hit, hit * right.float()))
        mean, square = (hits + 1) / (count + 2), (squares + 1) / (count + 2)
        value = value + sign * hits / count
        variance = variance + (square - mean.square()) / count
    return value, torch.where(value.isnan(), torch.nan, variance.sqrt())
