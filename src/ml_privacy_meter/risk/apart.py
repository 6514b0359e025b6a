"""Does one model stand apart from others of its kind?"""

import math

from jaxtyping import Float
from scipy.stats import t
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Risk

LEAST = 8  # others, below which their spread is hardly known


def apart(scores: Float[Tensor, " models"], *, name: str = "distance", confidence: float = 0.95) -> Risk:
    """How far the first model's number lies from the mean of the others', in their standard deviations: 0 or more.

    The lower end lies above 0 in 1 - ``confidence`` of cases where the first was made as the others were: Student's
    prediction interval, which takes their numbers for normal.

    Source: Hahn and Meeker, Statistical Intervals, 1991, section 4.7.
    """
    one, others = scores[0].double(), scores[1:].double()
    if len(others) < LEAST or not scores.isfinite().all():
        raise InputError(f"`{name}` needs {LEAST} other models or more with finite numbers, found {scores.tolist()}.")
    deviation = float(others.std())
    if deviation <= 1e-12 * max(1.0, float(others.abs().max())):
        return Risk(name, None, 0.0, math.inf, 0.0, len(others), note="the other models have all the same number")
    value, half = abs(float(one - others.mean())) / deviation, reach(others, confidence) / deviation
    return Risk(name, value, value - half, value + half, 0.0, len(others))


def reach(others: Float[Tensor, " models"], confidence: float = 0.95) -> float:
    """How far from the mean of these numbers one more of the kind lies at most, in so many cases (see `apart`)."""
    count = len(others)
    return float(t.ppf((1 + confidence) / 2, count - 1)) * float(others.double().std()) * math.sqrt(1 + 1 / count)
