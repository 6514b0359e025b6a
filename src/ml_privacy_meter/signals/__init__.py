"""What an adversary reads off one model for each record."""

from ml_privacy_meter.signals.classifier import (
    correct,
    entropy,
    logit_gap,
    loss,
    margin,
    modified_entropy,
    other_classes,
    true_probability,
)
from ml_privacy_meter.signals.inputs import inputs
from ml_privacy_meter.signals.reader import Reader
from ml_privacy_meter.signals.store import Store
from ml_privacy_meter.types import OutputSignal

__all__ = [
    "OutputSignal",
    "Reader",
    "Store",
    "correct",
    "entropy",
    "inputs",
    "logit_gap",
    "loss",
    "margin",
    "modified_entropy",
    "other_classes",
    "true_probability",
]
