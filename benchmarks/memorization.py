"""How often memorization ± 1.96 standard errors holds the true difference: exact, over all counts of right models.

For n models on either side and all pairs of true shares from 0 to 1 in steps of .05: the mean, and the least.
"""

import numpy as np
import torch
from scipy.stats import binom

from ml_privacy_meter.risk import memorization

SHARES = np.arange(21) / 20


def main() -> None:
    print("| models on either side | ours: mean | least | plain shares: mean |")
    print("|---|---|---|---|")
    for n in (2, 4, 8, 16, 32):
        value, error = both_ways(n)
        likely = binom.pmf(np.arange(n + 1), n, SHARES[:, None])
        chance = np.einsum("pi,qj->pqij", likely, likely)
        truth = (SHARES[:, None] - SHARES)[:, :, None, None]
        p = np.arange(n + 1) / n
        plain = np.sqrt((p * (1 - p))[:, None] + p * (1 - p)) / np.sqrt(n)
        ours, theirs = ((chance * (abs(value - truth) <= 1.96 * e + 1e-9)).sum((2, 3)) for e in (error, plain))
        print(f"| {n} | {ours.mean():.0%} | {ours.min():.0%} | {theirs.mean():.0%} |")


def both_ways(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Memorization and its standard error, by how many of n models are right on the one side and on the other."""
    first, second = np.divmod(np.arange((n + 1) ** 2), n + 1)
    right = np.arange(n) < np.stack([first, second], 1)[:, :, None]
    inside = torch.arange(2 * n).expand(len(first), -1) < n
    found = memorization(torch.from_numpy(right.reshape(-1, 2 * n)).double(), inside)
    return tuple(part.numpy().reshape(n + 1, n + 1) for part in found)


if __name__ == "__main__":
    main()
