"""Pictures of scores, as numbers."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from ml_privacy_meter.types import Scores

POINTS = 500
BINS = 40


def roc(
    scores: Scores, *, at: Sequence[float] = ()
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """False and true positive rates, from (0, 0) to (1, 1).

    One point a distinct score, so that ties move together. At most 500 are kept, more of them where the false
    positive rate is low; the last at or below each of the false positive rates ``at`` always is.
    """
    distinct, place = np.unique(scores.score.double().numpy(), return_inverse=True)
    truth = scores.truth.numpy()
    fpr = _share_above(place[~truth], len(distinct))
    tpr = _share_above(place[truth], len(distinct))
    keep = _thin(fpr, tpr, at)
    return fpr[keep], tpr[keep]


def _share_above(place: Int[np.ndarray, " trials"], distinct: int) -> Float[np.ndarray, " thresholds"]:
    above = np.bincount(place, minlength=distinct)[::-1].cumsum()
    return np.concatenate([[0.0], above / len(place)])


def _thin(
    fpr: Float[np.ndarray, " thresholds"], tpr: Float[np.ndarray, " thresholds"], at: Sequence[float]
) -> Int[np.ndarray, " points"]:
    last = len(fpr) - 1
    if last < POINTS:
        return np.arange(last + 1)
    lowest = fpr[fpr > 0][0]
    # The last point at or below each rate: the height that the curve has reached there.
    wanted = np.array(at[: POINTS // 10]) + 1e-12  # a rate is the share that it is written as
    across = np.concatenate([[0.0], wanted, np.geomspace(lowest, 1, POINTS // 2), np.linspace(0, 1, POINTS // 4)])
    up = np.linspace(0, 1, POINTS // 4 - 4 - len(wanted))
    chosen: list[np.ndarray] = [
        np.searchsorted(fpr, across, side="right") - 1,
        np.searchsorted(tpr, up, side="right") - 1,
        np.array([0, last]),
    ]
    return np.unique(np.concatenate(chosen).clip(0, last))


def histogram(
    scores: Scores,
) -> tuple[Float[np.ndarray, " edges"], Int[np.ndarray, " bins"], Int[np.ndarray, " bins"], float | None]:
    """Edges of the bins, the members and non-members in each, and how far from 0 the scale is linear.

    The inner bins are equally wide: on a linear scale (None), or, where that would put most scores into one bin, on
    one that is linear near 0 and logarithmic beyond. The outermost bins reach to the lowest and the highest score, so
    that a few scores far out do not squeeze the others.
    """
    score = scores.score.double().numpy()
    edges = _edges(score)
    if np.histogram(score, edges)[0].max() <= len(score) / 2 or len(np.unique(score)) <= BINS:
        linear = None
    else:
        linear = float(max(np.quantile(np.abs(score), 0.1), np.abs(score).max() * 1e-9))
        edges = linear * np.sinh(_edges(np.arcsinh(score / linear)))
        edges[0], edges[-1] = min(edges[0], score.min()), max(edges[-1], score.max())
    members, _ = np.histogram(scores.members.numpy(), edges)
    others, _ = np.histogram(scores.others.numpy(), edges)
    return edges, members, others, linear


def _edges(score: Float[np.ndarray, " trials"]) -> Float[np.ndarray, " edges"]:
    low, high = np.quantile(score, [0.002, 0.998])
    if high == low:
        low, high = score.min(), score.max()
    if high == low:
        low, high = low - max(0.5, abs(low) / 1e6), high + max(0.5, abs(high) / 1e6)
    edges = np.linspace(low, high, BINS + 1)
    edges[0], edges[-1] = min(score.min(), low), max(score.max(), high)
    return edges
