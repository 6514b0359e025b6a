"""Worlds in which the truth is known: one that leaks by construction, one that cannot."""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ml_privacy_meter.membership import MembershipGame, Update, View
from ml_privacy_meter.signals import Moved, Reader, Store
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


def halves(records: int, models: int, seed: int) -> Tensor:
    """Complementary pairs of random halves: which record stands in which model's training set."""
    rng = torch.Generator().manual_seed(seed)
    inside = torch.zeros(records, models, dtype=torch.bool)
    for pair in range(0, models, 2):
        inside[torch.randperm(records, generator=rng)[: records // 2], pair] = True
        inside[:, pair + 1 : pair + 2] = ~inside[:, [pair]]
    return inside


def referenced(x: Tensor, y: Tensor, seed: int, models: int) -> tuple[tuple[torch.nn.Module, ...], Tensor | None]:
    """Over-fitted models of random halves of the records, and which record each was fitted to."""
    inside = halves(len(y), models, seed + 1)
    fitted = (overfitted(x[here], y[here]) for here in inside.T)
    return tuple(fitted), inside if models else None


def watched(x: Tensor, y: Tensor) -> dict[str, Any]:
    """What is seen of the training of `overfitted`: three earlier moments, and what changed from each to the next."""
    models = [overfitted(x, y, steps) for steps in (5, 15, 30, 60)]
    updates = []
    for number, (before, after) in enumerate(pairwise(models)):
        change = {"weight": (after.weight - before.weight).detach()}
        updates.append(Update(Moved(before, change), before, lambda change=change: change, number))
    return {"snapshots": tuple(models[:-1]), "updates": tuple(updates)}


def leaky(seed: int = 0, models: int = 0) -> MembershipGame:
    """A model over-fitted on random labels: what it knows of a record, it knows because the record was a member."""
    x, y, member = draw(seed)
    references, inside = referenced(x, y, seed, models)
    seen = watched(x[member], y[member])
    view = View(overfitted(x[member], y[member]), records(x, y), Reader(Store()), references, inside, **seen)
    return MembershipGame(view, member)


def blank(seed: int = 0, models: int = 0) -> MembershipGame:
    """A model over-fitted on records that are no trial of the game: members are members in name only.

    Reference models, as far as there are any, do know the records.
    """
    x, y, member = draw(seed)
    elsewhere, labels, _ = draw(seed + 10_000)
    references, inside = referenced(x, y, seed, models)
    trained = elsewhere[: len(y) // 2], labels[: len(y) // 2]
    seen = {} if models else watched(*trained)
    view = View(overfitted(*trained), records(x, y), Reader(Store()), references, inside, **seen)
    return MembershipGame(view, member)
