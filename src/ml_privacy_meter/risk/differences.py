"""How far the risk of one model lies from that of another, both asked about the same records."""

import numpy as np
from scipy.stats import rankdata

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.risk.intervals import Interval, difference
from ml_privacy_meter.types import Scores


def auc_correlation(first: Scores, second: Scores) -> float:
    """Correlation of two AUCs, in [-1, 1], that hang on the same records in the same order; 0 where either is certain.

    Source: DeLong et al., Comparing the Areas under Two or More Correlated Receiver Operating Characteristic Curves,
    Biometrics 1988.
    """
    _check_pairs(first, second)
    parts = [np.cov(*pair) / len(pair[0]) for pair in zip(_placements(first), _placements(second), strict=True)]
    covariance = parts[0] + parts[1]
    spread = float(np.sqrt(covariance[0, 0] * covariance[1, 1]))
    return float(np.clip(covariance[0, 1] / spread, -1, 1)) if spread > 0 else 0.0


def tpr_correlation(first: Scores, second: Scores, *, fpr: float) -> float:
    """About the least correlation, in [0, 1], of two true positive rates that hang on the same records.

    Each rate hangs on which members lie above a threshold, and, by the threshold, on which non-members do. The smaller
    of the two correlations, over members and over non-members, is taken: in simulations, 95% intervals of a difference
    that rest on it hold the true one in 98% to 100%, and are up to half as wide as without it (`docs/compare.md`).
    """
    _check_pairs(first, second)
    member = first.truth.numpy()
    above = np.stack([_above(scores, fpr) for scores in (first, second)])
    sides = [above[:, side] for side in (member, ~member)]
    if any((side.std(1) == 0).any() for side in sides):
        return 0.0
    return float(np.clip(min(np.corrcoef(side)[0, 1] for side in sides), 0, 1))


def risk_difference(first: Risk, second: Risk, *, correlation: float = 0.0) -> Interval | None:
    """Interval of the second figure less the first, from the intervals of both; None where one is not resolved.

    Without a correlation, that of independent figures: wider than it needs to be where the two rise and fall together,
    as figures of the same records mostly do.
    """
    if first.value is None or second.value is None:
        return None
    ends = (second.low, second.high), (first.low, first.high)
    return difference(*ends, (second.value, first.value), correlation=correlation)


def _check_pairs(first: Scores, second: Scores) -> None:
    if len(first.truth) != len(second.truth) or not bool((first.truth == second.truth).all()):
        raise InputError("Scores are paired record by record: the two must be of the same members, in the same order.")


def _above(scores: Scores, fpr: float) -> np.ndarray:
    """Whether each record lies above the lowest threshold that keeps to ``fpr`` on the non-members."""
    others = np.sort(scores.others.numpy())[::-1]
    return np.asarray(scores.score.numpy() > others[min(int(round(fpr * len(others), 9)), len(others) - 1)])


def _placements(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """By each member, the share of non-members that it outscores; of each non-member, of members that outscore it."""
    score, member = scores.score.double().numpy(), scores.truth.numpy()
    m, o = int(member.sum()), int((~member).sum())
    rank = rankdata(score)
    beaten = (rank[member] - rankdata(score[member])) / o
    return beaten, 1 - (rank[~member] - rankdata(score[~member])) / m
