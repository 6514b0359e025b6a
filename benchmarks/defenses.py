"""What each defense costs, and what an adversary who knows of it still sees.

python benchmarks/defenses.py digits
python benchmarks/defenses.py tafeng --data ../shared/data

Each model of a pool plays the target once, against all others of the pool but its complement; all were trained with the
same defense. Scores of one seed are taken together: a false positive rate is one over all of its targets. Intervals are
t-intervals over seeds, each with records, wrong labels and models of its own. Nothing was tuned on these figures.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from power import SETTINGS, load, network
from scipy import stats
from sklearn.datasets import load_digits
from torch import Tensor

import ml_privacy_meter as pm
from ml_privacy_meter import Defense, defenses, records, targets
from ml_privacy_meter.beside import Later
from ml_privacy_meter.membership import View, lira, rehearsals, threshold
from ml_privacy_meter.signals import Reader, Store

WRONG = 0.1  # share of the labels of digits
World = tuple[np.ndarray, np.ndarray, np.ndarray, pm.Recipe]  # records, labels, true labels, how they are trained on
DEFENSES: dict[str, Callable[[], Defense] | None] = {
    "none": None,
    "`label_smoothing(share=0.3)`": partial(defenses.label_smoothing, share=0.3),
    "`hamp(inputs=0)`: training alone": partial(defenses.hamp, inputs=0),
    "`hamp(training=False)`: answers alone": partial(defenses.hamp, training=False),
    "`hamp()`": defenses.hamp,
    "`dropout(rate=0.7)`": partial(defenses.dropout, rate=0.7),
    "`l2(strength=0.002)`": partial(defenses.l2, strength=2e-3),
    "`distillation()`": defenses.distillation,
    "`selena(models=10, without=4)`": partial(defenses.selena, models=10, without=4),
    "`relaxloss(alpha=0.5)`": partial(defenses.relaxloss, alpha=0.5),
    "`relaxloss(alpha=1.0)`": partial(defenses.relaxloss, alpha=1.0),
    "`early_stopping(epochs=8)`": partial(defenses.early_stopping, epochs=8),
    "`rounding(digits=1)`": partial(defenses.rounding, digits=1),
    "`top_k(k=1)`": partial(defenses.top_k, k=1),
    "`label_only()`": defenses.label_only,
}
FIGURES = ("training accuracy", "test accuracy", "threshold AUC", "LiRA AUC", "LiRA TPR@1%FPR", "LiRA accuracy")
FIGURES += ("LiRA AUC, by labels of near copies",)
ATTACKS = (threshold, lira, partial(lira, signal=pm.signals.label_robustness))
MISLABELLED = ("AUC, mislabelled", "TPR@1%FPR, mislabelled")


def digits(data: Path, seed: int) -> World:
    """Half of them with a tenth of the labels wrong; a network that learns most of these by heart."""
    x, truth = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(x))
    x, truth = (x[rows] / 16).astype(np.float32), truth[rows]
    y = np.where(rng.random(len(x)) < WRONG, (truth + rng.integers(1, 10, len(x))) % 10, truth)
    return x, y, truth, pm.Recipe(network(64, (128,), 10), lr=0.01, epochs=80, batch_size=64)


def tafeng(data: Path, seed: int, each: int = 5_000) -> World:
    """Baskets, with the network of power.py; each model is trained on so many."""
    file, widths, _, settings = SETTINGS["tafeng"]
    x, y = load(data / f"{file}.npz", 10 * each)
    rows = np.random.default_rng(seed).permutation(len(x))[: 2 * each]
    return x[rows], y[rows], y[rows], pm.Recipe(network(x.shape[1], widths, 100), lr=1e-3, **settings)


WORLDS = {"digits": (digits, 16, 5), "tafeng": (tafeng, 8, 3)}


def played(world: World, defense: Defense | None, seed: int, count: int, store: Path | None) -> list[Tensor]:
    """For each target and record: scores by loss, LiRA, LiRA on labels; whether it is a member, and is told right."""
    x, y, _, recipe = world
    each = len(x) // 2
    sides = (x[:each], y[:each]), (x[each:], y[each:])
    pool = pm.train_references(recipe, *sides, count=count, seed=seed, store=store, defense=defense)
    whole = records.scan(records.as_records((x, y), name="records"), name="records").records

    def opened(model: pm.training.Reference) -> targets.Target:
        return targets.fit(model.open(), whole, whole)[0]

    models = tuple(Later(model.key, partial(opened, model)) for model in pool.models)
    fitted = targets.fit(pool.models[0].open(), whole, whole)[1]
    inside = torch.cat([pool.members, pool.non_members])
    found = [
        (*(game.play(attack).score for attack in ATTACKS), game.member, game.view.of_target(pm.signals.correct))
        for game in rehearsals(View(models[0], fitted, Reader(Store(store)), models, inside))
    ]
    return [torch.stack(part) for part in zip(*found, strict=True)]


def figures(world: World, *settings: object) -> list[float]:
    by_loss, by_lira, by_labels, member, right = played(world, *settings)  # type: ignore[arg-type]
    wrong = torch.from_numpy(world[1] != world[2])
    right = right.view(member.shape)

    def scores(of: Tensor, among: Tensor | slice) -> pm.Scores:
        return pm.Scores(of[:, among].flatten(), member[:, among].flatten())

    of_all = scores(by_lira, slice(None))
    risks = [pm.risk.auc(scores(by_loss, slice(None))), pm.risk.auc(of_all)]
    risks += [pm.risk.tpr_at_fpr(of_all, fpr=0.01), pm.risk.balanced_accuracy(of_all)]
    risks += [pm.risk.auc(scores(by_labels, slice(None)))]
    if wrong.any():
        risks += [pm.risk.auc(scores(by_lira, wrong)), pm.risk.tpr_at_fpr(scores(by_lira, wrong), fpr=0.01)]
    accuracy = [float(right[member & ~wrong].mean()), float(right[~member & ~wrong].mean())]
    return accuracy + [risk.value for risk in risks]


def row(name: str, found: np.ndarray, seconds: float) -> str:
    """Means over seeds, with half the width of their intervals."""
    half = stats.t.ppf(0.975, len(found) - 1) * found.std(0, ddof=1) / len(found) ** 0.5
    cells = [f"{mean:.3f} ± {wide:.3f}" for mean, wide in zip(found.mean(0), half, strict=True)]
    return f"| {name} | {' | '.join(cells)} | {seconds:.0f} |"


def with_noise() -> dict[str, Callable[[], Defense] | None]:
    """DP-SGD and clipping alone, where these are there."""
    missing = [name for name in ("clipping", "dp_sgd") if not hasattr(defenses, name)]
    if missing:
        print(f"Not there, and left out: {', '.join(missing)}.", flush=True)
        return {}
    noises = {f"`dp_sgd(noise_multiplier={n})`": partial(defenses.dp_sgd, noise_multiplier=n) for n in (0.5, 1.0, 2.0)}
    return {"`clipping()`": defenses.clipping} | noises


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", choices=WORLDS)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--store", type=Path, help="keeps the models and what they say")
    parser.add_argument("--seeds", type=int, help="how many")
    parser.add_argument("--only", nargs="+", default=[""], help="parts of the names of defenses")
    given = parser.parse_args()
    torch.set_num_threads(1)
    make_world, count, seeds = WORLDS[given.world]
    named = FIGURES + (MISLABELLED if given.world == "digits" else ())
    rows = DEFENSES | with_noise()
    print(f"| defense | {' | '.join(named)} | seconds |\n{'|---' * (len(named) + 2)}|")
    for name, make in rows.items():
        if any(part in name for part in given.only):
            start = time.perf_counter()
            found = [
                figures(make_world(given.data, seed), make and make(), seed, count, given.store)
                for seed in range(given.seeds or seeds)
            ]
            print(row(name, np.array(found), time.perf_counter() - start), flush=True)
