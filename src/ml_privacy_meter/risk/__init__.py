"""Figures: functions of scores, each with its interval, and the checks that say whether they may be read."""

from ml_privacy_meter.findings import EpsilonBound
from ml_privacy_meter.risk.added import added
from ml_privacy_meter.risk.calibration import reliability
from ml_privacy_meter.risk.carried import carried
from ml_privacy_meter.risk.epsilon import (
    epsilon_clopper_pearson,
    epsilon_gaussian,
    epsilon_one_run,
    epsilon_one_run_gaussian,
)
from ml_privacy_meter.risk.influence import Influence, influence
from ml_privacy_meter.risk.memorization import memorization
from ml_privacy_meter.risk.norms import gradient_norms
from ml_privacy_meter.risk.probability import membership_probability
from ml_privacy_meter.risk.records import by_group, vulnerability
from ml_privacy_meter.risk.roc import advantage, auc, balanced_accuracy, decisions, error, power, tpr_at_fpr
from ml_privacy_meter.risk.strongest import strongest

__all__ = [
    "EpsilonBound",
    "Influence",
    "added",
    "advantage",
    "auc",
    "balanced_accuracy",
    "by_group",
    "carried",
    "decisions",
    "epsilon_clopper_pearson",
    "epsilon_gaussian",
    "epsilon_one_run",
    "epsilon_one_run_gaussian",
    "error",
    "gradient_norms",
    "influence",
    "membership_probability",
    "memorization",
    "power",
    "reliability",
    "strongest",
    "tpr_at_fpr",
    "vulnerability",
]
