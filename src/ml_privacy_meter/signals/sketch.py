"""Signals of many numbers, projected to fewer where they are too wide to be kept."""

import functools
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.signals.activation import activations
from ml_privacy_meter.signals.gradient import gradients
from ml_privacy_meter.signals.layers import Of
from ml_privacy_meter.types import Model

NUMBERS = 2**23  # that are held at a time


def gradient_sketch(
    model: Model, x: Any, y: Tensor, *, of: Of = "last", width: int = 2048
) -> Float[Tensor, "records features"]:
    """The gradient of each record's loss by the chosen parameters, flat; projected to ``width`` where it has more.

    Each number is added to one of the sums, drawn at random, with a sign drawn at random: lengths and angles stay on
    average, and what is drawn is always the same.

    Source: Charikar, Chen and Farach-Colton, Finding Frequent Items in Data Streams, ICALP 2002.
    """
    first = gradients(model, x[:1], y[:1], of=of)
    step = max(1, NUMBERS // first.shape[1])
    steps = (slice(start, start + step) for start in range(0, len(y), step))
    return torch.cat([projected(gradients(model, x[rows], y[rows], of=of), width) for rows in steps])


def activation_sketch(
    model: Model, x: Any, y: Tensor, *, of: str | int, width: int = 2048
) -> Float[Tensor, "records features"]:
    """What the layer gives for each record, flat; projected to ``width`` where it gives more: see `gradient_sketch`."""
    return projected(activations(model, x, y, of=of), width)


def projected(values: Float[Tensor, "records numbers"], width: int) -> Float[Tensor, "records features"]:
    """The values, or sums of them with random signs where there are more than ``width``."""
    if values.shape[1] <= width:
        return values
    place, sign = _drawn(values.shape[1], width)
    sums = values.new_zeros(len(values), width)
    return sums.index_add_(1, place.to(values.device), values * sign.to(values))


@functools.lru_cache(maxsize=4)
def _drawn(numbers: int, width: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return torch.randint(width, (numbers,), generator=rng), torch.randint(2, (numbers,), generator=rng) * 2 - 1


for _signal in (gradient_sketch, activation_sketch):
    vars(_signal).update(access="parameters")
