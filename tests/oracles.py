"""Figures the slow and obvious way, to check the fast ones against."""

import numpy as np


def auc(member: np.ndarray, other: np.ndarray) -> float:
    """Every member against every non-member; a tie counts half."""
    wins = sum(1.0 if m > o else 0.5 if m == o else 0.0 for m in member for o in other)
    return wins / (len(member) * len(other))


def tpr_at_fpr(member: np.ndarray, other: np.ndarray, fpr: float) -> float:
    """The most members that any threshold catches, of the thresholds that keep to the rate."""
    best = 0.0
    for threshold in [*member, *other]:
        if np.mean(other >= threshold) <= fpr:
            best = max(best, float(np.mean(member >= threshold)))
    return best


def delong_variance(member: np.ndarray, other: np.ndarray) -> float:
    """DeLong's variance of the AUC, by its definition in placements."""

    def wins(a: float, b: float) -> float:
        return 1.0 if a > b else 0.5 if a == b else 0.0

    by_member = [np.mean([wins(m, o) for o in other]) for m in member]
    by_other = [np.mean([wins(m, o) for m in member]) for o in other]
    return float(np.var(by_member, ddof=1) / len(member) + np.var(by_other, ddof=1) / len(other))
