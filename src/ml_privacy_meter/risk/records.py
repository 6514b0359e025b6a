"""Risk of each record, and of each group of them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import rankdata
from sklearn.isotonic import IsotonicRegression
from torch import Tensor

from ml_privacy_meter.findings import Group, Risk
from ml_privacy_meter.types import Scores, fold_of

Measure = Callable[[Scores], Risk]


def membership_probability(found: Sequence[Scores], *, folds: int = 5) -> tuple[Float[Tensor, " trials"], np.ndarray]:
    """Probability in (0, 1) that each record is a member, under even odds; and which of ``found`` it rests on.

    Cross-fitted: the attack that ranks the records of the other folds best, and what its scores mean there (isotonic
    regression), judge the records of a fold. Beyond the scores seen, one member and one non-member are imagined on
    either side, so that nothing is called certain.
    """
    truth = found[0].truth
    fold, member = fold_of(truth, folds), truth.numpy()
    probability, which = np.empty(len(fold)), np.empty(len(fold), dtype=int)
    for k in range(folds):
        here, there = fold == k, fold != k
        best = int(np.argmax([_auc(s.score.numpy()[there], member[there]) for s in found]))
        score = found[best].score.double().numpy()
        probability[here] = _calibrated(score[there], member[there], score[here])
        which[here] = best
    return torch.from_numpy(probability), which


def _auc(score: np.ndarray, member: np.ndarray) -> float:
    m = int(member.sum())
    return float((rankdata(score)[member].sum() / m - (m + 1) / 2) / (len(score) - m))


def _calibrated(score: np.ndarray, member: np.ndarray, at: np.ndarray) -> np.ndarray:
    ends = np.repeat([score.min(), score.max()], 2)
    x, y = np.concatenate([score, ends]), np.concatenate([member, [0, 1, 0, 1]]).astype(float)
    weight = np.where(y == 1, len(y) / (2 * y.sum()), len(y) / (2 * (1 - y).sum()))
    curve = IsotonicRegression(out_of_bounds="clip").fit(x, y, sample_weight=weight)
    return np.asarray(curve.predict(at))


def by_group(scores: Scores, groups: Mapping[str, np.ndarray], measures: Sequence[Measure]) -> tuple[Group, ...]:
    """The risks of the records that share a value, for each value of each column that has members and non-members."""
    found = []
    for column, values in groups.items():
        for value, here in _rows_of_each(values):
            rows = torch.from_numpy(here)
            members = int(scores.truth[rows].sum())
            risks: tuple[Risk, ...] = ()
            if 0 < members < len(here):
                part = scores.where(rows)
                risks = tuple(measure(part) for measure in measures)
            found.append(Group(column, str(value), members, len(here) - members, risks))
    return tuple(found)


def _rows_of_each(values: np.ndarray) -> list[tuple[object, np.ndarray]]:
    names, which = np.unique(values, return_inverse=True)
    order = np.argsort(which, kind="stable")
    return list(zip(names, np.split(order, np.cumsum(np.bincount(which))[:-1]), strict=True))
