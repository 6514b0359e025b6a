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
from ml_privacy_meter.signals.reader import OutputSignal, Reader
from ml_privacy_meter.signals.store import Store

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
