"""What an audit of a claimed epsilon shows of right and of broken DP-SGD, over ten seeds, by each kind of canaries.

python benchmarks/audit_dp.py

A network on 1,437 digits, trained with Opacus; see examples/dp_digits.py for the two mistakes. Settings were fixed
before these seeds were looked at.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from dp_digits import DELTA, BatchClipping, NoNoise, train

from ml_privacy_meter import audit_dp
from ml_privacy_meter.canaries import GradientCanaries
from ml_privacy_meter.claims import DPAudit, judge
from ml_privacy_meter.risk import auc

COUNT = 700  # canaries among records; half of these
IN_GRADIENTS = 1_000
AMONG_RECORDS = ("mislabelled", "random")


def plainly(x: np.ndarray, y: np.ndarray, seed: int) -> torch.nn.Module:
    """Without any protection, until labels are learned by heart."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    steps, x, y = torch.optim.SGD(model.parameters(), lr=0.5), torch.from_numpy(x), torch.from_numpy(y)
    for _ in range(100):
        for rows in torch.randperm(len(y)).split(64):
            steps.zero_grad()
            torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            steps.step()
    return model.eval()


TRAININGS = {  # and the claim
    "no protection": (plainly, 2.0),
    "DP-SGD": (partial(train, epsilon=2.0), 2.0),
    "DP-SGD, weaker": (partial(train, epsilon=10.0), 10.0),
    "noise left out": (partial(train, epsilon=2.0, optimizer=NoNoise), 2.0),
    "batch clipped": (partial(train, epsilon=2.0, optimizer=BatchClipping), 2.0),
}


def main(seeds: int) -> None:
    x, y = load_digits(return_X_y=True)
    x, order = (x / 16).astype(np.float32), np.random.default_rng(0).permutation(len(x))
    fit, test = order[:1437], order[1437:]
    print("| training | claim | canaries | bound, median | lowest | highest | could show | AUC | refuted | accuracy |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, (how, epsilon) in TRAININGS.items():
        kinds = AMONG_RECORDS if how is plainly else (*AMONG_RECORDS, "gradients")
        for kind in kinds:
            found = [play(how, kind, x[fit], y[fit], x[test], y[test], epsilon, seed) for seed in range(seeds)]
            bounds = np.array([audit.bound.value for audit, _ in found])
            refuted = sum(audit.verdict == "refuted" for audit, _ in found)
            area = np.mean([auc(audit.scores).value for audit, _ in found])
            accuracy = np.mean([right for _, right in found])
            told = " | ".join(f"{value:.2f}" for value in (np.median(bounds), bounds.min(), bounds.max()))
            most = found[0][0].bound.most
            right = "" if np.isnan(accuracy) else f"{accuracy:.0%}"
            said = f"{told} | {most:.2f} | {area:.2f} | {refuted} of {seeds} | {right}"
            print(f"| {name} | {epsilon:g} | {kind} | {said} |", flush=True)


def play(how, kind, x, y, x_test, y_test, epsilon: float, seed: int) -> tuple[DPAudit, float]:
    """The audit, and the model's accuracy on records that were not trained on where canaries are gradients."""
    if kind in AMONG_RECORDS:
        return audit_dp(how, (x, y), epsilon=epsilon, delta=DELTA, canaries=kind, count=COUNT, seed=seed), np.nan
    held = []

    def watch(optimizer, rate):
        held.append(GradientCanaries(optimizer, sample_rate=rate, count=IN_GRADIENTS, seed=seed))

    model = how(x, y, seed, watch=watch)
    with torch.no_grad():
        right = (model(torch.from_numpy(x_test)).argmax(1).numpy() == y_test).mean()
    return judge(held[0].scores(), epsilon=epsilon, delta=DELTA), float(right)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    main(parser.parse_args().seeds)
