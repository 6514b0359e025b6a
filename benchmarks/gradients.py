"""Records a second of CPU time, on one thread, for the norms of their gradients: ours, and other ways to get them.

5,000 Location records through an MLP, images of CIFAR's size through four convolutional networks, and the peak memory
of 5,000 and of 100,000 records. Opacus is timed where it is installed.
python benchmarks/gradients.py --data ../shared/data
"""

import argparse
import importlib.util
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from ml_privacy_meter import signals

ROUNDS, WIDTHS = 3, (446, 512, 256, 128, 30)


def mlp() -> nn.Module:
    parts = [part for a, b in pairwise(WIDTHS) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*parts[:-1])


def lenet() -> nn.Module:
    first = (nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(*first, nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.Linear(84, 10))


def cnn() -> nn.Module:
    wide = (3, 32, 64, 64)
    parts = [p for a, b in pairwise(wide) for p in (nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10))


def alexnet() -> nn.Module:
    first = (nn.Conv2d(3, 64, 11, stride=4, padding=5), nn.ReLU(), nn.MaxPool2d(2))
    second = (nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2))
    others = [p for a, b in pairwise((192, 384, 256, 256)) for p in (nn.Conv2d(a, b, 3, padding=1), nn.ReLU())]
    return nn.Sequential(*first, *second, *others, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10))


class Block(nn.Module):
    def __init__(self, a: int, b: int, stride: int) -> None:
        super().__init__()
        first = (nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
        self.path = nn.Sequential(*first, nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b))
        self.short = nn.Identity() if a == b else nn.Conv2d(a, b, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return (self.path(x) + self.short(x)).relu()


def resnet20() -> nn.Module:
    first = (nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    wide = ((16, 16), (16, 16), (16, 16), (16, 32), (32, 32), (32, 32), (32, 64), (64, 64), (64, 64))
    blocks = [Block(a, b, b // a) for a, b in wide]
    return nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def norms(found: list[Tensor]) -> Tensor:
    return torch.stack([g.flatten(1).norm(dim=1) for g in found]).norm(dim=0)


def loop(model: nn.Module, x: Tensor, y: Tensor, weights: dict[str, Tensor]) -> Tensor:
    found = []
    for i in range(len(y)):
        one = torch.autograd.grad(cross_entropy(model(x[i : i + 1]), y[i : i + 1]), list(weights.values()))
        found.append(norms([g[None] for g in one]))
    return torch.cat(found)


def func(model: nn.Module, x: Tensor, y: Tensor, weights: dict[str, Tensor], *, size: int) -> Tensor:
    def of_one(state: dict[str, Tensor], one: Tensor, label: Tensor) -> Tensor:
        return cross_entropy(functional_call(model, state, (one[None],)), label[None])

    state = {name: p.detach() for name, p in weights.items()}
    gradients = vmap(grad(of_one), (None, 0, 0))
    parts = zip(x.split(size), y.split(size), strict=True)
    return torch.cat([norms(list(gradients(state, a, b).values())) for a, b in parts])


def opacus(model: nn.Module, x: Tensor, y: Tensor, weights: dict[str, Tensor], *, size: int) -> Tensor:
    from opacus.grad_sample import GradSampleModule

    wrapped, found = GradSampleModule(model.train(), loss_reduction="sum"), []
    for a, b in zip(x.split(size), y.split(size), strict=True):
        cross_entropy(wrapped(a), b, reduction="sum").backward()
        found.append(norms([p.grad_sample for p in weights.values()]))
        wrapped.zero_grad()
    wrapped._close()
    model.eval()
    return torch.cat(found)


def compare(name: str, model: nn.Module, x: Tensor, y: Tensor, of: str) -> None:
    weights = dict(model.named_parameters())
    if of == "last":
        weights = dict(list(weights.items())[-2:])
    for p in model.parameters():
        p.requires_grad_(any(p is w for w in weights.values()))
    ways = {"ours": lambda: signals.gradient_norm(model, x, y, of=of), "loop": lambda: loop(model, x, y, weights)}
    sizes = (32, len(y)) if len(y) <= 512 else (32, 512) if of == "all" else (512,)
    ways |= {f"torch.func, {n} at once": (lambda n=n: func(model, x, y, weights, size=n)) for n in sizes}
    batches = any(isinstance(part, nn.BatchNorm2d) for part in model.modules())  # which Opacus refuses
    if importlib.util.find_spec("opacus") and not batches:
        ways |= {f"Opacus, {n} at once": (lambda n=n: opacus(model, x, y, weights, size=n)) for n in sizes}
    taken: dict[str, list[float]] = {way: [] for way in ways}
    found = {}
    signals.gradient_norm(model, x[:9], y[:9], of=of)  # what is found out once for each model takes a few passes
    for round_ in range(ROUNDS):
        for way in np.roll(list(ways), round_):
            start = time.process_time()
            found[way] = ways[way]()
            taken[way].append(time.process_time() - start)
    for way, seconds in taken.items():
        apart = float(((found[way] - found["loop"]) / found["loop"]).abs().max())
        faster = [b / a for a, b in zip(taken["ours"], seconds, strict=True)]
        print(
            f"| {name} | {of} | {way} | {len(y) / min(seconds):,.0f} | {min(faster):.1f} to {max(faster):.1f} "
            f"| {apart:.0e} |",
            flush=True,
        )


def location(data: Path) -> tuple[Tensor, Tensor]:
    with np.load(data / "location_bangkok.npz") as z:
        return torch.from_numpy(z["X"][:5_000]).float(), torch.from_numpy(z["y"][:5_000]).long() % WIDTHS[-1]


def memory(records: int) -> None:
    torch.manual_seed(0)
    x, y = torch.randint(2, (records, WIDTHS[0]), dtype=torch.uint8), torch.randint(WIDTHS[-1], (records,))
    before = peak()
    model = nn.Sequential(Floats(), mlp()).eval()
    signals.gradient_norm(model, x, y)
    print(f"{records:,} records: peak {peak():.2f} GB, of which {before:.2f} GB before")


def peak() -> float:
    """The most memory that this process has held so far, in GB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


class Floats(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.float()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--memory", type=int)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.memory:
        return memory(asked.memory)
    torch.manual_seed(0)
    print("| network | layers | way | records/s | ours is faster by | apart from the loop |\n|---|---|---|---|---|---|")
    x, y = location(asked.data)
    compare("MLP, Location", mlp().eval(), x, y, "last")
    compare("MLP, Location", mlp().eval(), x, y, "all")
    images, labels = torch.randn(512, 3, 32, 32), torch.randint(10, (512,))
    compare("LeNet", lenet().eval(), images, labels, "all")
    compare("3 convolutions of 32, 64, 64", cnn().eval(), images, labels, "all")
    compare("AlexNet", alexnet().eval(), images[:128], labels[:128], "all")
    compare("ResNet-20", resnet20().eval(), images[:128], labels[:128], "all")
    for records in (5_000, 100_000):
        command = [sys.executable, __file__, "--memory", str(records)]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    return None


if __name__ == "__main__":
    main()
