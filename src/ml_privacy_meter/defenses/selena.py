"""Self-distillation from models that did not see the record."""

from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.defenses.teaching import check_classes, probabilities, soft_loss
from ml_privacy_meter.training import Defense
from ml_privacy_meter.training.fit import State, fit_models, ignore
from ml_privacy_meter.training.split import seed_of


def selena(*, models: int = 25, without: int = 10) -> Defense:
    """A defense that teaches a student, about each record, what models without this record answer to it.

    Training takes ``models`` times as long, and a little more.

    Source: Tang et al., Mitigating Membership Inference Attacks by Self-Distillation Through a Novel Ensemble
    Architecture, USENIX Security 2022. Here the records are dealt out so that sub-models have equally many.

    Args:
        models: sub-models.
        without: how many of them do not see a given record, and are asked about it.
    """
    for name, most, found in (("models", 10_000, models), ("without", models - 1, without)):
        if not isinstance(found, int) or isinstance(found, bool) or not 1 <= found <= most:
            raise InputError(f"`{name}` of selena must be a whole number from 1 to {most}, found {found!r}.")
    return Defense(
        "selena",
        {"models": models, "without": without},
        fit=partial(_fit, models=models, without=without),
        says="A student learns what models that did not see a record answer to it; these must not be given away.",
    )


def _fit(
    recipe: Any,
    build: Any,
    x: Tensor,
    y: Tensor,
    inside: Bool[Tensor, "records models"],
    seeds: Any,
    *,
    models: int,
    without: int,
    feed: Any,
    device: Any,
    progress: Any = ignore,
) -> list[State]:
    check_classes("selena", y)
    if (fewest := int(inside.sum(0).min())) < models:
        raise InputError(
            f"selena needs as many records as it has sub-models, found {fewest} records for {models}. Choose fewer "
            "`models`."
        )
    left_out = torch.cat([_left_out(inside[:, j], models, without, seed) for j, seed in enumerate(seeds)], 1)
    named = {"feed": feed, "device": device}
    share_of_subs = models / (models + 1)
    states = fit_models(
        recipe,
        build,
        x,
        y,
        inside.repeat_interleave(models, 1) & ~left_out,
        [seed_of(seed, model) for seed in seeds for model in range(models)],
        progress=lambda share: progress(share * share_of_subs),
        **named,
    )
    soft: Tensor | None = None
    for number, state in enumerate(states):
        rows = left_out[:, number].nonzero()[:, 0]
        found = probabilities(build, state, x, rows, **named)
        soft = torch.zeros(len(seeds), len(x), found.shape[1]) if soft is None else soft
        soft[number // models, rows] += found / without
    last = lambda share: progress(share_of_subs + share * (1 - share_of_subs))  # noqa: E731
    return fit_models(recipe, build, x, y, inside, seeds, own=soft, losses=(soft_loss,), progress=last, **named)


def _left_out(inside: Bool[Tensor, "records"], models: int, without: int, seed: int) -> Bool[Tensor, "records models"]:
    """Which sub-models do not see which of the records that are inside: ``without`` of them for each.

    Each ``models`` records are left out by all sub-models equally often.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    rows = rng.permutation(inside.nonzero()[:, 0].numpy())
    rounds = -(-len(rows) // models)
    orders = rng.permuted(np.tile(np.arange(models), (rounds, 1)), axis=1)
    windows = (np.arange(models)[:, None] + np.arange(without)) % models
    chosen = orders[:, windows].reshape(-1, without)[: len(rows)]
    found = torch.zeros(len(inside), models, dtype=torch.bool)
    found[torch.from_numpy(rows)[:, None], torch.from_numpy(chosen)] = True
    return found
