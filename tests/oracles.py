"""Figures the slow and obvious way, to check the fast ones against."""

import numpy as np
from scipy.stats import beta, binom, norm, t


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


# Membership scores of one record at a time, from the formulas. ``target`` is (records, queries), ``reference``
# (records, models, queries), ``inside`` (records, models).


def _sides(reference: np.ndarray, inside: np.ndarray, i: int, q: int) -> tuple[list[float], list[float]]:
    """What models trained with record i say of it, and what models trained without say."""
    models = range(inside.shape[1])
    return [reference[i, j, q] for j in models if inside[i, j]], [
        reference[i, j, q] for j in models if not inside[i, j]
    ]


def difference(target: np.ndarray, reference: np.ndarray, inside: np.ndarray) -> list[float]:
    records, queries = target.shape
    return [
        sum(target[i, q] - np.mean(_sides(reference, inside, i, q)[1]) for q in range(queries)) / queries
        for i in range(records)
    ]


def percentile(target: np.ndarray, reference: np.ndarray, inside: np.ndarray) -> list[float]:
    """Of losses: lower says member."""
    shares = []
    for i in range(len(target)):
        out = _sides(reference, inside, i, 0)[1]
        shares.append(sum(1.0 if v > target[i, 0] else 0.5 if v == target[i, 0] else 0.0 for v in out) / len(out))
    return shares


def shared_variance(reference: np.ndarray, inside: np.ndarray, side: int, q: int) -> float:
    """Around each record's own mean, over all records' freedom."""
    squares, freedom = 0.0, 0
    for i in range(len(reference)):
        values = _sides(reference, inside, i, q)[side]
        if values:
            squares += sum((v - np.mean(values)) ** 2 for v in values)
            freedom += len(values) - 1
    return squares / freedom


def lira(target: np.ndarray, reference: np.ndarray, inside: np.ndarray, offline: str, variance: str) -> list[float]:
    records, queries = target.shape
    scores = []
    for i in range(records):
        score = 0.0
        for q in range(queries):
            normals = []
            for side in (0, 1) if offline == "no" else (1,):
                values = _sides(reference, inside, i, q)[side]
                own = np.var(values, ddof=1) if variance == "record" else shared_variance(reference, inside, side, q)
                normals.append(norm(np.mean(values), np.sqrt(own)))
            phi = target[i, q]
            if offline == "no":
                score += normals[0].logpdf(phi) - normals[1].logpdf(phi)
            else:
                score += normals[0].logcdf(phi) if offline == "one-sided" else -normals[0].logpdf(phi)
        scores.append(score)
    return scores


def bavaria(target: np.ndarray, reference: np.ndarray, inside: np.ndarray) -> list[float]:
    """Online, or, where no record is inside any model, the one-sided log-probability."""
    records, queries = target.shape
    online = bool(inside.any())
    scores = [0.0] * records
    for q in range(queries):
        for side in (0, 1) if online else (1,):
            lists = [_sides(reference, inside, i, q)[side] for i in range(records)]
            means = [np.mean(values) for values in lists if values]
            within = shared_variance(reference, inside, side, q)
            spread = np.var(means, ddof=1) - within * np.mean([1 / len(values) for values in lists if values])
            m0, k0, a0, b0 = np.mean(means), within / max(spread, within / 1000), 2, 2 * within
            for i, values in enumerate(lists):
                n, v = len(values), np.mean(values) if values else 0.0
                kn, an = k0 + n, a0 + n / 2
                mn = (k0 * m0 + n * v) / kn
                bn = b0 + sum((x - v) ** 2 for x in values) / 2 + k0 * n * (v - m0) ** 2 / (2 * kn)
                predictive = t(2 * an, mn, np.sqrt(bn * (kn + 1) / (an * kn)))
                scores[i] += (1 if side == 0 else -1) * predictive.logpdf(target[i, q]) if online else 0.0
                scores[i] += 0.0 if online else predictive.logcdf(target[i, q])
    return scores


def likelihood_ratio(target: float, into: list[float], out: list[float], offline: bool, a: float) -> float:
    """RMIA's, of probabilities."""
    if offline:
        return target / (((1 + a) * np.mean(out) + 1 - a) / 2)
    p_in = np.mean(into) if into else a * np.mean(out) + 1 - a
    p_out = np.mean(out) if out else max(0.0, (np.mean(into) - (1 - a)) / a)
    return target / ((p_in + p_out) / 2)


def rmia(x: tuple, z: tuple, gamma: float, a: float, offline: bool, break_ties: bool) -> list[float]:
    """Of probabilities; ``x`` and ``z`` are each (target, reference, inside). Equal ratios are equal to 12 digits."""
    queries = x[0].shape[1]
    scores = [0.0] * len(x[0])
    for q in range(queries):
        over_x, over_z = (
            [likelihood_ratio(of[0][i, q], *_sides(of[1], of[2], i, q), offline, a) for i in range(len(of[0]))]
            for of in (x, z)
        )
        for i, ratio in enumerate(over_x):
            beaten = sum(ratio / other >= gamma * (1 - 1e-12) for other in over_z)
            place = 0.5 + np.arctan(np.log(ratio)) / np.pi
            share = (beaten + place) / (len(over_z) + 1) if break_ties else beaten / len(over_z)
            scores[i] += share / queries
    return scores


def delong_covariance(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> float:
    """Of two AUCs of the same members and non-members, each pair (member, other) scored by one model: by definition."""

    def wins(a: float, b: float) -> float:
        return 1.0 if a > b else 0.5 if a == b else 0.0

    by_member = [[np.mean([wins(m, o) for o in non]) for m in member] for member, non in (one, other)]
    by_other = [[np.mean([wins(m, o) for m in member]) for o in non] for member, non in (one, other)]
    return float(sum(np.cov(*sides)[0, 1] / len(sides[0]) for sides in (by_member, by_other)))


def one_run_p_value(m: int, guesses: int, correct: int, epsilon: float, delta: float) -> float:
    """Of theorem 5.2 of Steinke et al. 2023, term by term."""
    q = np.exp(epsilon) / (1 + np.exp(epsilon))
    steps = [binom.sf(correct - i - 1, guesses, q) - binom.sf(correct - 1, guesses, q) for i in range(1, correct + 1)]
    steepest = max([step / i for i, step in enumerate(steps, 1)], default=0.0)
    return min(1.0, binom.sf(correct - 1, guesses, q) + 2 * m * delta * steepest)


def error_limits(member: np.ndarray, other: np.ndarray, alpha: float) -> list[tuple[float, float]]:
    """Upper limits of false positive and false negative rate at every threshold, each wrong with probability alpha."""
    found = []
    for threshold in [*member, *other]:
        wrong = int(np.sum(other >= threshold)), int(np.sum(member < threshold))
        shares = zip(wrong, (len(other), len(member)), strict=True)
        found.append(tuple(1.0 if k == n else float(beta.isf(alpha / n, k + 1, n - k)) for k, n in shares))
    return found
