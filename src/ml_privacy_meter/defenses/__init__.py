"""Defenses: ways to train a model, or to answer in its place, so that it leaks less; one a file."""

from ml_privacy_meter.defenses.early_stopping import early_stopping
from ml_privacy_meter.defenses.relaxloss import relaxloss
from ml_privacy_meter.defenses.rounding import rounding

__all__ = ["early_stopping", "relaxloss", "rounding"]
