"""Epsilon of Gaussian mechanisms, whose two worlds are told apart as two normal distributions are."""

from functools import lru_cache
from math import erfc, inf, sqrt
from statistics import NormalDist

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtri

from ml_privacy_meter.risk.one_run import largest

QUANTILE = NormalDist().inv_cdf  # of a single number: ten times as fast as scipy's, for loops


def gaussian_epsilon(mu: float, delta: float) -> float:
    """Smallest epsilon for which ``mu``-Gaussian differential privacy is (epsilon, ``delta``)-differential privacy.

    Source: Dong, Roth and Su, Gaussian Differential Privacy, JRSS B 2022, corollary 2.13.
    """

    def log_excess(epsilon: float) -> float:
        first, second = log_ndtr(mu / 2 - epsilon / mu), epsilon + log_ndtr(-mu / 2 - epsilon / mu)
        return float(first + np.log(max(-np.expm1(second - first), 1e-300)) - np.log(delta))

    if mu <= 0 or log_excess(0.0) <= 0:
        return 0.0
    return float(brentq(log_excess, 0.0, mu * mu / 2 - mu * ndtri(delta), xtol=1e-9))


@lru_cache(1024)
def gaussian_one_run_mu(correct: int, guesses: int, canaries: int, *, alpha: float, above: float = 0.0) -> float:
    """Largest ``mu`` that so many right guesses refute at significance ``alpha``; 0 where none above ``above`` is.

    Source: Mahloujifar, Melis and Chaudhuri, Auditing f-Differential Privacy in One Run, 2024, algorithm 3.
    """

    def refuted(mu: float) -> bool:
        return _refuted(mu, correct, guesses, canaries, alpha)

    high = above + 1
    while refuted(high):
        high *= 2
    return largest(refuted, high, above)


def _refuted(mu: float, correct: int, guesses: int, canaries: int, alpha: float) -> bool:
    right, wrong = alpha * correct / canaries, alpha * (guesses - correct) / canaries
    most = guesses / canaries
    for i in range(correct - 1, -1, -1):
        above = 0.5 * erfc((mu - (QUANTILE(right) if right < 1 else inf)) / sqrt(2))
        if above <= wrong:
            break
        right, wrong = min(1.0, right + i / (guesses - i) * (above - wrong)), above
        if right + wrong > most:  # neither ever falls
            return True
    return right + wrong > most
