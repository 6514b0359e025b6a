"""How many audits without any leak are called leaks: 1,500 of 1,000 + 1,000 records, with eight attacks that correlate.

Scores are normal, a share of RHO of each attack's variance common to all. A figure is a leak where the lower end of its
interval lies above the baseline. The attack of each figure is drawn, as rehearsals know nothing of the target.
"""

from functools import partial

import numpy as np
import torch

from ml_privacy_meter.risk import auc, tpr_at_fpr
from ml_privacy_meter.types import Scores

AUDITS, RECORDS, ATTACKS, RHO, LEVEL = 1_500, 1_000, 8, 0.7, 0.05
MEASURES = (auc, *(partial(tpr_at_fpr, fpr=fpr) for fpr in (0.1, 0.01, 0.001)))
RULES = {
    "chosen figures corrected for their number alone (ours)": LEVEL / len(MEASURES),
    "every figure corrected for all attacks": LEVEL / (len(MEASURES) * ATTACKS),
    "chosen figures not corrected": LEVEL,
}


def main() -> None:
    rng, truth = np.random.default_rng(0), torch.arange(2 * RECORDS) < RECORDS
    called = dict.fromkeys(RULES, 0)
    for _ in range(AUDITS):
        common, own = rng.normal(size=2 * RECORDS), rng.normal(size=(ATTACKS, 2 * RECORDS))
        attacks = [Scores(torch.from_numpy(one), truth) for one in np.sqrt(RHO) * common + np.sqrt(1 - RHO) * own]
        any_other = any(leak(s, m, LEVEL / (len(MEASURES) * ATTACKS)) for s in attacks for m in MEASURES)
        chosen = [(attacks[k], measure) for k, measure in zip(rng.integers(ATTACKS, size=4), MEASURES, strict=True)]
        for rule, level in RULES.items():
            called[rule] += any_other or any(leak(*one, level) for one in chosen)
    for rule, count in called.items():
        print(f"{rule:56} {count / AUDITS:.1%}")


def leak(scores: Scores, measure, level: float) -> bool:
    risk = measure(scores, confidence=1 - level)
    return risk.low > risk.baseline


if __name__ == "__main__":
    main()
