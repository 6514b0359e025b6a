"""The table that every attack joins: the figure in which it must find the leaky world, in how many blank worlds it must
find nothing (fewer for those that take seconds in each), and how many reference models it is given."""

from functools import partial

from ml_privacy_meter import signals
from ml_privacy_meter.membership import (
    base_difference,
    base_ratio,
    bavaria,
    difference,
    gap,
    gradient_clusters,
    influence,
    lira,
    lowercase,
    neighbourhood,
    percentile,
    quantile,
    range_membership,
    recall,
    rmia,
    shadow,
    snapshots,
    stacked,
    threshold,
    update_cosine,
    update_dot,
    whitebox,
    whitebox_by_references,
    zlib_ratio,
)
from ml_privacy_meter.membership.ranges import noise
from ml_privacy_meter.risk import auc, balanced_accuracy, tpr_at_fpr

TPR_AT_5 = partial(tpr_at_fpr, fpr=0.05)
LAST_NORM, LAST_GAP = (partial(of, of="last") for of in (signals.gradient_norm, signals.gradient_gap))

ATTACKS = [
    (threshold, TPR_AT_5, 40, 0),
    (partial(threshold, signal=signals.logit_gap), TPR_AT_5, 40, 0),
    (partial(threshold, signal=signals.true_probability), TPR_AT_5, 40, 0),
    (partial(threshold, signal=signals.modified_entropy), TPR_AT_5, 40, 0),
    (partial(threshold, signal=signals.margin), TPR_AT_5, 40, 0),
    (partial(threshold, signal=signals.entropy), auc, 40, 0),
    (partial(threshold, signal=signals.gradient_norm), TPR_AT_5, 40, 0),
    (partial(threshold, signal=LAST_NORM), TPR_AT_5, 40, 0),
    (partial(threshold, signal=signals.log_gradient_norm), TPR_AT_5, 40, 0),
    (gap, balanced_accuracy, 40, 0),
    (partial(threshold, signal=signals.label_robustness), auc, 12, 0),
    (partial(bavaria, signal=signals.label_robustness), auc, 8, 8),
    (influence, TPR_AT_5, 40, 0),
    (snapshots, TPR_AT_5, 40, 0),
    (partial(snapshots, signal=signals.gradient_norm), TPR_AT_5, 20, 0),
    (update_dot, auc, 40, 0),
    (update_cosine, auc, 40, 0),
    (quantile, TPR_AT_5, 8, 0),
    (partial(quantile, given=signals.inputs), TPR_AT_5, 4, 0),
    (difference, TPR_AT_5, 40, 8),
    (partial(difference, signal=signals.loss), TPR_AT_5, 40, 8),
    (percentile, auc, 40, 8),
    (partial(percentile, break_ties=True), TPR_AT_5, 40, 8),
    (lira, TPR_AT_5, 40, 8),
    (partial(lira, offline="one-sided"), TPR_AT_5, 40, 8),
    (partial(lira, offline="two-sided"), auc, 40, 8),
    (rmia, TPR_AT_5, 40, 8),
    (partial(lira, snapshots=2), TPR_AT_5, 12, 8),
    (partial(rmia, snapshots=2), TPR_AT_5, 12, 8),
    (partial(bavaria, snapshots=2), TPR_AT_5, 12, 8),
    (partial(rmia, offline=True, break_ties=False), TPR_AT_5, 40, 8),
    (bavaria, TPR_AT_5, 40, 8),
    (partial(lira, signal=signals.log_gradient_norm), auc, 20, 8),
    (partial(lira, signal=signals.gradient_gap), TPR_AT_5, 20, 8),
    (partial(difference, signal=signals.log_gradient_norm), auc, 20, 8),
    (partial(bavaria, signal=LAST_GAP), TPR_AT_5, 20, 8),
    (partial(rmia, signal=LAST_GAP), TPR_AT_5, 20, 8),
    (partial(range_membership, points=noise(0.1), queries=4), TPR_AT_5, 6, 8),
    (shadow, TPR_AT_5, 6, 8),
    (stacked, TPR_AT_5, 6, 8),
    (gradient_clusters, TPR_AT_5, 40, 0),
    (partial(whitebox, epochs=12, networks=2, kernels=2), auc, 4, 0),
    (partial(whitebox, snapshots=2, layers=(), gradients=(), epochs=8, networks=1), auc, 4, 0),
    (partial(whitebox_by_references, epochs=12, networks=1, kernels=2, most=2_000), TPR_AT_5, 4, 8),
]

# Played in worlds of their own: see `test_texts.py`.
OF_TEXTS = [
    zlib_ratio,
    lowercase,
    recall,
    partial(neighbourhood, neighbours=2),
    partial(threshold, signal=signals.min_k),
    partial(threshold, signal=signals.min_k_plus_plus),
    base_difference,
    base_ratio,
]
NAMED = list(dict.fromkeys(getattr(a, "func", a) for a in (*(row[0] for row in ATTACKS), *OF_TEXTS)))
