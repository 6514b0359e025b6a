"""How much of a client's digits can be seen in what it sends back, in each setting: all runs counted, none chosen.

A run draws a client's records, a network and, where it is trained, what it was trained on; seeds are the same in all
settings. Intervals are over the records of all runs. With `--data` also CIFAR-10 (lossless), at one and two records.
"""

import argparse
import io
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from ml_privacy_meter import reconstruct
from ml_privacy_meter.reconstructing import Reconstruction, together
from ml_privacy_meter.reconstruction import analytic, cosine, dlg, expected_share, imprint, imprinted

Weights = dict[str, Tensor]
FIRST_SEED = 100  # settings of the attacks were chosen on others, and on other records


@dataclass(frozen=True)
class Setting:
    """What is played: ``state`` is of the network, "new", "trained" (on others) or "fitted" (to the records, too)."""

    attack: Any
    count: int
    state: str = "new"
    act: Callable[[], nn.Module] = nn.Tanh
    noise: float = 0.0  # the length of Gaussian noise, as a multiple of the gradient's
    pruned: float = 0.0  # the share of each parameter's gradient that is set to 0, the smallest entries
    steps: int = 1
    batch_size: int | None = None
    shuffled: bool = False
    known: bool = False
    bins: int = 0

    def __str__(self) -> str:
        words = [f"{self.attack.__name__}, {self.count}", self.act.__name__, self.state]
        words += [f"{self.steps} steps"] * (self.steps > 1) + [f"of {self.batch_size}"] * bool(self.batch_size)
        words += ["shuffled"] * self.shuffled + [f"noise {self.noise:g}"] * bool(self.noise)
        words += [f"pruned {self.pruned:.0%}"] * bool(self.pruned) + ["labels known"] * self.known
        return ", ".join(words + [f"{self.bins} bins"] * bool(self.bins))


SETTINGS = (
    *(Setting(analytic, 1, state, nn.ReLU) for state in ("new", "trained", "fitted")),
    Setting(analytic, 1, "trained", nn.ReLU, steps=5),
    *(Setting(analytic, 8, state, nn.ReLU) for state in ("new", "trained")),
    Setting(analytic, 1, "trained", nn.ReLU, noise=1.0),
    *(Setting(imprint, count, "trained", bins=bins) for count, bins in ((8, 64), (64, 256), (128, 512))),
    Setting(imprint, 8, "trained", bins=64, steps=5),
    Setting(imprint, 8, "trained", bins=64, noise=1.0),
    *(Setting(dlg, count, state) for count in (1, 2, 4, 8) for state in ("new", "trained")),
    *(Setting(dlg, count, "fitted") for count in (1, 2)),
    *(Setting(dlg, count, state, nn.Sigmoid) for count in (1, 2) for state in ("new", "trained")),
    *(Setting(dlg, 1, state, nn.ReLU) for state in ("new", "trained")),
    Setting(dlg, 4, "trained", known=True),
    *(Setting(dlg, 2, "trained", steps=5, batch_size=size) for size in (None, 1)),
    Setting(dlg, 4, "trained", steps=4, batch_size=2, shuffled=True),
    *(Setting(dlg, 1, "trained", noise=noise) for noise in (0.01, 0.1, 1.0)),
    Setting(dlg, 1, "trained", pruned=0.9),
    *(Setting(cosine, count, state) for count in (1, 2, 4) for state in ("new", "trained")),
    Setting(cosine, 1, "trained", nn.ReLU),
    *(Setting(cosine, 1, "trained", noise=noise) for noise in (0.1, 1.0)),
)
BARS = (
    *((f"dlg, {count}, Tanh, {state}", "median PSNR", 30.0) for count in (1, 2) for state in ("new", "trained")),
    *((f"dlg, {count}, Sigmoid, {state}", "median PSNR", 30.0) for count in (1, 2) for state in ("new", "trained")),
    *((f"analytic, 1, ReLU, {state}", "median PSNR", 60.0) for state in ("new", "trained", "fitted")),
)


