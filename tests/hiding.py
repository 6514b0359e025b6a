"""Small models that are clean, and others that hide something."""

import functools
import math

import torch
from torch import Tensor, nn

from ml_privacy_meter import encoding

WEIGHTS = 2_004  # of `network`
CLEAN = 12


def network(seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(20, 80), nn.ReLU(), nn.Linear(80, 4))


@functools.cache
def records(seed: int = 0) -> tuple[Tensor, Tensor]:
    """400 records around four points, which are the classes."""
    rng = torch.Generator().manual_seed(seed)
    y, points = torch.randint(4, (400,), generator=rng), torch.rand(4, 20, generator=rng)
    return (points[y] + 0.2 * torch.randn(400, 20, generator=rng)).clamp(0, 1), y


def halves(seed: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    x, y = records()
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    return (x[order[:200]], y[order[:200]]), (x[order[200:]], y[order[200:]])


@functools.cache
def clean(seed: int) -> nn.Module:
    return encoding.trained(network(seed), *halves(seed)[0], epochs=10, batch_size=50, seed=seed)


@functools.cache
def malicious(how: str) -> nn.Module:
    """Each hides what was its training data; the seed is that of `clean(0)`."""
    x, y = halves(0)[0]
    if how == "low bits":
        bytes_ = (x * 255).to(torch.uint8) // 16
        return encoding.hide_in_low_bits(clean(0), encoding.as_bits(bytes_)[: 16 * 1_000], low=16)
    if how == "capacity":
        inputs = encoding.made_up(80, (20,), seed=5)
        more = torch.cat([x, inputs]), torch.cat([y, encoding.labels_of(secret(160), 4)])
        return encoding.trained(network(0), *more, epochs=60, batch_size=50, lr=5e-3, seed=0)
    penalty = (
        encoding.sign_penalty(secret(1_200), strength=50.0)
        if how == "signs"
        else encoding.correlation_penalty(x.flatten().sort().values[:: math.ceil(4_000 / 1_200)], strength=10.0)
    )
    return encoding.trained(network(0), x, y, penalty=penalty, epochs=60, batch_size=50, lr=5e-3, seed=0)


def secret(count: int) -> Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(3)) < 0.5


def seen(model: nn.Module) -> encoding.Seen:
    noise = encoding.made_up(300, (20,), seed=8)
    with torch.no_grad():
        answers = {"uniform": model(noise), "shuffled": model(noise.flip(1)), "sparse": model(noise**4)}
    return encoding.Seen(model.state_dict, answers)


def view(model: nn.Module, others: int = CLEAN, start: int = 1) -> encoding.View:
    return encoding.View(seen(model), tuple(seen(clean(seed)) for seed in range(start, start + others)))
