"""How often each 95% interval holds the truth, in 2,000 simulated audits; scores are normal, truths closed forms.

For TPR@FPR, beside ours: the custom of Clopper-Pearson with the threshold taken as given.
"""

from functools import partial

import numpy as np
import torch
from scipy.stats import norm

from ml_privacy_meter.risk import auc, tpr_at_fpr
from ml_privacy_meter.risk.intervals import clopper_pearson
from ml_privacy_meter.types import Scores

ROUNDS = 2_000
WORLDS = {"no leak": (0.0, 1.0), "all members shifted": (1.0, 1.0), "some far out": (0.5, 2.0)}


def main() -> None:
    print(f"{'figure':12}{'records':>16}{'world':>22}{'truth':>8}{'holds':>8}{'too high':>10}{'custom':>8}")
    for n in (200, 1_000, 5_000):
        for world, (shift, spread) in WORLDS.items():
            truth = norm.cdf(shift / np.sqrt(1 + spread**2))
            row("AUC", auc, n, world, truth)
            for fpr in (0.1, 0.01, 0.001):
                if n * fpr >= 1:
                    truth = norm.sf((norm.isf(fpr) - shift) / spread)
                    row(f"TPR@{100 * fpr:g}%FPR", partial(tpr_at_fpr, fpr=fpr), n, world, truth, fpr)


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