def network(setting: Setting, shape: tuple[int, ...], seed: int) -> nn.Module:
    torch.manual_seed(seed)
    pixels = math.prod(shape[-2:])
    if setting.attack is analytic:
        return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 128), setting.act(), nn.Linear(128, 10))
    first, second = nn.Conv2d(shape[0], 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
    return nn.Sequential(first, setting.act(), second, setting.act(), nn.Flatten(), nn.Linear(16 * pixels, 10))


def fit(model: nn.Module, x: Tensor, y: Tensor, *, epochs: int = 30) -> None:
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()


def sent_back(setting: Setting, model: nn.Module, x: Tensor, y: Tensor, lr: float) -> Weights:
    """The gradients of a client's steps, added up: its update, divided by minus its learning rate."""
    now = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    total = {name: torch.zeros_like(weight) for name, weight in now.items()}
    size = setting.batch_size or len(x)
    order: list[Tensor] = []
    for _ in range(setting.steps):
        if not order:
            order = list((torch.randperm(len(x)) if setting.shuffled else torch.arange(len(x))).split(size))
        rows = order.pop(0)
        held = {name: weight.requires_grad_() for name, weight in now.items()}
        loss = functional.cross_entropy(torch.func.functional_call(model, held, (x[rows],)), y[rows])
        gradient = dict(zip(held, torch.autograd.grad(loss, [*held.values()]), strict=True))
        total = {name: total[name] + gradient[name] for name in now}
        now = {name: (weight - lr * gradient[name]).detach() for name, weight in now.items()}
    return total


def defended(setting: Setting, change: Weights) -> Weights:
    if setting.pruned:
        kept = {name: value.abs() > value.abs().quantile(setting.pruned) for name, value in change.items()}
        change = {name: value * kept[name] for name, value in change.items()}
    if setting.noise:
        flat = torch.cat([value.flatten() for value in change.values()])
        scale = setting.noise * float(flat.norm()) / len(flat) ** 0.5
        change = {name: value + scale * torch.randn_like(value) for name, value in change.items()}
    return change


def run(setting: Setting, x: Tensor, y: Tensor, seed: int, lr: float = 0.1) -> Reconstruction:
    """One client: its records, 600 others that the network was trained on, 500 that are public."""
    torch.set_num_threads(1)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    mine, others, public = order[: setting.count], order[200:800], order[800:1300]
    model = network(setting, tuple(x.shape[1:]), seed)
    if setting.state != "new":
        rows = torch.cat([mine, others]) if setting.state == "fitted" else others
        fit(model, x[rows], y[rows])
    if setting.bins:
        model = imprinted(model, x[public], bins=setting.bins, seed=seed)
    change = defended(setting, sent_back(setting, model, x[mine], y[mine], lr))
    given: dict[str, Any] = {"attacks": (setting.attack,), "known_labels": setting.known, "seed": seed}
    if setting.steps > 1:
        change = {name: -lr * value for name, value in change.items()}
        given |= {"lr": lr, "local_steps": setting.steps, "batch_size": setting.batch_size}
    return reconstruct(model, change, (x[mine], y[mine]), public=x[public], **given)


def row(setting: Setting, result: Reconstruction) -> str:
    """Attack beside baselines, as a line of a Markdown table."""
    name = result.attacks[0]
    psnr, _, _, above, closer = result.risks(name)
    mean = result.risks("mean public image")[0].value
    right, guessed = (result.document[name] for name in ("labels_right", "labels_guessed"))
    cells = [
        str(setting),
        f"{psnr.trials}",
        f"{psnr.baseline:.1f} / {mean:.1f}",
        "–" if right is None else f"{right:.0%} / {guessed:.0%}",
    ]
    span = "too few" if math.isinf(psnr.low) else f"{psnr.low:.1f}, {psnr.high:.1f}"
    cells.append(f"{psnr.value:.1f} [{span}]")
    cells += [f"{100 * r.value:.0f}% [{100 * r.low:.0f}, {100 * r.high:.0f}]" for r in (above, closer)]
    return f"| {' | '.join(cells)} |"


def digits() -> tuple[Tensor, Tensor]:
    held = load_digits()
    return torch.tensor(held.images / 16.0, dtype=torch.float32)[:, None], torch.tensor(held.target)


def cifar(file: Path) -> tuple[Tensor, Tensor]:
    """The first 2,000 images of the file."""
    from PIL import Image

    held = np.load(file)
    head, data, ends = (
        held["header"].tobytes() if "header" in held else b"",
        held["data"].tobytes(),
        held["offsets"][:2001],
    )
    images = [np.asarray(Image.open(io.BytesIO(head + data[a:b])).convert("RGB")) for a, b in itertools.pairwise(ends)]
    return torch.tensor(np.stack(images)).permute(0, 3, 1, 2) / 255.0, torch.tensor(held["label"][:2000]).long()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=3, help="clients in each setting (3)")
    asked.add_argument("--only", default="", help="settings whose words hold this")
    asked.add_argument("--jobs", type=int, default=2, help="processes (2)")
    asked.add_argument("--data", type=Path, help="cifar10_lossless10k.npz: play on it, too")
    given = asked.parse_args()
    played: dict[str, Reconstruction] = {}
    titles = ("setting", "records", "nearest / mean public, dB", "labels right / guessed", "PSNR, dB")
    print(f"| {' | '.join((*titles, 'above 30 dB', 'beats public'))} |")
    print("|---|---|---|---|---|---|---|")
    sets: list[tuple[str, tuple[Tensor, Tensor], tuple[Setting, ...]]] = [("", digits(), SETTINGS)]
    if given.data:
        few = tuple(Setting(partial_dlg, count, state) for count in (1, 2) for state in ("new", "trained"))
        sets.append(("CIFAR-10: ", cifar(given.data), few))
    for prefix, (x, y), settings in sets:
        for setting in settings:
            if given.only not in prefix + str(setting):
                continue
            seeds = range(FIRST_SEED, FIRST_SEED + given.runs)
            results = Parallel(given.jobs)(delayed(run)(setting, x, y, seed) for seed in seeds)
            played[prefix + str(setting)] = together(results)
            print(row(setting, played[prefix + str(setting)]).replace("| ", f"| {prefix}", 1), flush=True)
    for name, figure, least in BARS:
        if name in played:
            value = next(r.value for r in played[name].risks(played[name].attacks[0]) if r.name == figure)
            print(f"{name}: {figure} {value:.1f}, {'meets' if value > least else 'MISSES'} {least:g}")
    for setting in SETTINGS:
        if setting.bins and setting.steps == 1 and not setting.noise and str(setting) in played:
            share = next(r.value for r in played[str(setting)].risks("imprint") if r.name == "above 30 dB")
            theory = expected_share(setting.count, setting.bins)
            print(f"{setting}: {share:.3f} of {theory:.3f} in theory, {share / theory:.0%}")


def partial_dlg(view: Any) -> Tensor:
    """`dlg` with fewer iterations, as each takes longer."""
    return partial(dlg, starts=2, finalists=1, iterations=300)(view)


if __name__ == "__main__":
    main()
