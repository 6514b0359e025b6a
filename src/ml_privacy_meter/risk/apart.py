"""Does one model stand apart from others of its kind, by any of several numbers?"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Risk

LEAST = 8  # others, below which their spread is hardly known


def apart(
    numbers: Sequence[Float[Tensor, " models"]], *, name: str = "distance", confidence: float = 0.95
) -> tuple[Risk, ...]:
    """By each number: how far the first model lies from the mean of the others, in their deviations; 0 or more.

    The same is taken of each other model beside all but it. What reaches as far as that of the few farthest is no
    distance to speak of: `low` lies above 0 in 1 - ``confidence`` of cases, or fewer, where the first was made as the
    others were, and `surely` of any of the numbers in so many, whatever their distribution: models of one kind could
    have come in any order. With n others, that is never less than one case in n + 1: see `rate`.

    Source: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005 (conformal prediction); that the
    largest of several is compared with the largest, Westfall and Young, Resampling-Based Multiple Testing, 1993.

    Raises:
        InputError: there are fewer than 8 others, or a number is not finite.
    """
    found = torch.stack([of.double() for of in numbers])
    others = found.shape[1] - 1
    if others < LEAST or not found.isfinite().all():
        raise InputError(f"`{name}` needs {LEAST} other models or more with finite numbers, found {found.tolist()}.")
    distance = _distances(found)
    farthest = max(1, math.floor((1 - confidence) * (others + 1) + 1e-9))
    reached, together = (of.topk(farthest).values[..., -1] for of in (distance[:, 1:], distance[:, 1:].amax(0)))
    risks = []
    for of, number, own in zip(distance[:, 0], found, reached, strict=True):
        value, most = float(of), float(own)
        risk = Risk(name, value, value - most, value + most, 0.0, others, surely=value - float(together))
        alike = "the other models have all the same number"
        same = bool((number[1:] == number[1]).all())
        risks.append(replace(risk, value=None, low=0.0, high=0.0, surely=None, note=alike) if same else risk)
    return tuple(risks)


def rate(others: int, confidence: float = 0.95) -> float:
    """In what share of cases at most a model is set apart from so many others that was made as they were."""
    return max(1, math.floor((1 - confidence) * (others + 1) + 1e-9)) / (others + 1)


def _distances(numbers: Float[Tensor, "numbers models"]) -> Float[Tensor, "numbers models"]:
    """Of each model from all others."""
    models = numbers.shape[1]
    others = torch.stack([numbers[:, torch.arange(models) != own] for own in range(models)], 1)
    found: Tensor = (numbers - others.mean(2)).abs() / others.std(2).clamp(min=1e-12)
    return found
