"""Worlds in which the truth is known: one that leaks by construction, one that cannot."""

import numpy as np
import torch
from torch import Tensor

from ml_privacy_meter.membership import MembershipGame, View
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.types import Records


def overfitted(x: Tensor, y: Tensor, steps: int = 60) -> torch.nn.Linear:
    """A linear model fitted to ``y`` for as long as it takes to know it by heart."""
    model = torch.nn.Linear(x.shape[1], int(y.max()) + 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


def records(x: Tensor, y: Tensor) -> Records:
    return Records(x, y, np.arange(len(y)).astype(str))


def draw(seed: int, n: int = 600, width: int = 300, classes: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Features without meaning, labels at random, and a random half of the records as members."""
    rng = torch.Generator().manual_seed(seed)
    x, y = torch.randn(n, width, generator=rng), torch.randint(classes, (n,), generator=rng)
    member = torch.zeros(n, dtype=torch.bool)
    member[torch.randperm(n, generator=rng)[: n // 2]] = True
    return x, y, member


def leaky(seed: int = 0) -> MembershipGame:
    """A model over-fitted on random labels: what it knows of a record, it knows because the record was a member."""
    x, y, member = draw(seed)
    return MembershipGame(View(overfitted(x[member], y[member]), records(x, y), Reader(Store())), member)


def blank(seed: int = 0) -> MembershipGame:
    """A model over-fitted on records that are no trial of the game: members are members in name only."""
    x, y, member = draw(seed)
    elsewhere, labels, _ = draw(seed + 10_000)
    return MembershipGame(View(overfitted(elsewhere, labels), records(x, y), Reader(Store())), member)
