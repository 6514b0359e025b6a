"""Defenses: ways to train a model, or to answer in its place, so that it leaks less; one a file."""

from ml_privacy_meter.defenses.adversarial_regularization import adversarial_regularization
from ml_privacy_meter.defenses.distillation import distillation
from ml_privacy_meter.defenses.dp_sgd import clipping, dp_sgd
from ml_privacy_meter.defenses.dropout import dropout
from ml_privacy_meter.defenses.early_stopping import early_stopping
from ml_privacy_meter.defenses.hamp import hamp
from ml_privacy_meter.defenses.l2 import l2
from ml_privacy_meter.defenses.label_only import label_only
from ml_privacy_meter.defenses.label_smoothing import label_smoothing
from ml_privacy_meter.defenses.memguard import memguard
from ml_privacy_meter.defenses.pate import pate
from ml_privacy_meter.defenses.relaxloss import relaxloss
from ml_privacy_meter.defenses.rounding import rounding
from ml_privacy_meter.defenses.selena import selena
from ml_privacy_meter.defenses.top_k import top_k

__all__ = [
    "adversarial_regularization",
    "clipping",
    "distillation",
    "dp_sgd",
    "dropout",
    "early_stopping",
    "hamp",
    "l2",
    "label_only",
    "label_smoothing",
    "memguard",
    "pate",
    "relaxloss",
    "rounding",
    "selena",
    "top_k",
]
