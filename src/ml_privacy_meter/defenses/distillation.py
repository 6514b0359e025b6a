"""A student that learns from a teacher's answers in place of labels."""

from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.defenses.teaching import check_classes, probabilities, soft_loss
from ml_privacy_meter.targets.key import digest
from ml_privacy_meter.training import Defense
from ml_privacy_meter.training.fit import State, fit_models, ignore
from ml_privacy_meter.training.split import seed_of


def distillation(*, temperature: float = 2.0, public: tuple[Any, Any] | None = None) -> Defense:
    """A defense that gives away a student, which was taught what a model that saw the labels answers.

    Without ``public`` the student is taught about the training records themselves, so that what the teacher knows by
    heart is among what it is taught.

    Source: Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network, 2015; with public records,
    Shejwalkar and Houmansadr, Membership Privacy for Machine Learning Models Through Knowledge Transfer, AAAI 2021,
    without their choice of records.

    Args:
        temperature: by which the logits of both are divided.
        public: (x, y) of records that are no member's, as the recipe's module takes them; their labels are not used.
    """
    in_range(0, float("inf"), temperature=temperature)
    settings: dict[str, Any] = {"temperature": temperature}
    x = None
    if public is not None:
        x = np.ascontiguousarray(public[0])
        settings["public"] = f"{len(x)} records {digest(x.tobytes(), str(x.dtype), str(x.shape))[:12]}"
    on = "public records" if x is not None else "the training records"
    return Defense(
        "distillation",
        settings,
        fit=partial(_fit, temperature=temperature, public=x),
        says=f"A student learns from a teacher's answers to {on}; the teacher must not be given away.",
    )


def _fit(
    recipe: Any,
    build: Any,
    x: Tensor,
    y: Tensor,
    inside: Bool[Tensor, "records models"],
    seeds: Any,
    *,
    temperature: float,
    public: np.ndarray | None,
    feed: Any,
    device: Any,
    progress: Any = ignore,
) -> list[State]:
    check_classes("distillation", y)
    told, used = x, inside
    if public is not None:
        if public.shape[1:] != x.shape[1:]:
            raise InputError(
                f"`public` of distillation must be records like those that are trained on, of the shape "
                f"{tuple(x.shape[1:])} each, found {public.shape[1:]}. Give them as the module takes them."
            )
        told = torch.from_numpy(public)
        used = torch.ones(len(told), len(seeds), dtype=torch.bool)
    teachers = [seed_of(seed, 0) for seed in seeds]
    named = {"feed": feed, "device": device}
    states = fit_models(recipe, build, x, y, inside, teachers, progress=lambda share: progress(share / 2), **named)
    soft: Tensor | None = None
    for j, state in enumerate(states):
        rows = used[:, j].nonzero()[:, 0]
        found = probabilities(build, state, told, rows, temperature=temperature, **named)
        soft = torch.zeros(len(seeds), len(told), found.shape[1]) if soft is None else soft
        soft[j, rows] = found
    losses = (partial(soft_loss, temperature=temperature),)
    half = lambda share: progress((1 + share) / 2)  # noqa: E731
    return fit_models(recipe, build, told, y, used, seeds, own=soft, losses=losses, progress=half, **named)
