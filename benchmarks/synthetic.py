"""What synthetic records tell of those behind them: over-fitted mixtures and copies of real records, and Adult.

python benchmarks/synthetic.py                              all: some three minutes
python benchmarks/synthetic.py mixtures --seeds 5           members told from others, on breast cancer records
python benchmarks/synthetic.py adult --data ../shared/data  singling out, linkability and inference
python benchmarks/synthetic.py blank                        how often 95% intervals say "leak" where there is none
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.mixture import GaussianMixture

from ml_privacy_meter.inferring.synthetic import MEMBERSHIP, audit_synthetic
from ml_privacy_meter.risk.controlled import controlled

HELD = 190  # members and non-members of breast cancer; the rest are the reference
ADULT = 4_000
SECRETS = ("marital_status", "occupation", "age")


def mixtures(seeds: int) -> None:
    """AUC of each attack on members, by how far the generator over-fits; mean over seeds."""
    x = load_breast_cancer().data
    x, found = (x - x.mean(0)) / x.std(0), defaultdict(list)
    for seed in range(seeds):
        rows = x[np.random.default_rng(seed).permutation(len(x))]
        members, others, reference = np.split(rows, [HELD, 2 * HELD])
        for name, synthetic in generators(members, seed):
            game = audit_synthetic(synthetic, members, others, reference=reference, risks=[], seed=seed)
            for attack in MEMBERSHIP:
                found[name, attack].append(game.risks[attack]["AUC"].value)
    print(f"Breast cancer, {HELD} members, AUC (spread over {seeds} seeds)")
    for name in dict.fromkeys(name for name, _ in found):
        told = (
            f"{attack} {np.mean(found[name, attack]):.3f} ({np.std(found[name, attack]):.3f})" for attack in MEMBERSHIP
        )
        print(f"  {name:24} {'  '.join(told)}", flush=True)


def generators(members: np.ndarray, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Synthetic records by name."""
    for components in (5, 30, 100):
        fitted = GaussianMixture(components, reg_covar=1e-3, random_state=seed).fit(members)
        yield f"mixture of {components}", fitted.sample(2_000)[0]
    yield "copies, drawn", members[np.random.default_rng(seed).integers(0, len(members), 2_000)]


def adult(data: Path) -> None:
    """Every attack on mixed records, where synthetic records are what they are called."""
    file = data / "adult.csv.gz"
    if not file.exists():
        raise SystemExit(f"{file} is missing: say with --data where adult.csv.gz lies.")
    every = pd.read_csv(file).drop(columns="split").sample(frac=1, random_state=0)
    weighed = [every[k * ADULT : (k + 1) * ADULT].reset_index(drop=True) for k in range(4)]
    members, others, reference, fresh = (part.drop(columns="fnlwgt") for part in weighed)
    rng = np.random.default_rng(0)
    redrawn = members.copy()
    for column in members:
        where = rng.random(ADULT) < 0.2
        redrawn.loc[where, column] = fresh.loc[where, column]
    worlds = {
        "fresh real records": fresh,
        "columns drawn by themselves": fresh.apply(lambda column: rng.permutation(column.to_numpy())),
        "a fifth of values redrawn": redrawn,
        "word for word copies": members.sample(frac=1, random_state=1),
    }
    kinds = {name: (synthetic, members, others, reference) for name, synthetic in worlds.items()}
    shuffled = weighed[0].apply(lambda column: rng.permutation(column.to_numpy()))
    kinds["members' columns shuffled one by one, with a weight that is nearly an id"] = (shuffled, *weighed[:3])
    for name, (*sets, held) in kinds.items():
        start = time.perf_counter()
        game = audit_synthetic(*sets, reference=held, inferred=SECRETS)
        print(f"\nAdult, {name} ({time.perf_counter() - start:.0f} s)\n{game}")
        print("\n".join(f"  {one.attack}: {one.note}" for one in game.tried if one.note), flush=True)


def blank(worlds: int = 1_000) -> None:
    """How often intervals of 95% hold the true risk, and how often they lie above it."""
    rng = np.random.default_rng(0)
    print("\nIntervals of the calibrated risk: guesses, success on members and others, held, above")
    for count, one, other in (
        (100, 0.1, 0.1),
        (100, 0.5, 0.3),
        (1_000, 0.87, 0.26),
        (2_000, 0.1, 0.1),
        (100, 0.02, 0.01),
    ):
        true, held, above = (one - other) / (1 - other), 0, 0
        for _ in range(worlds):
            found = controlled(*(torch.from_numpy(rng.random(count) < share) for share in (one, other)))
            held, above = held + (found.low <= true <= found.high), above + (found.low > true)
        print(f"  {count:5} {one:.2f} {other:.2f}  {held / worlds:.3f}  {above / worlds:.3f}")
    counts, trials = defaultdict(int), 40
    x = load_breast_cancer().data
    for seed in range(trials):
        parts = np.split(x[np.random.default_rng(seed).permutation(len(x))], [140, 280, 420])
        game = audit_synthetic(*parts[:3], reference=parts[3], inferred=["0"], tries=300, seed=seed)
        for tried in game.tried:
            counts[tried.attack] += bool(tried.excess and tried.excess.low > 0)
        counts["the verdict"] += bool(game.shows)
    print(f"Fresh records of breast cancer in place of synthetic ones: said to leak in so many of {trials}")
    print("  " + "  ".join(f"{name} {count}" for name, count in counts.items()))


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told.add_argument("part", nargs="?", choices=["mixtures", "adult", "blank"])
    told.add_argument("--seeds", type=int, default=5)
    told.add_argument("--data", type=Path, default=Path("../shared/data"))
    given = told.parse_args()
    parts = {"mixtures": lambda: mixtures(given.seeds), "adult": lambda: adult(given.data), "blank": blank}
    for name in [given.part] if given.part else parts:
        parts[name]()


if __name__ == "__main__":
    main()
