"""How strong each attack is with 2 to 64 reference models, on three tables of people's records, over five targets.

python benchmarks/power.py location --data ../shared/data --store reproduction/store      # or tafeng, or diabetes

One pool of models in complementary pairs is trained once: 66 for 64 references. Each target is a model of it, attacked
with others of it, its own complement left out. Nothing is tuned on the targets.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import torch

import ml_privacy_meter as pm
from ml_privacy_meter import records, targets
from ml_privacy_meter.beside import Later
from ml_privacy_meter.membership import (
    MembershipGame,
    View,
    bavaria,
    difference,
    lira,
    rehearsals,
    rmia,
    stacked,
    threshold,
)
from ml_privacy_meter.risk.calibration import reliability
from ml_privacy_meter.signals import Reader, Store

ATTACKS = (threshold, difference, lira, partial(lira, variance="record"), rmia, bavaria, stacked)
SETTINGS = {
    "location": ("location_bangkok", (512, 256, 128), 2_000, {"epochs": 50, "batch_size": 64}),
    "tafeng": ("tafeng_basket100", (512, 256, 100), 10_000, {"epochs": 30, "batch_size": 128}),
    "diabetes": ("diabetes130_diag100", (512, 256, 100), 10_000, {"epochs": 30, "batch_size": 128}),
}


def load(file: Path, each: int) -> tuple[np.ndarray, np.ndarray]:
    """So many records twice over, drawn at random."""
    z = np.load(file)
    x = z["X"] if "n_features" not in z else np.unpackbits(z["X"], axis=1)[:, : int(z["n_features"])]
    rows = np.random.default_rng(0).permutation(len(x))[: 2 * each]
    return x[rows].astype(np.uint8), np.unique(z["y"], return_inverse=True)[1][rows]


def network(features: int, widths: tuple[int, ...], classes: int) -> torch.nn.Module:
    sizes = (features, *widths, classes) if widths[-1] != classes else (features, *widths)
    layers = [part for a, b in pairwise(sizes) for part in (torch.nn.Linear(a, b), torch.nn.ReLU())]
    return torch.nn.Sequential(*layers[:-1])


def games(name: str, data: Path, store: Path | None, count: int) -> Iterator[MembershipGame]:
    """Every model of the pool as the target, in a view with all others but its complement."""
    file, widths, each, settings = SETTINGS[name]
    x, y = load(data / f"{file}.npz", each)
    recipe = pm.Recipe(network(x.shape[1], widths, int(y.max()) + 1), optimizer="adam", lr=1e-3, **settings)
    start = time.perf_counter()
    pool = pm.train_references(recipe, (x[:each], y[:each]), (x[each:], y[each:]), count=count, store=store)
    print(f"{count} models: {time.perf_counter() - start:.0f} s", flush=True)
    whole = records.scan(records.as_records((x, y), name="records"), name="records").records

    def opened(model) -> targets.Target:
        return targets.fit(model.open(), whole, whole)[0]

    models = tuple(Later(model.key, partial(opened, model)) for model in pool.models)
    _, fitted, _ = targets.fit(pool.models[0].open(), whole, whole)
    inside = torch.cat([pool.members, pool.non_members])
    return rehearsals(View(models[0], fitted, Reader(Store(store)), models, inside))


def with_references(game: MembershipGame, count: int) -> MembershipGame:
    """The same game with the first ``count`` references alone: whole pairs."""
    view = game.view
    hidden = None if view.hidden is None else view.hidden[:, :count]
    fewer = replace(view, references=view.references[:count], inside=view.inside[:, :count], hidden=hidden)
    return MembershipGame(fewer, game.member)


def figures(scores: pm.Scores, calibrated: bool) -> list[float]:
    rates = [pm.risk.tpr_at_fpr(scores, fpr=fpr).value for fpr in (0.01, 0.001)]
    error = reliability(scores.score.sigmoid(), scores.truth).error if calibrated else float("nan")
    return [pm.risk.auc(scores).value, *rates, error]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=SETTINGS)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--store", type=Path, help="keeps the models and what they say")
    parser.add_argument("--references", type=int, nargs="+", default=[2, 4, 8, 16, 64])
    parser.add_argument("--targets", type=int, default=5)
    given = parser.parse_args()
    played = games(given.name, given.data, given.store, max(given.references) + 2)
    targeted = list(islice(played, 0, 2 * given.targets, 2))  # one of each pair
    print("| references | attack | AUC | TPR@1%FPR | TPR@0.1%FPR | calibration error | seconds |")
    print("|---|---|---|---|---|---|---|")
    for count in given.references:
        for attack in ATTACKS:
            if (attack is stacked and count < 4) or (isinstance(attack, partial) and count < 64):
                continue
            start = time.perf_counter()
            found = [figures(with_references(game, count).play(attack), attack is stacked) for game in targeted]
            taken = (time.perf_counter() - start) / len(found)
            over = zip(np.mean(found, 0), np.std(found, 0, ddof=1), strict=True)
            cells = [f"{mean:.3f} ({spread:.3f})" for mean, spread in over]
            said = pm.membership.describe(attack)
            print(f"| {count} | `{said}` | {' | '.join(cells).replace('nan (nan)', '')} | {taken:.1f} |", flush=True)
