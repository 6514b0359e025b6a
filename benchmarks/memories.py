"""What models of digits know by heart where one label in ten is wrong, by 64 reference models; and which pairs hang.

python benchmarks/memories.py [--models 64] [--store reproduction/store]
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

import ml_privacy_meter as pm
from ml_privacy_meter.case import prepare
from ml_privacy_meter.inferring.memories import memorized
from ml_privacy_meter.membership import MembershipGame, View, lira
from ml_privacy_meter.risk import memorization
from ml_privacy_meter.risk.influence import influence, shuffled
from ml_privacy_meter.risk.shares import alike
from ml_privacy_meter.signals import Reader, Store, correct, true_probability

Side = tuple[np.ndarray, np.ndarray]


def digits(wrong: float = 0.1) -> tuple[Side, Side, np.ndarray]:
    """Two halves, and which of all labels were changed."""
    held, rng = load_digits(), np.random.default_rng(0)
    order = rng.permutation(len(held.target))
    x, y = (held.data / 16).astype(np.float32)[order], held.target[order].copy()
    flipped = rng.random(len(y)) < wrong
    y[flipped] = (y[flipped] + rng.integers(1, 10, flipped.sum())) % 10
    half = len(y) // 2
    return (x[:half], y[:half]), (x[half:], y[half:]), flipped


def main(count: int, store: Path | None) -> None:
    members, non_members, flipped = digits()
    recipe = pm.Recipe(network(), lr=1e-2, epochs=100, batch_size=64)
    start = time.perf_counter()
    both = [pm.train_references(recipe, members, non_members, count=count, seed=s, store=store) for s in (0, 1)]
    model = pm.train_model(recipe, members, store=store)
    print(f"2 x {count} reference models: {time.perf_counter() - start:.0f} s")
    start = time.perf_counter()
    game = memorized(model, members, non_members, references=both[0])
    print(f"{game}\n`memorized`: {time.perf_counter() - start:.1f} s; {game.tried[2].note}")
    found = []
    for references in both:
        case = prepare(model, members, non_members, references=references)
        view = View(case.target, case.everyone, Reader(Store()), case.beside.models, case.beside.inside)
        found.append(view)
    rows = [int(one.split(":")[1]) + len(members[1]) * one.startswith("non") for one in case.everyone.id]
    wrong = torch.from_numpy(flipped[rows])
    of = [memorization((s := view.signals(correct)).reference, s.inside)[0] for view in found]
    told(of, wrong)
    pairs(found[0])
    scores = MembershipGame(found[0], case.member).play(lira)
    for name, part in (("all", scores), ("wrong labels", scores.where(wrong))):
        print(f"LiRA of the first models, {name}: {pm.risk.auc(part)}")


def network() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))


def told(of: list[torch.Tensor], wrong: torch.Tensor) -> None:
    one, other = of
    print(f"mean memorization: {one[~wrong].mean():.3f} of right labels, {one[wrong].mean():.3f} of wrong ones")
    print(f"right ones above .25: {int((one[~wrong] > 0.25).sum())} of {int((~wrong).sum())}")
    print(pm.risk.auc(pm.Scores(one, wrong)))
    for name, rows in (("all", wrong | ~wrong), ("right labels", ~wrong)):
        for ranks in (False, True):
            kind = "Spearman" if ranks else "Pearson"
            print(alike(one[rows], other[rows], ranks=ranks, name=f"{kind} of two disjoint runs, {name}"))


def pairs(view: View) -> None:
    for signal in (correct, true_probability):
        seen = view.signals(signal)
        start = time.perf_counter()
        found = influence(seen.reference, seen.inside, asked_inside=seen.inside)
        luck = shuffled(seen.reference, seen.inside, asked_inside=seen.inside, times=19).max()
        beyond = found.sureness > luck
        values = [round(float(v), 2) for v in found.value[beyond]]
        taken = time.perf_counter() - start
        print(f"influence by {signal.__name__}: {int(beyond.sum())} records beyond luck {values[:10]}, {taken:.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=64)
    parser.add_argument("--store", type=Path, help="keeps the models")
    given = parser.parse_args()
    main(given.models, given.store)
