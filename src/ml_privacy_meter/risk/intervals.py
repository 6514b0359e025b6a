"""Intervals of shares, each at a given confidence."""

from math import log, sqrt
from statistics import NormalDist

import numpy as np
from scipy.optimize import brentq
from scipy.special import betainc

Interval = tuple[float, float]


def clopper_pearson(hits: int, trials: int, confidence: float = 0.95) -> Interval:
    """Exact interval of a share: covers it at least this often.

    Source: Clopper and Pearson, The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial, 1934.
    """
    return mixed_clopper_pearson(np.array([float(hits)]), np.array([1.0]), trials, confidence)


def mixed_clopper_pearson(hits: np.ndarray, weight: np.ndarray, trials: int, confidence: float) -> Interval:
    """Clopper and Pearson's interval of a share whose count of hits is itself uncertain.

    Args:
        hits: the counts that are possible, between 0 and ``trials``; need not be whole.
        weight: the probability of each; they add up to 1.
    """
    tail = (1 - confidence) / 2
    some, some_missed = np.maximum(hits, 1e-9), np.maximum(trials - hits, 1e-9)

    def below(share: float) -> float:  # how surely the share is at most this, by the lower limits
        return float(weight @ np.where(hits <= 0, 1.0, betainc(some, trials - hits + 1, share)))

    def above(share: float) -> float:
        return float(weight @ np.where(hits >= trials, 0.0, betainc(hits + 1, some_missed, share)))

    low = 0.0 if below(0.0) >= tail else float(brentq(lambda s: below(s) - tail, 0, 1))
    high = 1.0 if above(1.0) <= 1 - tail else float(brentq(lambda s: above(s) - (1 - tail), 0, 1))
    return low, high


def wilson(hits: float, trials: float, confidence: float = 0.95) -> Interval:
    """Score interval of a share; covers it about this often.

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927.
    """
    z = normal_quantile(confidence)
    share, spread = hits / trials, z**2 / trials
    centre = (share + spread / 2) / (1 + spread)
    half = sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def difference(first: Interval, second: Interval, values: tuple[float, float], *, correlation: float = 0.0) -> Interval:
    """Interval of the first share less the second, from the interval of each and the correlation of the two estimates.

    Source: Newcombe, Interval Estimation for the Difference between Independent Proportions, 1998, method 10; with
    correlation, Zou and Donner, Construction of Confidence Limits about Effect Measures: A General Approach, 2008.
    """
    (low1, high1), (low2, high2), (p1, p2) = first, second, values

    def reach(one: float, other: float) -> float:
        return sqrt(max(0.0, one**2 + other**2 - 2 * correlation * one * other))

    return p1 - p2 - reach(p1 - low1, high2 - p2), p1 - p2 + reach(high1 - p1, p2 - low2)


def on_logit_scale(value: float, error: float, trials: int, confidence: float = 0.95) -> Interval:
    """Interval of a share with this standard error, symmetric in its logit.

    At 0 or 1, where there is no logit, the exact bound of ``trials`` that all fell to one side.
    """
    if value in (0.0, 1.0):
        bound = ((1 - confidence) / 2) ** (1 / trials)
        return (bound, 1.0) if value else (0.0, 1 - bound)
    centre, half = log(value / (1 - value)), normal_quantile(confidence) * error / (value * (1 - value))
    low, high = (float(1 / (1 + np.exp(-x))) for x in (centre - half, centre + half))
    return low, high


def normal_quantile(confidence: float) -> float:
    """How many standard deviations around the mean hold this share of a normal distribution."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
