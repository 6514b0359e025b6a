"""Defenses: ways to train a model, or to answer in its place, so that it leaks less; one a file."""

from ml_privacy_meter.defenses.early_stopping import early_stopping
from ml_privacy_meter.defenses.label_only import label_only
from ml_privacy_meter.defenses.memguard import memguard
from ml_privacy_meter.defenses.relaxloss import relaxloss
from ml_privacy_meter.defenses.rounding import rounding
from ml_privacy_meter.defenses.top_k import top_k

__all__ = ["early_stopping", "label_only", "memguard", "relaxloss", "rounding", "top_k"]
