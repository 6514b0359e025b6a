"""Models that were trained with a defense, by itself and under an adversary who knows of it."""

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from ml_privacy_meter import Defense, Recipe, Scores, records, risk, targets, train_references
from ml_privacy_meter.beside import Later
from ml_privacy_meter.membership import View, lira, rehearsals
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.training.fit import State, fit_models
from ml_privacy_meter.training.recipe import from_factory


def network(width: int = 6, classes: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(width, 16), nn.ReLU(), nn.Linear(16, classes))


def recipe(**changed) -> Recipe:
    return Recipe(**{"architecture": network, "epochs": 4, "batch_size": 20, "lr": 0.02, "precision": "fp32"} | changed)


def draw(many: int = 100, classes: int = 3) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(many, 6, generator=rng)
    return x, torch.randint(classes, (many,), generator=rng)


def halves(many: int, models: int) -> Tensor:
    rng = torch.Generator().manual_seed(1)
    order = torch.rand(many, models, generator=rng).argsort(0)
    return order < many // 2


def fitted(defense: Defense | None, models: list[int], *, used: Recipe | None = None, y: Tensor | None = None) -> list:
    """The states of these of three models, each by its own seed, trained together."""
    x, labels = draw()
    defense, used = defense or Defense("none"), used or recipe()
    prepare = defense.prepare or (lambda module: module)

    def build(seed: int) -> nn.Module:
        return from_factory(lambda: prepare(used.architecture()), seed)

    inside = halves(len(x), 3)[:, models]
    fit = defense.fit or fit_models
    changed = defense.recipe(used) if defense.recipe else used
    states: list[State] = fit(
        changed, build, x, labels if y is None else y, inside, [5 + j for j in models], feed=_as_it_is, device="cpu"
    )
    return states


def _as_it_is(batch: Tensor) -> Tensor:
    return batch


def lira_auc(defense: Defense | None, used: Recipe, *, many: int = 200, width: int = 60, models: int = 6) -> float:
    """Of an adversary whose references have the defense too; features say little about the labels, a fifth wrong."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(many, width)).astype(np.float32)
    y = (x[:, :3].sum(1) > 0).astype(np.int64)
    y ^= rng.random(many) < 0.2
    sides = (x[: many // 2], y[: many // 2]), (x[many // 2 :], y[many // 2 :])
    pool = train_references(used, *sides, count=models, defense=defense, device="cpu")
    whole = records.scan(records.as_records((x, y), name="records"), name="records").records

    def opened(model) -> targets.Target:
        return targets.fit(model.open(), whole, whole)[0]

    later = tuple(Later(model.key, partial(opened, model)) for model in pool.models)
    beside = targets.fit(pool.models[0].open(), whole, whole)[1]
    inside = torch.cat([pool.members, pool.non_members])
    found = [game.play(lira) for game in rehearsals(View(later[0], beside, Reader(Store()), later, inside))]
    scores = Scores(torch.cat([one.score for one in found]), torch.cat([one.truth for one in found]))
    return risk.auc(scores).value
