"""How many records a limit takes: upper ends of the 95% intervals of an attack that finds nothing, in 200 audits."""

from functools import partial

import numpy as np
import torch

from ml_privacy_meter.risk import auc, tpr_at_fpr
from ml_privacy_meter.types import Scores

ROUNDS = 200
FPRS = (0.1, 0.01, 0.001)


def main() -> None:
    print("| members, and as many non-members | AUC | " + " | ".join(f"TPR@{100 * fpr:g}%FPR" for fpr in FPRS) + " |")
    print("|---" * (2 + len(FPRS)) + "|")
    rng = np.random.default_rng(0)
    for n in (500, 1_000, 2_000, 5_000, 10_000):
        truth = torch.arange(2 * n) % 2 == 0
        audits = [Scores(torch.from_numpy(rng.normal(size=2 * n)), truth) for _ in range(ROUNDS)]
        rates = [f"{reached(audits, partial(tpr_at_fpr, fpr=fpr)):.1%}" if n * fpr >= 1 else "–" for fpr in FPRS]
        print(f"| {n:,} | {reached(audits, auc):.3f} | {' | '.join(rates)} |")


def reached(audits: list[Scores], measure: partial) -> float:
    """What nine of ten upper ends lie below."""
    return float(np.quantile([measure(scores).high for scores in audits], 0.9))


if __name__ == "__main__":
    main()
