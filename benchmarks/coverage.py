"""How often each 95% interval holds the truth, in 2,000 simulated audits; scores are normal, truths closed forms.

For TPR@FPR, beside ours: the custom of Clopper-Pearson with the threshold taken as given.
"""

from functools import partial

import numpy as np
import torch
from scipy.stats import norm

from ml_privacy_meter.risk import advantage, auc, decisions, error, power, tpr_at_fpr
from ml_privacy_meter.risk.intervals import clopper_pearson
from ml_privacy_meter.types import Scores, fold_of

ROUNDS = 2_000
WORLDS = {"no leak": (0.0, 1.0), "all members shifted": (1.0, 1.0), "some far out": (0.5, 2.0)}


def main() -> None:
    for n in (200, 1_000):
        for shift in (0.0, 1.0):
            decided(n, shift)
    print(f"{'figure':12}{'records':>16}{'world':>22}{'truth':>8}{'holds':>8}{'too high':>10}{'custom':>8}")
    for n in (200, 1_000, 5_000):
        for world, (shift, spread) in WORLDS.items():
            truth = norm.cdf(shift / np.sqrt(1 + spread**2))
            row("AUC", auc, n, world, truth)
            for fpr in (0.1, 0.01, 0.001):
                if n * fpr >= 1:
                    truth = norm.sf((norm.isf(fpr) - shift) / spread)
                    row(f"TPR@{100 * fpr:g}%FPR", partial(tpr_at_fpr, fpr=fpr), n, world, truth, fpr)


def decided(n: int, shift: float) -> None:
    """Power, error and advantage: the truth is what the thresholds of the two halves reach."""
    held = dict.fromkeys((power, error, advantage), 0)
    member = torch.arange(2 * n) < n
    for seed in range(ROUNDS):
        rng = np.random.default_rng(seed)
        scores = Scores(torch.from_numpy(np.concatenate([rng.normal(shift, 1, n), rng.normal(size=n)])), member)
        called, half = decisions(scores).numpy(), fold_of(member, 2)
        cuts = [scores.score.numpy()[called & (half == k)].min(initial=np.inf) for k in (0, 1)]
        right, wrong = (float(np.mean(norm.sf(np.array(cuts) - by))) for by in (shift, 0))
        for measure, truth in ((power, right), (error, wrong), (advantage, right - wrong)):
            risk = measure(scores)
            held[measure] += risk.low <= truth <= risk.high
    shares = "   ".join(f"{measure.__name__} {count / ROUNDS:.1%}" for measure, count in held.items())
    print(f"{n} + {n}, shifted by {shift:g}: {shares}", flush=True)


def row(name, measure, n: int, world: str, truth: float, fpr: float = 0.0) -> None:
    held, above, custom = 0, 0, 0
    member = torch.arange(2 * n) < n
    for seed in range(ROUNDS):
        rng = np.random.default_rng(seed)
        shift, spread = WORLDS[world]
        members, others = rng.normal(shift, spread, n), rng.normal(size=n)
        risk = measure(Scores(torch.from_numpy(np.concatenate([members, others])), member))
        held += risk.low <= truth <= risk.high
        above += risk.low > truth
        if fpr:
            low, high = clopper_pearson(int((members > np.sort(others)[::-1][round(fpr * n)]).sum()), n)
            custom += low <= truth <= high
    shares = f"{held / ROUNDS:8.1%}{above / ROUNDS:10.1%}" + (f"{custom / ROUNDS:8.1%}" if fpr else "")
    print(f"{name:12}{f'{n} + {n}':>16}{world:>22}{truth:8.4f}{shares}", flush=True)


if __name__ == "__main__":
    main()
