"""Values of a secret in weights that rise and fall with them: a term of the training's loss sees to it."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.encoding.floats import flat
from ml_privacy_meter.encoding.signs import Penalty


def correlation_penalty(values: Float[Tensor, " values"], *, strength: float = 3.0) -> Penalty:
    """Parameters -> the term: minus ``strength`` times how strongly the first weights correlate with the values.

    Source: Song, Ristenpart and Shmatikov, Machine Learning Models that Remember Too Much, CCS 2017, section 4.2.
    """
    wanted = values - values.mean()
    if not float(wanted.norm()):
        raise InputError("Values that correlate must differ among each other, found all alike.")

    def penalty(weights: list[Tensor]) -> Tensor:
        held = flat(weights)
        if len(held) < len(values):
            raise InputError(
                f"There must be a weight for each value, found {len(held)} weights for {len(values)} values."
            )
        held = held[: len(values)]
        held, like = held - held.mean(), wanted.to(held)
        found: Tensor = -strength * (held @ like / (held.norm() * like.norm() + 1e-12)).abs()
        return found

    return penalty


def read_correlated(weights: Iterable[Tensor], count: int) -> Float[Tensor, " values"]:
    """The first ``count`` weights, from 0 to 1: the values up to their own scale, or up to 1 less it."""
    held = flat(weight.detach().cpu() for weight in weights)[:count]
    return (held - held.min()) / (held.max() - held.min())


def correlation(values: Float[Tensor, " values"], read: Float[Tensor, " values"]) -> float:
    """How strongly what was read correlates with the values, in [0, 1]."""
    return float(torch.corrcoef(torch.stack([values.double(), read.double()]))[0, 1].abs())
