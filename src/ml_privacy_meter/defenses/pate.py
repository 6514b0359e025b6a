"""A student that learns, from noisy votes of teachers with disjoint records, what public records are."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor, nn

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.defenses import _accounting
from ml_privacy_meter.defenses._public import Pair, check_public, public_pair
from ml_privacy_meter.training import Defense, PrivacySpent, Recipe
from ml_privacy_meter.training.fit import State, device_of, fit_models, identity, ignore

AT_ONCE = 4096  # public records that a teacher is shown together


def pate(*, public: Any, teachers: int = 50, noise: float = 20.0, delta: float | None = None) -> Defense:
    """A defense that trains a model on public records alone, labelled by teachers: ``.guarantee(recipe, records)``.

    Each teacher is trained on a part of the training records that no other has. A public record's label is the class
    with most votes after Gaussian noise (GNMax). One training record changes one vote, from one class to another, so
    each label is a Gaussian mechanism of sensitivity sqrt(2); all public records are asked about, and no account is
    taken of how the votes agree. Public records are kept from
    nothing: the student may learn them by heart.

    Source: Papernot et al., Scalable private learning with PATE, ICLR 2018, section 4.1. The composition is computed by
    dp-accounting.

    Args:
        public: (x, y) of records that are not members: x as the model takes records; y is not used, and may be None.
        teachers: each needs training records of its own.
        noise: deviation, in votes.
        delta: by default the largest power of ten below 1 / records.
    """
    if isinstance(teachers, bool) or not isinstance(teachers, int) or teachers < 1:
        raise InputError(f"`teachers` must be a whole number of at least 1, found {teachers!r}.")
    in_range(0, math.inf, noise=noise)
    if delta is not None:
        in_range(0, 1, delta=delta)
    pair, content = public_pair(public, "pate", labels=False)
    asked = len(pair[1])
    return Defense(
        "pate",
        {"public": content, "teachers": teachers, "noise": noise} | ({} if delta is None else {"delta": delta}),
        fit=partial(_fit, pair=pair, teachers=teachers, noise=noise),
        alone=True,
        says=f"The model is trained on {asked:,} public records, labelled by noisy votes of {teachers} teachers.",
        guarantee=partial(_guarantee, asked=asked, noise=noise, delta=delta),
    )


def votes(answers: Float[Tensor, "teachers records classes"]) -> Float[Tensor, "records classes"]:
    """How many teachers answer with each class."""
    return nn.functional.one_hot(answers.argmax(2), answers.shape[2]).sum(0).float()


def _guarantee(recipe: Recipe, records: int, *, asked: int, noise: float, delta: float | None) -> PrivacySpent:
    return _accounting.spent(noise / math.sqrt(2), 1.0, asked, delta or _accounting.default_delta(records))


def _fit(
    recipe: Recipe,
    build: Callable[[int], nn.Module],
    x: Tensor,
    y: Tensor,
    inside: Bool[Tensor, "records models"],
    seeds: Sequence[int],
    *,
    pair: Pair,
    teachers: int,
    noise: float,
    feed: Callable[[Tensor], Tensor] = identity,
    device: str | torch.device = "auto",
    progress: Callable[[float], None] = ignore,
) -> list[State]:
    states: list[State] = []
    trained = partial(fit_models, recipe, build, feed=feed, device=device)
    check_public(pair, x, y, build(seeds[0]), feed, "pate")
    for model, seed in enumerate(seeds):
        generator = Generator().manual_seed(seed)
        shards = _shards(inside[:, model], teachers, generator)
        own = [int(s) for s in torch.randint(2**31, (teachers,), generator=generator)]
        report = partial(_share, progress, model / len(seeds), 1 / len(seeds))
        taught = trained(x, y, shards, own, progress=partial(_share, report, 0.0, 0.8))
        counted = votes(_answers(build(seed), taught, pair[0], feed, device_of(device)))
        labels = (counted + torch.empty(counted.shape).normal_(0, noise, generator=generator)).argmax(1)
        every = torch.ones(len(labels), 1, dtype=torch.bool)
        states += trained(pair[0], labels, every, [seed], progress=partial(_share, report, 0.8, 0.2))
    return states


def _shards(mine: Bool[Tensor, "records"], teachers: int, generator: Generator) -> Bool[Tensor, "records teachers"]:
    """Who is taught by whom: each record is with one teacher, whatever the others are."""
    dealt = torch.randint(teachers, (len(mine),), generator=generator)
    shards = torch.zeros(len(mine), teachers, dtype=torch.bool)
    shards[torch.arange(len(mine)), dealt] = mine
    if not shards.any(0).all():
        raise InputError(
            f"Each of {teachers} teachers of pate needs training records of its own, and some got none of "
            f"{int(mine.sum()):,}. Use fewer `teachers`."
        )
    return shards


def _answers(
    module: nn.Module, taught: list[State], x: Tensor, feed: Callable[[Tensor], Tensor], device: torch.device
) -> Float[Tensor, "teachers records classes"]:
    found = []
    module = module.to(device).eval()
    for state in taught:
        module.load_state_dict(state)
        parts = [x[at : at + AT_ONCE] for at in range(0, len(x), AT_ONCE)]
        with torch.no_grad():
            found.append(torch.cat([module(feed(part.to(device))).float().cpu() for part in parts]))
    return torch.stack(found)


def _share(progress: Callable[[float], None], start: float, width: float, share: float) -> None:
    progress(start + width * share)
