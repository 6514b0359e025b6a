"""How probable its score makes each record's membership."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata
from torch import Tensor, from_numpy

from ml_privacy_meter.types import Scores, fold_of

IMAGINED = 0.5  # of a non-member above all scores, and of a member below them
CELLS = 32  # of each halving: scores of one cell count as alike while a curve is fitted

Curve = Callable[[np.ndarray], np.ndarray]


def membership_probability(
    found: Sequence[Scores], rehearsed: Sequence[Sequence[Scores]] = ()
) -> tuple[Float[Tensor, " trials"], np.ndarray]:
    """Probability in (0, 1) that each record is a member, under even odds; and which of ``found`` it rests on.

    It never falls as the score rises: see `curve`. From rehearsals where there are any: the attack with the highest
    mean AUC there, and what its scores mean in all of them together, judge the target's records; the target's truth has
    no part in it. Without any, the attack with the highest AUC, and what its scores mean among these same records. Then
    a record's own truth is one of those that its probability is learned from. To leave it out would be worse: a member
    would be judged beside relatively fewer members than are there, a non-member beside more, and the records at the top
    of the list would be those that happen to be non-members. What `cross_fitted` gives says how well it holds.

    Args:
        rehearsed: for each of ``found``, its scores where a reference model played the target; may be empty. Attacks
            are compared on the rehearsals that all share, the first ones.
    """
    if any(rehearsed):
        shared = min(len(games) for games in rehearsed if games)
        sums = [sum(_auc(*_arrays(game)) for game in games[:shared]) for games in rehearsed]
        best = int(np.argmax(sums))
        score, member = (np.concatenate(of) for of in zip(*map(_arrays, rehearsed[best]), strict=True))
    else:
        best = int(np.argmax([_auc(*_arrays(scores)) for scores in found]))
        score, member = _arrays(found[best])
    probability = curve(score, member)(found[best].score.double().numpy())
    return from_numpy(probability), np.full(len(probability), best)


def cross_fitted(found: Sequence[Scores], *, folds: int = 5) -> Float[Tensor, " trials"]:
    """Probability in (0, 1) of each record, for which other records chose the attack and gave the curve.

    To judge by it how well such probabilities hold, and not to rank records: see `membership_probability`. One half
    everywhere where there is one member or one non-member alone.
    """
    truth = found[0].truth
    folds = min(folds, int(truth.sum()), int((~truth).sum()))
    fold, probability = fold_of(truth, folds), np.full(len(truth), 0.5)
    pairs = [_arrays(scores) for scores in found]
    for k in range(folds if folds > 1 else 0):
        here, there = fold == k, fold != k
        score, member = max(pairs, key=lambda pair: _auc(pair[0][there], pair[1][there]))
        probability[here] = curve(score[there], member[there])(score[here])
    return from_numpy(probability)


def curve(score: np.ndarray, member: np.ndarray) -> Curve:
    """From scores to the probability in (0, 1) that such a record is a member, under even odds; it never falls.

    Its log-odds rise in straight pieces over the logarithm of the share of records that score higher (above the median)
    or lower (below it), with a knot wherever that share halves: as fine at either end as there are records to tell,
    whatever the scale of the scores. Its likelihood is the highest once half a non-member is imagined above all scores
    and half a member below them: a single member at the top lifts nothing. And it stays within the shares of members,
    the imagined ones counted, that are found above some score and below some score: nothing is called certain.

    Args:
        member: of each score; both kinds.
    """
    order = np.argsort(score, kind="stable")
    pool, kinds = score[order], (member[order], ~member[order])
    place = np.rint(_halvings(pool, pool) * CELLS).astype(int)
    alike = 2 / sum(1 / kind.sum() for kind in kinds)  # of either kind: as many would tell as much as these do
    members, others = (np.bincount(place - place[0], kind) * alike / kind.sum() for kind in kinds)
    x = np.arange(place[0], place[-1] + 1) / CELLS
    knots = np.arange(np.floor(x[0]), np.ceil(x[-1]) + 1)
    rising = np.clip(x[:, None] - knots[:-1], 0, 1) - (knots[:-1] < 0)  # 0 at the median

    def unlikely(of: np.ndarray) -> tuple[float, np.ndarray]:
        odds = of[0] + rising @ of[1:]
        loss = members @ np.logaddexp(0, -odds) + others @ np.logaddexp(0, odds) + IMAGINED * of[1:].sum()
        slope = (members + others) * expit(odds) - members
        return float(loss), np.r_[slope.sum(), slope @ rising + IMAGINED]

    bounds = [(None, None), *[(0, None)] * len(knots[:-1])]
    options = {"maxiter": 10_000, "maxfun": 100_000, "ftol": 1e-12}
    median, *rises = minimize(unlikely, np.zeros(len(knots)), jac=True, bounds=bounds, options=options).x
    height = np.r_[0, np.cumsum(rises)]
    height += median - height[knots == 0]
    least, most = 1 - _highest_share(others, members), _highest_share(members[::-1], others[::-1])
    return lambda at: np.clip(expit(np.interp(_halvings(pool, at), knots, height)), least, most)


def _highest_share(of: np.ndarray, beside: np.ndarray) -> float:
    """The highest share of these among the first few, however few, with half of one more on either side."""
    share = (of.cumsum() + IMAGINED) / ((of + beside).cumsum() + 2 * IMAGINED)
    return float(share.max())


def _halvings(pool: np.ndarray, at: np.ndarray) -> np.ndarray:
    """How often the half of the sorted ``pool`` beyond the median must be halved to lie beyond; below it, negative."""
    below = (np.searchsorted(pool, at, "left") + np.searchsorted(pool, at, "right")) / 2
    share = np.clip(below, 0.5, len(pool) - 0.5) / len(pool)
    return np.where(share < 0.5, np.log2(2 * share), -np.log2(2 * (1 - share)))


def _auc(score: np.ndarray, member: np.ndarray) -> float:
    m = int(member.sum())
    return float((rankdata(score)[member].sum() / m - (m + 1) / 2) / (len(score) - m))


def _arrays(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    return scores.score.double().numpy(), scores.truth.numpy()
