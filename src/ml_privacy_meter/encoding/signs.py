"""Bits of a secret in the signs of the weights: a term of the training's loss pushes them there."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.encoding.bits import Bits
from ml_privacy_meter.encoding.floats import flat

Penalty = Callable[[list[Tensor]], Tensor]


def sign_penalty(bits: Bits, *, strength: float = 50.0) -> Penalty:
    """Parameters -> the term: ``strength`` times the mean of how far weights lie on the wrong side of 0.

    Source: Song, Ristenpart and Shmatikov, Machine Learning Models that Remember Too Much, CCS 2017, section 4.3.
    """

    def penalty(weights: list[Tensor]) -> Tensor:
        held = flat(weights)
        if len(held) < len(bits):
            raise InputError(f"There must be a weight for each bit, found {len(held)} weights for {len(bits)} bits.")
        wanted = torch.where(bits.to(held.device), 1.0, -1.0)
        return strength * (-held[: len(bits)] * wanted).relu().mean()

    return penalty


def read_signs(weights: Iterable[Tensor], count: int) -> Bits:
    """The first ``count`` bits: whether each weight is above 0."""
    return flat(weight.detach().cpu() for weight in weights)[:count] > 0
