"""What defenses spend of privacy: epsilon of noise that is added again and again."""

import math
from functools import lru_cache

from ml_privacy_meter import guarantees
from ml_privacy_meter.training import PrivacySpent


def default_delta(records: int) -> float:
    """The largest power of ten below 1 / records."""
    return float(10.0 ** -(math.floor(math.log10(records)) + 1))


@lru_cache(maxsize=256)
def spent(noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> PrivacySpent:
    """What Gaussian noise guarantees, each record being in a step with a probability of its own (Poisson sampling)."""
    claim = guarantees.dp_sgd(noise_multiplier=noise_multiplier, sample_rate=sample_rate, steps=steps, delta=delta)
    return PrivacySpent(claim.epsilon(delta), delta, noise_multiplier, sample_rate, steps)


@lru_cache(maxsize=256)
def noise_for(epsilon: float, sample_rate: float, steps: int, delta: float) -> float:
    """The least noise multiplier that guarantees epsilon."""
    return guarantees.noise_for(sample_rate=sample_rate, steps=steps, epsilon=epsilon, delta=delta)
