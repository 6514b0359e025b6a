"""How often the 95% interval of a difference holds the true one, in 4,000 simulated pairs of audits.

Both models are asked about the same records; their scores are normal, as alike as said. The width of a rate's interval
is set beside what it is without the correlation, on average.
"""

import numpy as np
import torch
from scipy.stats import norm

from ml_privacy_meter.risk import auc, tpr_at_fpr
from ml_privacy_meter.risk.differences import auc_correlation, risk_difference, tpr_correlation
from ml_privacy_meter.types import Scores

ROUNDS = 4_000
WORLDS = (  # false positive rate (none: AUC), members, non-members, correlation of scores, shift of either's members
    (None, 50, 50, 0.5, (0.3, 0.8)),
    (None, 200, 200, 0.9, (0.5, 0.6)),
    (None, 400, 400, 0.0, (0.5, 1)),
    (None, 30, 200, 0.9, (2, 3)),
    (0.1, 100, 100, 0.95, (1, 1.5)),
    (0.01, 400, 400, 0.5, (0.5, 1)),
    (0.01, 200, 1_000, 0.99, (1, 1)),
    (0.01, 400, 1_400, 0.98, (1, 2)),
    (0.001, 400, 1_400, 0.9, (1, 2)),
)


def main() -> None:
    print(
        "| figure | members, non-members | correlation of scores | leaks (deviations) | held | width, to independent |"
    )
    print("|---|---|---|---|---|---|")
    for fpr, members, others, alike, shifts in WORLDS:
        held, width = simulated(fpr, members, others, alike, shifts)
        name, size = "AUC" if fpr is None else f"TPR@{100 * fpr:g}%FPR", f"{members:,}, {others:,}"
        print(
            f"| {name} | {size} | {alike:g} | {shifts[0]:g} and {shifts[1]:g} | {held:.1%} | {width:.2f} |", flush=True
        )


def simulated(
    fpr: float | None, members: int, others: int, alike: float, shifts: tuple[float, float]
) -> tuple[float, float]:
    """The share of intervals that hold the true difference, and their width over that of independent figures."""
    rng, truth = np.random.default_rng(0), np.arange(members + others) < members
    reached = [norm.cdf(shift / np.sqrt(2)) if fpr is None else norm.sf(norm.isf(fpr) - shift) for shift in shifts]
    hits, widths = 0, []
    for _ in range(ROUNDS):
        noise = rng.multivariate_normal([0, 0], [[1, alike], [alike, 1]], size=len(truth))
        pair = [
            Scores(torch.from_numpy(noise[:, k] + s * truth), torch.from_numpy(truth)) for k, s in enumerate(shifts)
        ]
        risks = [auc(scores) if fpr is None else tpr_at_fpr(scores, fpr=fpr) for scores in pair]
        correlation = auc_correlation(*pair) if fpr is None else tpr_correlation(*pair, fpr=fpr)
        paired, apart = (risk_difference(*risks, correlation=c) for c in (correlation, 0.0))
        hits += paired[0] <= reached[1] - reached[0] <= paired[1]
        widths.append((paired[1] - paired[0]) / (apart[1] - apart[0]))
    return hits / ROUNDS, float(np.mean(widths))


if __name__ == "__main__":
    main()
