"""Epsilon from right guesses about canaries that were all in, or left out of, one training run."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.special import betainc, betaincinv, expit, logit

CLOSE = 1e-7  # how near below the largest refuted number the answer lies


@lru_cache(1024)  # simulations of audits ask for the same counts again and again
def one_run_epsilon(
    correct: int, guesses: int, canaries: int, *, delta: float, alpha: float, above: float = 0.0
) -> float:
    """Largest epsilon that so many right guesses refute at significance ``alpha``, at this ``delta``; 0 if none.

    Source: Steinke, Nasr and Jagielski, Privacy Auditing with One (1) Training Run, NeurIPS 2023, theorem 5.2.

    Args:
        guesses: a number that was fixed before the guesses were looked at; ``correct`` of them were right.
        canaries: all whose membership was drawn, the abstentions among them.
        above: an epsilon that is no longer of interest; 0 is returned where the answer is not above it.
    """
    if correct == 0:
        return 0.0
    without_delta = float(logit(betaincinv(correct, guesses - correct + 1, alpha)))
    if without_delta <= above or delta == 0:
        return without_delta if without_delta > above else 0.0
    return largest(lambda eps: one_run_p_value(correct, guesses, canaries, eps, delta) <= alpha, without_delta, above)


def one_run_p_value(correct: int, guesses: int, canaries: int, epsilon: float, delta: float) -> float:
    """How probable so many right guesses are, at most, under (``epsilon``, ``delta``)-privacy, in [0, 1]."""

    def at_least(count: np.ndarray) -> np.ndarray:  # of as many guesses, each right as often as epsilon allows
        some = np.maximum(count, 1)
        return np.where(count > 0, betainc(some, guesses - some + 1, expit(epsilon)), 1.0)

    by_epsilon = float(at_least(np.array(correct)))
    steepest, first = 0.0, 1
    while delta > 0 and first <= correct and steepest * first < 1 - by_epsilon:  # beyond, no step can be steeper
        steps = np.arange(first, min(2 * first, correct + 1))
        steepest = max(steepest, float(((at_least(correct - steps) - by_epsilon) / steps).max()))
        first *= 2
    return min(1.0, by_epsilon + 2 * canaries * delta * steepest)


def largest(refuted: Callable[[float], bool], high: float, low: float) -> float:
    """The largest number that is refuted, or a little less; 0 if ``low`` is not. ``high`` is not."""
    if not refuted(low):
        return 0.0
    while high - low > CLOSE:
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low
