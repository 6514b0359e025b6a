"""Stochastic gradient descent with clipped gradients and noise: differential privacy for every training record."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.defenses import _accounting
from ml_privacy_meter.defenses._clipped import clippable, fit_together
from ml_privacy_meter.defenses._opacus import Private, check_apart, fit_alone, plain, private_module
from ml_privacy_meter.training import Defense, PrivacySpent, Recipe
from ml_privacy_meter.training.fit import State, device_of, identity, ignore


def dp_sgd(
    *,
    noise_multiplier: float | None = None,
    epsilon: float | None = None,
    delta: float | None = None,
    max_grad_norm: float = 1.0,
) -> Defense:
    """A defense that trains with differential privacy: ``.guarantee(recipe, records)`` gives epsilon and delta.

    Each batch holds every record with one and the same probability (Poisson sampling); its gradient is clipped, and
    Gaussian noise is added to their sum. Opacus trains; networks of linear layers are trained many at once, each as
    Opacus would. All is computed in float32, whatever the recipe says of precision. Settings that were chosen by
    looking at the records, and statistics by which these were normalised, are not covered. Random numbers follow from
    the seed: who knows it is not kept from anything, so keep it to yourself.

    Source: Abadi et al., Deep learning with differential privacy, CCS 2016, algorithm 1.

    Args:
        noise_multiplier: deviation of the noise, in units of ``max_grad_norm``.
        epsilon: in place of the noise, which is then the least that guarantees epsilon for the recipe's epochs and
            batch size and for the number of records.
        delta: by default the largest power of ten below 1 / records.
        max_grad_norm: to which the gradient of one record is scaled down, over all weights.
    """
    if (noise_multiplier is None) == (epsilon is None):
        raise InputError("dp_sgd needs either `noise_multiplier` or `epsilon`, and not both.")
    _positive(noise_multiplier=noise_multiplier, epsilon=epsilon, max_grad_norm=max_grad_norm)
    if delta is not None:
        in_range(0, 1, delta=delta)
    given = {"noise_multiplier": noise_multiplier, "epsilon": epsilon, "delta": delta, "max_grad_norm": max_grad_norm}
    much = "so much noise that epsilon is at most " if epsilon else "noise of "
    much += f"{epsilon:g}" if epsilon else f"{noise_multiplier:g} times that norm"
    return Defense(
        "dp_sgd",
        {name: value for name, value in given.items() if value is not None},
        prepare=private_module,
        fit=partial(_fit, noise_multiplier=noise_multiplier, epsilon=epsilon, delta=delta, bound=max_grad_norm),
        alone=_alone,
        says=f"Training clips each record's gradient to a norm of {max_grad_norm:g} and adds {much}.",
        guarantee=partial(_guarantee, noise_multiplier=noise_multiplier, epsilon=epsilon, delta=delta),
    )


def clipping(*, max_grad_norm: float = 1.0) -> Defense:
    """A defense that clips each record's gradient as DP-SGD does, and adds no noise: nothing is guaranteed.

    Args:
        max_grad_norm: to which the gradient of one record is scaled down, over all weights.
    """
    _positive(max_grad_norm=max_grad_norm)
    return Defense(
        "clipping",
        {"max_grad_norm": max_grad_norm},
        prepare=private_module,
        fit=partial(_fit, noise_multiplier=0.0, epsilon=None, delta=None, bound=max_grad_norm),
        alone=_alone,
        says=f"Training clips each record's gradient to a norm of {max_grad_norm:g}, and guarantees nothing.",
    )


def _positive(**named: float | None) -> None:
    in_range(0, math.inf, **{name: value for name, value in named.items() if value is not None})


def _guarantee(
    recipe: Recipe, records: int, *, noise_multiplier: float | None, epsilon: float | None, delta: float | None
) -> PrivacySpent:
    delta = delta or _accounting.default_delta(records)
    turns = math.ceil(records / recipe.batch_size)
    rate, steps = 1 / turns, turns * recipe.epochs
    if epsilon is not None:
        noise_multiplier = _accounting.noise_for(epsilon, rate, steps, delta)
    assert noise_multiplier is not None
    return _accounting.spent(noise_multiplier, rate, steps, delta)


def _alone(module: nn.Module) -> bool:
    return not plain(module)


def _fit(
    recipe: Recipe,
    build: Callable[[int], nn.Module],
    x: Tensor,
    y: Tensor,
    inside: Bool[Tensor, "records models"],
    seeds: Sequence[int],
    *,
    noise_multiplier: float | None,
    epsilon: float | None,
    delta: float | None,
    bound: float,
    feed: Callable[[Tensor], Tensor] = identity,
    device: str | torch.device = "auto",
    progress: Callable[[float], None] = ignore,
) -> list[State]:
    on, sizes = device_of(device), inside.sum(0)
    fitted: dict[int, State] = {}
    for size in sorted(set(sizes.tolist())):
        if size == 0:
            raise InputError("Each model needs records to train on, found none for one of them.")
        if epsilon is not None:
            named = {"noise_multiplier": None, "epsilon": epsilon, "delta": delta}
            noise_multiplier = _guarantee(recipe, size, **named).noise_multiplier
        group = (sizes == size).nonzero()[:, 0].tolist()
        rows = torch.stack([inside[:, j].nonzero()[:, 0] for j in group]).to(on)
        job = Private(recipe, build, x.to(on), y.to(on), feed, noise_multiplier or 0.0, bound)
        report = partial(_share, progress, len(fitted) / len(seeds), len(group) / len(seeds))
        fitted |= dict(zip(group, _group(job, rows, [seeds[j] for j in group], report), strict=True))
    states = [fitted[j] for j in range(len(seeds))]
    if not all(value.isfinite().all() for state in states for value in state.values()):
        raise InputError("Training diverged: weights of a model are not finite. Choose a smaller `lr`.")
    return states


def _group(job: Private, rows: Tensor, seeds: Sequence[int], report: Callable[[float], None]) -> list[State]:
    """Models with equally many records."""
    check_apart(job)
    many = len(seeds)
    if many > 1 and clippable(job, job.build(seeds[0]).to(job.x.device)):
        return fit_together(job, rows, seeds, report)
    return [fit_alone(job, rows[j], seed, partial(_share, report, j / many, 1 / many)) for j, seed in enumerate(seeds)]


def _share(progress: Callable[[float], None], start: float, width: float, share: float) -> None:
    progress(start + width * share)
