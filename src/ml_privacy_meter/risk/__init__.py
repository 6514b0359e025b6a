"""Figures: functions of scores, each with its interval, and the checks that say whether they may be read."""

from ml_privacy_meter.risk.records import by_group, membership_probability
from ml_privacy_meter.risk.roc import advantage, auc, balanced_accuracy, decisions, error, power, tpr_at_fpr

__all__ = [
    "advantage",
    "auc",
    "balanced_accuracy",
    "by_group",
    "decisions",
    "error",
    "membership_probability",
    "power",
    "tpr_at_fpr",
]
