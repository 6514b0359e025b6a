"""How much faster reference models train together than one after another, and what bfloat16 does to an attack.

    python benchmarks/references.py [--data FOLDER] [--threads 1] [--rounds 3] [--only mlp|cnn] [--strength]

All in this process, in turn, in an order that changes; the least of some rounds. Bars: 16 networks of linear layers on
Location 2 times faster than a plain loop, 6 times faster than a loop over a DataLoader with workers; 8 small
convolutional networks on 5,000 images of CIFAR-10 2.5 times faster than a plain loop in float32.

`--strength`: AUC and TPR at 1% FPR of LiRA with 16 references trained in float32 and in bfloat16.
"""

import argparse
import io
import os
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score, roc_curve
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from ml_privacy_meter.training.fit import fit_models
from ml_privacy_meter.training.recipe import Recipe, from_factory


def mlp() -> nn.Module:
    widths = (446, 512, 256, 128, 30)
    return nn.Sequential(*[part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())][:-1])


def cnn() -> nn.Module:
    blocks = [(3, 32), (32, 64), (64, 64)]
    layers = [part for a, b in blocks for part in (nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 128), nn.ReLU(), nn.Linear(128, 10))


def location(data: Path) -> tuple[Tensor, Tensor]:
    with np.load(data / "location_bangkok.npz") as file:
        x, y = torch.from_numpy(file["X"]), torch.from_numpy(file["y"]).long()
    order = torch.from_numpy(np.random.RandomState(0).permutation(len(y)))[:4000]
    return x[order].float(), y[order]


def cifar(data: Path, records: int = 5000) -> tuple[Tensor, Tensor]:
    from PIL import Image

    with np.load(data / "cifar10_jpeg.npz") as file:
        header, content = file["header"].tobytes() if "header" in file else b"", file["data"].tobytes()
        ends, y = file["offsets"], torch.from_numpy(file["label"][:records]).long()
    files = [header + content[a:b] for a, b in pairwise(ends[: records + 1])]
    return torch.from_numpy(np.stack([np.asarray(Image.open(io.BytesIO(f)).convert("RGB")) for f in files])), y


def images(batch: Tensor) -> Tensor:
    return batch.permute(0, 3, 1, 2).float() / 255


