"""What a claim of differential privacy allows an attack to reach, and how much noise a risk asks for."""

from ml_privacy_meter.guarantees.claim import ceilings, claimed, held
from ml_privacy_meter.guarantees.declared import declared
from ml_privacy_meter.guarantees.guarantee import Guarantee, approximate, gaussian, pure
from ml_privacy_meter.guarantees.sgd import dp_sgd, noise_for

__all__ = [
    "Guarantee",
    "approximate",
    "ceilings",
    "claimed",
    "declared",
    "dp_sgd",
    "gaussian",
    "held",
    "noise_for",
    "pure",
]
