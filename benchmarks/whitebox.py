"""What gradients and activations add to an attack on the same model: white-box beside black-box, over five targets.

python benchmarks/whitebox.py location --data ../shared/data --store reproduction/store      # or tafeng, or cifar100

Each target is trained plainly, on a random half of the same records, from weights of its own. An attack network is
shown the truth about half of them, and judges the other half, whether it sees the weights or not. Choices about
attacks were made on targets of other seeds.
"""

import argparse
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from power import SETTINGS, load, network
from scipy import stats

import ml_privacy_meter as pm
from ml_privacy_meter import records, targets
from ml_privacy_meter.membership import MembershipGame, View, gradient_clusters, influence, threshold, whitebox
from ml_privacy_meter.signals import Reader, Store, gradient_norm, trainable
from ml_privacy_meter.signals.store import content_key

FIGURES = ("AUC", "TPR@1%FPR", "balanced accuracy")
NAMES = ("location", "tafeng", "cifar100")
CLASSES = 10  # of CIFAR-100: with all of them, so few images as a CPU can learn say nothing about others


class Image(torch.nn.Module):
    """Bytes, channels last -> numbers around 0, channels first."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 3, 1, 2) / 64 - 2


def alexnet() -> torch.nn.Module:
    """The AlexNet that is used on CIFAR, at half its width, with a dense layer more: 0.7 million weights."""
    sizes = ((3, 32, 11, 4, 5), (32, 96, 5, 1, 2), (96, 192, 3, 1, 1), (192, 128, 3, 1, 1), (128, 128, 3, 1, 1))
    parts: list[torch.nn.Module] = [Image()]
    for i, (a, b, kernel, stride, padding) in enumerate(sizes):
        parts += [torch.nn.Conv2d(a, b, kernel, stride, padding), torch.nn.ReLU()]
        parts += [torch.nn.MaxPool2d(2)] if i in (0, 1, 4) else []
    return torch.nn.Sequential(*parts, torch.nn.Flatten(), network(128, (256,), CLASSES))


def images(file: Path, each: int) -> tuple[np.ndarray, np.ndarray]:
    from PIL import Image as Picture

    z = np.load(file)
    header, data, ends = z["header"].tobytes(), z["data"].tobytes(), z["offsets"]
    rows = np.random.default_rng(0).permutation(np.flatnonzero(z["label"] < CLASSES))[: 2 * each]
    files = [io.BytesIO(header + data[ends[row] : ends[row + 1]]) for row in rows]
    return np.stack([np.asarray(Picture.open(file).convert("RGB")) for file in files]), z["label"][rows].astype(int)


def world(name: str, data: Path, each: int | None) -> tuple[np.ndarray, np.ndarray, Callable, dict[str, int]]:
    """Twice so many records, what makes a new network, and how it is trained."""
    if name == "cifar100":
        return *images(data / "cifar100_jpeg90.npz", each or 1_000), alexnet, {"epochs": 40, "batch_size": 64}
    file, widths, many, settings = SETTINGS[name]
    x, y = load(data / f"{file}.npz", each or many)
    return x, y, partial(network, x.shape[1], widths, int(y.max()) + 1), settings


def trained(make: Callable, x: torch.Tensor, y: torch.Tensor, seed: int, epochs: int, batch_size: int) -> dict:
    """The weights, after Adam at 1e-3, going to 0 along a cosine."""
    torch.manual_seed(seed)
    model, rows = make(), torch.arange(len(y))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for batch in rows[torch.randperm(len(rows))].split(batch_size):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[batch].float()), y[batch]).backward()
            optimizer.step()
        decay.step()
    return model.state_dict()


def game(name: str, data: Path, each: int | None, store: Path, seed: int) -> MembershipGame:
    """About one target, which is kept in the store, with all that is read off it."""
    x, y, make, settings = world(name, data, each)
    inside = torch.zeros(len(y), dtype=torch.bool)
    inside[np.random.default_rng(seed).permutation(len(y))[: len(y) // 2]] = True
    model = make()
    place = store / f"{content_key(name, x, y, seed, repr(model), settings)}.pt"
    if not place.exists():
        part = torch.from_numpy(x)[inside], torch.from_numpy(y)[inside]
        torch.save(trained(make, *part, seed, **settings), place)
    model.load_state_dict(torch.load(place, weights_only=True))
    whole = records.scan(records.as_records((x, y), name="records"), name="records").records
    target, fitted, _ = targets.fit(targets.open_model(model), whole, whole)
    view = View(target, fitted, Reader(Store(store)))
    right = view.of_target(pm.signals.correct)
    print(f"seed {seed}: accuracy {right[inside].mean():.3f} / {right[~inside].mean():.3f}", flush=True)
    return MembershipGame(view, inside)


def attacks(target: torch.nn.Module) -> dict[str, Callable]:
    """By what they are called here; first the one that all others are set beside."""
    linear = tuple(i for i, part in enumerate(trainable(target).values(), 1) if isinstance(part, torch.nn.Linear))
    return {
        "network, black-box": partial(whitebox, layers=(), gradients=()),
        "loss": threshold,
        "gradient norm, last layer": partial(threshold, signal=partial(gradient_norm, of="last")),
        "gradient norm, all layers": partial(threshold, signal=partial(gradient_norm, of="all")),
        "`influence`": influence,
        "`gradient_clusters`": gradient_clusters,
        "`whitebox`": whitebox,
        "`whitebox`, no activations": partial(whitebox, layers=()),
        f"`whitebox`, gradients of {len(linear)} linear layers": partial(whitebox, gradients=linear),
    }


def figures(scores: pm.Scores) -> list[float]:
    risks = pm.risk.auc(scores), pm.risk.tpr_at_fpr(scores, fpr=0.01), pm.risk.balanced_accuracy(scores)
    return [risk.value for risk in risks]


def row(name: str, found: np.ndarray, black: np.ndarray) -> str:
    """Means and deviations over the targets; less the black-box network, with the t-interval of paired differences."""
    cells = [f"{mean:.3f} ({spread:.3f})" for mean, spread in zip(found.mean(0), found.std(0, ddof=1), strict=True)]
    less = found - black
    half = stats.t.ppf(0.975, len(less) - 1) * less.std(0, ddof=1) / len(less) ** 0.5
    if less.any():
        cells += [
            f"{mean:+.3f} [{mean - wide:+.3f}, {mean + wide:+.3f}]"
            for mean, wide in zip(less.mean(0), half, strict=True)
        ]
    else:
        cells += ["", "", ""]
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--store", type=Path, default=Path("reproduction/store"), help="keeps what was paid for")
    parser.add_argument("--each", type=int, help="records that each target is trained on, and as many others")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    given = parser.parse_args()
    given.store.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    found: dict[str, list[list[float]]] = {}
    for seed in given.seeds:
        played = game(given.name, given.data, given.each, given.store, seed)
        for said, attack in attacks(played.view.target).items():
            found.setdefault(said, []).append(figures(played.play(attack)))
            print(f"  {said}: {' '.join(f'{value:.3f}' for value in found[said][-1])}", flush=True)
    print(f"| attack | {' | '.join(FIGURES)} | {' | '.join(f'{name}, more' for name in FIGURES)} |")
    print("|---" * 7 + "|")
    black = np.array(next(iter(found.values())))
    for said, values in found.items():
        print(row(said, np.array(values), black))
