"""The table that every attack joins: the figure in which it must find the leaky world, and in how many blank worlds it
must find nothing (fewer for those that take seconds in each)."""

from functools import partial

from ml_privacy_meter import signals
from ml_privacy_meter.membership import gap, quantile, threshold
from ml_privacy_meter.risk import auc, balanced_accuracy, tpr_at_fpr

TPR_AT_5 = partial(tpr_at_fpr, fpr=0.05)

ATTACKS = [
    (threshold, TPR_AT_5, 40),
    (partial(threshold, signal=signals.logit_gap), TPR_AT_5, 40),
    (partial(threshold, signal=signals.true_probability), TPR_AT_5, 40),
    (partial(threshold, signal=signals.modified_entropy), TPR_AT_5, 40),
    (partial(threshold, signal=signals.margin), TPR_AT_5, 40),
    (partial(threshold, signal=signals.entropy), auc, 40),
    (gap, balanced_accuracy, 40),
    (quantile, TPR_AT_5, 12),
    (partial(quantile, given=signals.inputs), TPR_AT_5, 6),
]