def halves(records: int, models: int) -> Tensor:
    """A random half of the records for each model, and for the next the other half."""
    rng = torch.Generator().manual_seed(0)
    inside = torch.zeros(records, models, dtype=torch.bool)
    for j in range(0, models, 2):
        order = torch.randperm(records, generator=rng)
        inside[order[: records // 2], j] = True
        inside[order[records // 2 :], j + 1 : j + 2] = True
    return inside


def plain(recipe: Recipe, make, x: Tensor, y: Tensor, inside: Tensor) -> None:
    """One after another: the data as one tensor, a fused optimizer."""
    for j in range(inside.shape[1]):
        model, rows, rng = from_factory(make, j), inside[:, j].nonzero()[:, 0], torch.Generator().manual_seed(j)
        here, labels = x[rows], y[rows]
        optimizer = torch.optim.Adam(model.parameters(), lr=recipe.lr, fused=True)
        batches = -(-len(rows) // recipe.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs * batches)
        for _ in range(recipe.epochs):
            for batch in torch.randperm(len(rows), generator=rng).split(recipe.batch_size):
                optimizer.zero_grad()
                F.cross_entropy(model(here[batch]), labels[batch]).backward()
                optimizer.step()
                schedule.step()


def loaded(recipe: Recipe, make, x: Tensor, y: Tensor, inside: Tensor) -> None:
    """One after another, the records from a DataLoader with workers, as in Privacy Meter 2."""
    for j in range(inside.shape[1]):
        model, rows = from_factory(make, j), inside[:, j].nonzero()[:, 0]
        records = TensorDataset(x[rows], y[rows])
        loader = DataLoader(records, recipe.batch_size, shuffle=True, num_workers=2)
        optimizer = torch.optim.Adam(model.parameters(), lr=recipe.lr)
        for _ in range(recipe.epochs):
            for batch, labels in loader:
                optimizer.zero_grad()
                F.cross_entropy(model(batch), labels).backward()
                optimizer.step()


def spent(work) -> tuple[float, float]:
    """Seconds on the clock, and of the processor in user and system mode."""
    start, before = time.perf_counter(), os.times()
    work()
    after = os.times()
    return time.perf_counter() - start, sum(after[:4]) - sum(before[:4])


def compare(contestants: dict, rounds: int) -> None:
    taken: dict[str, list] = {name: [] for name in contestants}
    for round_ in range(rounds):
        for name in np.roll(list(contestants), round_):
            taken[name].append(spent(contestants[name]))
    ours = taken["together"]
    for name, times in taken.items():
        clock, cpu = (min(column) for column in zip(*times, strict=True))
        each = [a / b for (a, _), (b, _) in zip(times, ours, strict=True)]
        print(
            f"{name:24} {clock:6.2f} s, processor {cpu:6.2f} s   {clock / min(ours)[0]:5.2f} times ours "
            f"({min(each):.2f} to {max(each):.2f} by round)",
            flush=True,
        )


def speed_mlp(data: Path, rounds: int) -> None:
    x, y = location(data)
    inside, recipe = halves(len(x), 16), Recipe(epochs=10, batch_size=64)
    setting = (recipe, mlp, x, y, inside)
    contestants = {
        name: lambda p=precision: fit_models(
            Recipe(epochs=10, batch_size=64, precision=p), lambda seed: from_factory(mlp, seed), x, y, inside, range(16)
        )
        for name, precision in (("together", "auto"), ("together, float32", "fp32"))
    }
    contestants |= {"plain loop": lambda: plain(*setting), "DataLoader, 2 workers": lambda: loaded(*setting)}
    print("16 networks of linear layers, 2,000 records each, 10 epochs")
    compare(contestants, rounds)


def speed_cnn(data: Path, rounds: int) -> None:
    x, y = cifar(data)
    inside, recipe = torch.ones(len(x), 8, dtype=torch.bool), Recipe(epochs=1, batch_size=128)
    floats = images(x).contiguous()
    contestants = {
        name: lambda p=precision: fit_models(
            Recipe(epochs=1, batch_size=128, precision=p),
            lambda seed: from_factory(cnn, seed),
            x,
            y,
            inside,
            range(8),
            feed=images,
        )
        for name, precision in (("together", "auto"), ("together, float32", "fp32"))
    }
    contestants["plain loop"] = lambda: plain(recipe, cnn, floats, y, inside)
    print("8 small convolutional networks, 5,000 images, 1 epoch")
    compare(contestants, rounds)


def gaps(states: list[dict[str, Tensor]], x: Tensor, y: Tensor) -> Tensor:
    """The logit gap of each record under each model, in nats."""
    model, found = mlp().eval(), []
    for state in states:
        model.load_state_dict(state)
        with torch.no_grad():
            logits = model(x).double()
        others = logits.clone()
        others[torch.arange(len(y)), y] = -torch.inf
        found.append(logits[torch.arange(len(y)), y] - others.logsumexp(1))
    return torch.stack(found, 1)


def lira(target: Tensor, reference: Tensor, inside: Tensor) -> Tensor:
    """LiRA's ratio with one variance for all records, in nats (Carlini et al. 2022)."""
    ratio = torch.zeros(len(target), dtype=torch.float64)
    for side, sign in ((inside, 1), (~inside, -1)):
        count = side.sum(1)
        mean = torch.where(side, reference, 0.0).sum(1) / count
        variance = (reference - mean[:, None])[side].square().sum() / (count.sum() - len(target))
        ratio += sign * torch.distributions.Normal(mean, variance.sqrt()).log_prob(target)
    return ratio


def strength(data: Path, models: int = 18) -> None:
    """Each of 18 models trained in float32 is attacked with 16 others (not with the one that has the other half)."""
    x, y = location(data)
    inside = halves(len(x), models)
    seen = {}
    for precision, first in (("fp32", 0), ("fp32", 100), ("bf16", 100)):
        recipe, seeds = Recipe(epochs=50, batch_size=64, precision=precision), range(first, first + models)
        states = fit_models(recipe, lambda seed: from_factory(mlp, seed), x, y, inside, seeds)
        seen[precision if first else "target"] = gaps(states, x, y)
    print(f"LiRA, one variance, 16 references, {models} targets trained in float32")
    figures = {}
    for precision in ("fp32", "bf16"):
        found = []
        for target in range(models):
            others = [j for j in range(models) if j // 2 != target // 2]
            score = lira(seen["target"][:, target], seen[precision][:, others], inside[:, others]).numpy()
            fpr, tpr, _ = roc_curve(inside[:, target].numpy(), score)
            found.append(
                [roc_auc_score(inside[:, target].numpy(), score), tpr[fpr <= 0.01].max(), tpr[fpr <= 0.001].max()]
            )
        figures[precision] = np.array(found)
    for name, found in (*figures.items(), ("bf16 less fp32", figures["bf16"] - figures["fp32"])):
        mean, error = found.mean(0), found.std(0, ddof=1)
        said = (
            f"{what} {m:.4f} ({e:.4f})" for what, m, e in zip(("AUC", "TPR@1%", "TPR@0.1%"), mean, error, strict=True)
        )
        print(f"{name:16}", ", ".join(said), "(deviation over targets)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("mlp", "cnn"))
    parser.add_argument("--strength", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    if asked.strength:
        strength(asked.data)
    if not asked.strength and asked.only != "cnn":
        speed_mlp(asked.data, asked.rounds)
    if not asked.strength and asked.only != "mlp":
        speed_cnn(asked.data, asked.rounds)


if __name__ == "__main__":
    main()
