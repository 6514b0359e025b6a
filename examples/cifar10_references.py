"""A small network trained on CIFAR-10, audited beside 16 reference models; with --wide WRN28-2, on a GPU.
python examples/cifar10_references.py reproduction --data ../shared/data
"""

import argparse
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from cifar10_resnet20 import decode
from torch import Tensor, nn
from torch.nn.functional import relu

import ml_privacy_meter as pm
from ml_privacy_meter.audit import default_attacks
from ml_privacy_meter.membership import bavaria, lira, rmia, stacked


class Scaled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.movedim(3, 1) / 64 - 2


class Block(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inside), nn.BatchNorm2d(outside)
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.short = nn.Identity() if inside == outside else nn.Conv2d(inside, outside, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.short(x) + self.conv2(relu(self.norm2(self.conv1(relu(self.norm1(x))))))


def wide() -> nn.Module:
    """Zagoruyko and Komodakis, Wide Residual Networks, BMVC 2016: 28 layers, twice as wide."""
    widths = [16, 32, 32, 32, 32, 64, 64, 64, 64, 128, 128, 128, 128]
    blocks = [Block(a, b, 2 if 16 < a < b else 1) for a, b in pairwise(widths)]
    head = (nn.BatchNorm2d(128), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))
    return nn.Sequential(Scaled(), nn.Conv2d(3, 16, 3, 1, 1, bias=False), *blocks, *head)


def small() -> nn.Module:
    layers = [(nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)) for a, b in ((3, 32), (32, 64), (64, 64))]
    head = (nn.Flatten(), nn.Linear(1024, 128), nn.ReLU(), nn.Linear(128, 10))
    return nn.Sequential(Scaled(), *(part for layer in layers for part in layer), *head)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where images, models and the report go")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--wide", action="store_true", help="WRN28-2 on all 50,000 images, 100 epochs")
    for name, usual in (("records", 25_000), ("epochs", 20), ("count", 16)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    given = parser.parse_args()
    recipe = pm.Recipe(small, optimizer="adam", lr=1e-3, epochs=given.epochs, batch_size=128, augment=["flip"])
    if given.wide:
        settings = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "augment": ["flip", "crop"]}
        recipe, given.records = pm.Recipe(wide, epochs=100, batch_size=256, **settings), 50_000
    (here := given.folder / ("cifar10_wide" if given.wide else "cifar10")).mkdir(parents=True, exist_ok=True)
    decode(given.data / "cifar10_jpeg.npz", here)
    images = np.load(here / "cifar10_train.npz")
    rows = np.random.default_rng(0).permutation(len(images["y"]))[: given.records]
    x, y = images["x"][rows], images["y"][rows]
    half, engine = given.records // 2, "here" if torch.cuda.is_available() else "joblib"
    sides, store = ((x[:half], y[:half]), (x[half:], y[half:])), here / "store"
    pool = pm.train_references(recipe, *sides, count=given.count + 2, store=store, engine=engine)
    # The first of the pool is the target. The second was trained on exactly the other images, and would tell.
    inside = torch.cat([pool.members, pool.non_members])
    member, others = inside[:, 0], inside[:, 2:]
    references = pm.References(pool.models[2:], others[member], others[~member], says=pool.says)
    sides = [(x[side], y[side]) for side in (member.numpy(), ~member.numpy())]
    attacks = [*default_attacks(torch.from_numpy(y), references=given.count)]
    attacks += [partial(attack, queries=2) for attack in (lira, rmia, bavaria, stacked)]
    report = pm.audit(pool.models[0].open(), *sides, references=references, attacks=attacks, store=store)
    print(report, f"Report: {report.save(here / 'report') / 'index.html'}", sep="\n")
