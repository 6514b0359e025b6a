"""Worlds in which the truth is known: one that leaks by construction, one that cannot."""

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ml_privacy_meter.membership import MembershipGame, Update, View
from ml_privacy_meter.signals import Moved, Reader, Store
from ml_privacy_meter.types import Records

COURSE = (5, 15, 30, 60)  # steps at which a model is kept


def overfitted(x: Tensor, y: Tensor, steps: int = 60) -> torch.nn.Linear:
    """A linear model fitted to ``y`` for as long as it takes to know it by heart."""
    return course(x, y, (steps,))[0]


def course(x: Tensor, y: Tensor, kept: Sequence[int] = COURSE) -> tuple[torch.nn.Linear, ...]:
    """The same after so many steps each."""
    models = []
    model = torch.nn.Linear(x.shape[1], int(y.max()) + 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for step in range(1, max(kept) + 1):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        if step in kept:
            models.append(copy.deepcopy(model))
    return tuple(models)


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


def referenced(x: Tensor, y: Tensor, seed: int, models: int) -> dict[str, Any]:
    """Over-fitted models of random halves of the records, at three earlier moments, too, and who was in which."""
    inside = halves(len(y), models, seed + 1)
    fitted = [course(x[here], y[here]) for here in inside.T]
    return {
        "references": tuple(last for *_, last in fitted),
        "reference_snapshots": tuple(tuple(earlier) for *earlier, _ in fitted),
        "inside": inside if models else None,
    }


def watched(x: Tensor, y: Tensor) -> dict[str, Any]:
    """An over-fitted model, and its training: three earlier moments, and what changed from each to the next."""
    models = course(x, y)
    updates = []
    for number, (before, after) in enumerate(pairwise(models)):
        change = {"weight": (after.weight - before.weight).detach()}
        updates.append(Update(Moved(before, change), before, lambda change=change: change, number))
    return {"target": models[-1], "snapshots": models[:-1], "updates": tuple(updates)}


def leaky(seed: int = 0, models: int = 0) -> MembershipGame:
    """A model over-fitted on random labels: what it knows of a record, it knows because the record was a member."""
    x, y, member = draw(seed)
    seen = watched(x[member], y[member]) | referenced(x, y, seed, models)
    view = View(records=records(x, y), reader=Reader(Store()), **seen)
    return MembershipGame(view, member)


def blank(seed: int = 0, models: int = 0) -> MembershipGame:
    """A model over-fitted on records that are no trial of the game: members are members in name only.

    Reference models, as far as there are any, do know the records.
    """
    x, y, member = draw(seed)
    elsewhere, labels, _ = draw(seed + 10_000)
    trained = elsewhere[: len(y) // 2], labels[: len(y) // 2]
    view = View(records=records(x, y), reader=Reader(Store()), **watched(*trained), **referenced(x, y, seed, models))
    return MembershipGame(view, member)
