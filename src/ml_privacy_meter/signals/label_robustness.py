"""What labels alone say of how surely a record is told: how many noisy copies of it are still told right."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.signals.classifier import correct
from ml_privacy_meter.types import Model

SCALES = (0.25, 0.5, 1.0)
FLIPS = (0.02, 0.05, 0.1)


def label_robustness(
    model: Model, x: Any, y: Tensor, *, copies: int = 24, scales: Sequence[float] | None = None, seed: int = 0
) -> Float[Tensor, " records"]:
    """Log-odds of the share of noisy copies whose predicted label is the true one, with half a copy added on each side.

    Only predicted labels are read, so that it sees through answers that were rounded, cut off or made noisy. A record
    that was trained on lies further from the border of its class. All records get the same noise, so that none hangs
    on which others are asked.

    Source: Choquette-Choo et al., Label-Only Membership Inference Attacks, ICML 2021, section 4.3, "random noise", with
    several scales in place of one that is tuned.

    Args:
        x: a tensor of records; of numbers, or of 0 and 1 alone.
        copies: how many, spread evenly over the scales.
        scales: of numbers: standard deviations of the noise, in those of the record's own values; by default a quarter,
            a half and one. Where a record's values are 0 and 1: shares of them that are flipped, in (0, 1); by default
            2%, 5% and 10%.
        seed: of the noise.
    """
    if not isinstance(x, Tensor):
        raise InputError(
            f"`label_robustness` adds noise to tensors of numbers, found a {type(x).__name__}. Give the records as an "
            "array, or a signal of your own that asks about near copies."
        )
    in_range(0, float("inf"), copies=copies)
    noise = torch.Generator().manual_seed(seed)
    right = torch.zeros(len(x), dtype=torch.float64)
    values = x.flatten(1).to(x.device, torch.float64)
    binary = ((values == 0) | (values == 1)).all(1)
    for copy in range(copies):
        drawn = torch.rand(x.shape[1:], generator=noise, dtype=torch.float64).flatten().to(x.device)
        flipped = (values - 1).abs().where(drawn < _at(scales, FLIPS, copy), values)
        moved = values + torch.special.ndtri(drawn) * _at(scales, SCALES, copy) * values.std(1, keepdim=True)
        near = flipped.where(binary.unsqueeze(1), moved).view(x.shape)
        near = near if x.is_floating_point() else near.round().clamp(*_limits(x))
        right += correct(model, near.to(x.dtype), y).to(right)
    return ((right + 0.5) / (copies - right + 0.5)).log()


vars(label_robustness).update(
    sign=1, sees="whether the target model's predicted label is the true one, for many noisy copies of each record"
)


def _at(scales: Sequence[float] | None, usual: Sequence[float], copy: int) -> float:
    given = scales or usual
    return given[copy % len(given)]


def _limits(x: Tensor) -> tuple[int, int]:
    if x.dtype == torch.bool:
        return 0, 1
    return torch.iinfo(x.dtype).min, torch.iinfo(x.dtype).max
