"""Epsilon of noise that is added again and again, and the noise for an epsilon, by privacy loss distributions."""

import math
from functools import lru_cache
from types import ModuleType

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter.training import Guarantee

FINE, COARSE = 1e-4, 1e-3  # nats, of the grid on which losses of a noise of 1 are rounded up
MOST = 500.0  # the noise beyond which no epsilon is looked for


def default_delta(records: int) -> float:
    """The largest power of ten below 1 / records."""
    return float(10.0 ** -(math.floor(math.log10(records)) + 1))


@lru_cache(maxsize=256)
def guarantee(noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> Guarantee:
    """What Gaussian noise guarantees, each record being in a step with a probability of its own (Poisson sampling).

    Losses are rounded up, so that epsilon is an upper bound.

    Source: Koskela, Jaelkoe and Honkela, Computing tight differential privacy guarantees using FFT, AISTATS 2020; as
    computed by dp-accounting.
    """
    found = _epsilon(noise_multiplier, sample_rate, steps, delta, FINE) if noise_multiplier > 0 else math.inf
    return Guarantee(found, delta, noise_multiplier, sample_rate, steps)


@lru_cache(maxsize=256)
def noise_for(epsilon: float, sample_rate: float, steps: int, delta: float) -> float:
    """The least noise multiplier, to 3 digits, that guarantees epsilon.

    Raises:
        InputError: it would take more noise than can be looked for.
    """
    low, high = 0.0, 1.0
    while _epsilon(high, sample_rate, steps, delta, COARSE) > epsilon:
        low, high = high, 2 * high
        if high > MOST:
            raise InputError(
                f"An epsilon of {epsilon:g} at delta {delta:g} over {steps:,} steps takes more noise than {MOST:g} "
                "times the clipping norm, with which nothing is learned. Ask for a larger `epsilon`."
            )
    low = low or _lower(epsilon, sample_rate, steps, delta, high)
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        if _epsilon(middle, sample_rate, steps, delta, COARSE) > epsilon:
            low = middle
        else:
            high = middle
    return float(f"{high * 1.0005:.4g}")  # rounded up


def _lower(epsilon: float, sample_rate: float, steps: int, delta: float, high: float) -> float:
    """A noise that does not guarantee epsilon, below one that does."""
    low = high
    while _epsilon(low, sample_rate, steps, delta, COARSE) <= epsilon:
        low /= 2
    return low


def _epsilon(noise_multiplier: float, sample_rate: float, steps: int, delta: float, grid: float) -> float:
    event = _accounting("dp_event")
    step = event.PoissonSampledDpEvent(sample_rate, event.GaussianDpEvent(noise_multiplier))
    # losses shrink as the noise grows, and where it is small a fine grid of them would fill the memory
    grid /= noise_multiplier if noise_multiplier > 1 else noise_multiplier**3
    accountant = _accounting("pld").PLDAccountant(value_discretization_interval=grid)
    accountant.compose(event.SelfComposedDpEvent(step, steps))
    return float(accountant.get_epsilon(delta))


def _accounting(part: str) -> ModuleType:
    return extra(f"dp_accounting.{part}", "dp", "Differential privacy")
