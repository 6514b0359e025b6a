"""How far membership probabilities without reference models lie beside the right ones, in simulated audits.

Scores are normal, so that the right probability is a closed form. Ours beside isotonic regression that is cross-fitted
in five folds. "Top": the 1% and the 3% with the highest probability; "neighbours": how much higher the probability of
members is than that of others among 20 with like scores; "itself": how far the truth of one of the top 1%, turned over,
moves its own.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import norm
from sklearn.isotonic import IsotonicRegression

from ml_privacy_meter.risk import membership_probability
from ml_privacy_meter.types import Scores, fold_of

SIZES = ((40, 40), (40, 400), (400, 400), (400, 1_400), (5_000, 5_000), (5_000, 500))
ROUNDS = {80: 200, 440: 100, 800: 100, 1_800: 60}
WORLDS = {  # share and shift of members that lie apart, then of others
    "no leak": (0.0, 0.0, 0.0, 0.0),
    "weak leak": (1.0, 0.3, 0.0, 0.0),
    "strong leak": (1.0, 2.0, 0.0, 0.0),
    "5% of members far out": (0.05, 4.0, 0.0, 0.0),
    "1% surely identified": (0.01, 8.0, 0.0, 0.0),
    "10% of others far below": (0.0, 0.0, 0.1, -5.0),
    "weak leak, many ties": (1.0, 0.3, 0.0, 0.0),
}

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]


def main() -> None:
    columns = ("error", "top 1%", "its error", "top 3%", "its truth", "neighbours", "itself")
    print(f"{'records':>14}{'world':>26}{'':>10}" + "".join(f"{name:>12}" for name in columns))
    for members, others in SIZES:
        for world in WORLDS:
            for name, method in (("ours", ours), ("isotonic", isotonic)):
                found = measured(method, world, members, others)
                numbers = "".join(f"{one:12.3f}" for one in found)
                print(f"{f'{members} + {others}':>14}{world:>26}{name:>10}{numbers}", flush=True)


def ours(score: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return membership_probability([Scores(torch.from_numpy(score), torch.from_numpy(truth))])[0].numpy()


def isotonic(score: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Each record by the other folds, with a member and a non-member imagined on either side."""
    fold, found = fold_of(torch.from_numpy(truth), 5), np.empty(len(score))
    for k in range(5):
        x, y = score[fold != k], truth[fold != k]
        x, y = np.r_[x, np.repeat([x.min(), x.max()], 2)], np.r_[y, [0, 1, 0, 1]].astype(float)
        weight = np.where(y == 1, 0.5 / y.sum(), 0.5 / (1 - y).sum())
        curve = IsotonicRegression(out_of_bounds="clip").fit(x, y, sample_weight=weight)
        found[fold == k] = curve.predict(score[fold == k])
    return found


def drawn(world: str, truth: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and the right probability of each."""
    up, above, down, below = WORLDS[world]
    apart = rng.random(len(truth)) < np.where(truth, up, down)
    score = rng.normal(size=len(truth)) + np.where(truth, above, below) * apart
    if "ties" in world:  # as rounded answers give them
        score = np.round(2 * score) / 2
    wide = 0.25 if "ties" in world else 1e-4

    def share(middle: float) -> np.ndarray:
        return norm.cdf(score + wide, middle) - norm.cdf(score - wide, middle)

    inside, outside = (1 - up) * share(0) + up * share(above), (1 - down) * share(0) + down * share(below)
    return score, inside / (inside + outside)


def measured(method: Method, world: str, members: int, others: int) -> list[float]:
    found, neighbours, itself = [], [], []
    surplus = weight = 0.0
    for seed in range(ROUNDS.get(members + others, 20)):
        rng = np.random.default_rng(seed)
        truth = rng.permutation(members + others) < members
        score, right = drawn(world, truth, rng)
        each = np.where(truth, 0.5 / members, 0.5 / others)
        p = method(score, truth)
        order = np.lexsort((score, p))[::-1]
        one, three = (order[: max(1, round(share * len(p)))] for share in (0.01, 0.03))
        surplus, weight = surplus + each[three] @ (p - truth)[three], weight + each[three].sum()
        found.append(
            (each @ abs(p - right), (p - right)[one].mean(), abs(p - right)[one].mean(), (p - right)[three].mean())
        )
        high = np.argsort(-score, kind="stable")[: max(20, len(p) // 200 * 20)]
        blocks = [block for block in high[: len(high) // 20 * 20].reshape(-1, 20) if 0 < truth[block].sum() < 20]
        neighbours += [p[block][truth[block]].mean() - p[block][~truth[block]].mean() for block in blocks]
        if seed < 20:
            turned = rng.choice(one)
            itself.append(abs(method(score, truth ^ (np.arange(len(p)) == turned)) - p)[turned])
    error, first, far, second = np.mean(found, axis=0)
    return [error, first, far, second, surplus / weight, np.mean(neighbours) if neighbours else np.nan, np.mean(itself)]


if __name__ == "__main__":
    main()
