"""What DP-SGD costs beside Opacus used by hand, and how much faster many networks of linear layers are at once.

    python benchmarks/dp_sgd.py [--data FOLDER] [--models 8] [--epochs 2] [--rounds 3]

One thread, in this process, in turn, in an order that changes; the least of some rounds. Bar: at most 2 times Opacus by
hand. By hand: a DataLoader over tensors, `make_private` as its tutorials have it, with single gradients ("hooks") or
with norms alone ("ghost").
"""

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from opacus import PrivacyEngine
from power import SETTINGS, load, network
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from ml_privacy_meter import Recipe
from ml_privacy_meter.defenses import dp_sgd
from ml_privacy_meter.training.recipe import from_factory

BATCH = 64


def convolutions() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.Flatten(), nn.Linear(512, 10)
    )


def world(name: str, data: Path) -> tuple[Tensor, Tensor, Callable[[], nn.Module]]:
    """2,000 records or fewer, and what makes a new network."""
    if name.startswith("digits"):
        x, y = load_digits(return_X_y=True)
        make = partial(network, 64, (128,), 10)
        if name.endswith("convolutions"):
            make = lambda: nn.Sequential(nn.Unflatten(1, (8, 8)), convolutions())  # noqa: E731
        return torch.from_numpy(x).float() / 16, torch.from_numpy(y), make
    file, widths, _, _ = SETTINGS[name]
    x, y = load(data / f"{file}.npz", 1_000)
    return torch.from_numpy(x).float(), torch.from_numpy(y), partial(network, x.shape[1], widths, int(y.max()) + 1)


def by_hand(mode: str, make: Callable[[], nn.Module], x: Tensor, y: Tensor, models: int, epochs: int) -> None:
    for seed in range(models):
        module = from_factory(make, seed)
        made = PrivacyEngine().make_private(
            module=module,
            optimizer=torch.optim.Adam(module.parameters(), lr=1e-3),
            criterion=nn.CrossEntropyLoss(),
            data_loader=DataLoader(TensorDataset(x, y), batch_size=BATCH),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
            grad_sample_mode=mode,
        )
        model, optimizer, loader = made[0], made[1], made[-1]
        loss = made[2] if mode == "ghost" else nn.CrossEntropyLoss()
        for _ in range(epochs):
            for batch, labels in loader:
                optimizer.zero_grad()
                loss(model(batch), labels).backward()
                optimizer.step()


def ours(at_once: int, make: Callable[[], nn.Module], x: Tensor, y: Tensor, models: int, epochs: int) -> None:
    defense, recipe = dp_sgd(noise_multiplier=1.0), Recipe(epochs=epochs, batch_size=BATCH)
    for start in range(0, models, at_once):
        inside = torch.ones(len(y), min(at_once, models - start), dtype=torch.bool)
        seeds = range(start, start + inside.shape[1])
        defense.fit(recipe, partial(from_factory, make), x, y, inside, seeds)


def least(contestants: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Seconds of each in its best round."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds):
        for name in np.roll(list(contestants), turn):
            start = perf_counter()
            contestants[name]()
            taken[name].append(perf_counter() - start)
    return {name: min(times) for name, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--names", nargs="+", default=["digits", "digits, convolutions", "location", "tafeng"])
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(f"{asked.models} models, batches of {BATCH}, {asked.epochs} epochs: seconds a model")
    print(
        "| records | by hand, hooks | by hand, ghost | ours, one by one | ours, at once | ours / the faster by hand |"
    )
    print("|---|---|---|---|---|---|")
    for name in asked.names:
        x, y, make = world(name, asked.data)
        given = {"make": make, "x": x, "y": y, "models": asked.models, "epochs": asked.epochs}
        ways = {
            "hooks": partial(by_hand, "hooks", **given),
            "ghost": partial(by_hand, "ghost", **given),
            "alone": partial(ours, 1, **given),
            "together": partial(ours, asked.models, **given),
        }
        found = {way: seconds / asked.models for way, seconds in least(ways, asked.rounds).items()}
        hand = min(found["hooks"], found["ghost"])
        cells = " | ".join(f"{seconds:.3f}" for seconds in found.values())
        print(f"| {name} | {cells} | {found['alone'] / hand:.2f}; {found['together'] / hand:.2f} |", flush=True)


if __name__ == "__main__":
    main()
