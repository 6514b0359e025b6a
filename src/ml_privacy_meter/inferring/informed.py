"""What an informed adversary attacks: the model as it is, or networks that are trained like it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ml_privacy_meter import targets
from ml_privacy_meter._checks import InputError, one_of
from ml_privacy_meter.findings import Check
from ml_privacy_meter.inferring.refits import by_recipe, estimator_of, fit_of, fitted, linear_of, rows_of, with_each
from ml_privacy_meter.reconstruction import InformedGame, InformedView, Range, Shadows, range_of
from ml_privacy_meter.reconstruction.informed import Linear, with_one
from ml_privacy_meter.records import as_records, join
from ml_privacy_meter.training import Recipe
from ml_privacy_meter.training.data import matched
from ml_privacy_meter.training.ways import ByRecipe
from ml_privacy_meter.types import Records


@dataclass(frozen=True)
class Side:
    """Records as the model is fed them, in float64, and their labels."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Any) -> "Side":
        """These rows."""
        return Side(self.x[rows], self.y[rows])


@dataclass(frozen=True)
class Sets:
    """Who is asked about, and what else there is.

    Args:
        members: all that the model was trained on.
        asked: which of them are asked about, by turns.
        controls: as many records that it was not trained on.
        public: others that it was not trained on.
    """

    target: targets.Target
    opened: targets.Opened
    members: Side
    asked: np.ndarray
    controls: Side
    public: Side
    range: Range


def sets(
    model: Any, members: Any, non_members: Any, public: Any, *, secrets: int, span: Any, rng: np.random.Generator
) -> Sets:
    """The records as the model is fed them; where none are public, half of the non-members are."""
    opened = model if isinstance(model, targets.Opened) else targets.open_model(model)
    given = [as_records(side, name=name) for side, name in ((members, "members"), (non_members, "non-members"))]
    target, inside, outside = targets.fit(opened, *given)
    if target.answers_changed:
        raise InputError(
            f"Reconstruction reads a model's weights, and where answers pass through {opened.after_says} these are not "
            "to be had. Play on the model itself."
        )
    rows = rng.permutation(len(outside))
    if public is None:
        half = len(outside) // 2
        others, rows = side_of(target, outside.take(np.sort(rows[:half]))), rows[half:]
    else:
        others = side_of(target, targets.fit(opened, given[0], as_records(public, name="public records"))[2])
    own, controls = side_of(target, inside), side_of(target, outside.take(np.sort(rows[:secrets])))
    if len(own) < 3 or len(others) < 2:
        raise InputError(
            f"This needs at least 3 members, and 2 public records (without `public`, 4 non-members), found {len(own)} "
            f"and {len(others)}."
        )
    asked = np.sort(rng.choice(len(own), min(secrets, len(own) - 1), replace=False))
    known = own.x[np.delete(np.arange(len(own)), asked)]  # a range must not tell extremes of those asked about
    held = range_of(torch.cat([known, others.x]), None if span is None else (float(span[0]), float(span[1])))
    return Sets(target, opened, own, asked, controls, others, held)


def side_of(target: targets.Target, records: Records) -> Side:
    """All of the records, in memory.

    Raises:
        InputError: they are no numbers, or have several labels each.
    """
    fed = target.feed(records.x[slice(0, len(records))])
    if isinstance(fed, pd.DataFrame):
        names = getattr(getattr(target.inner, "model", None), "feature_names_in_", fed.columns)
        words = [str(name) for name in names if fed[name].dtype.kind not in "biuf"]
        if words:
            raise InputError(f"Records are reconstructed as numbers, found columns of words: {', '.join(words)}.")
        fed = torch.from_numpy(fed[list(names)].to_numpy(float, copy=True))
    y = records.labels
    if y.dtype == torch.bool or (y.ndim > 1 and y[0].numel() > 1):
        raise InputError("Records are reconstructed with one label each, a class or a quantity; found several labels.")
    return Side(
        fed.detach().cpu().double(), y.cpu().flatten() if y.dtype == torch.int64 else y.cpu().double().flatten()
    )


@dataclass(frozen=True)
class Games:
    """Games that are made when their turn comes: each may hold all members anew."""

    makes: tuple[Callable[[], InformedGame], ...]

    def __len__(self) -> int:
        return len(self.makes)

    def __iter__(self) -> Iterator[InformedGame]:
        return (make() for make in self.makes)


Sides = tuple[Games, Games]  # about members, and about records that were not trained on


@dataclass(frozen=True)
class Attackable:
    """What is attacked.

    Args:
        games: of noise.
        says: what it is, for the report.
        linear, refits, shadows: whether the optimum is known; whether training again is; how many models were trained.
        checks: of what attacks take for granted.
    """

    games: Callable[[float], Sides]
    says: str
    linear: bool = False
    refits: bool = False
    shadows: int = 0
    checks: tuple[Check, ...] = ()


def as_it_is(own: Sets, *, l2: float | None, penalised: bool, seed: int) -> Attackable:
    """The model itself: each member in turn is the one that is not known; of a control, all members are known."""
    target, classes = own.target, own.members.y.dtype == torch.int64
    estimator = estimator_of(target)
    read = linear_of(target, own.members.x[:32], classes=classes, l2=l2, penalised=penalised)
    fit = None if estimator is None else fit_of(estimator, seed, fitted if read is None else _flat)
    if read is None and fit is None:
        raise InputError(
            "Who knows all records but one attacks a linear model by its optimum, an estimator by fitting it again, "
            "and a network by training many like it. Of a linear network say how it was regularised, as `l2`; of "
            "others how they are trained, as `train`: {epochs = 30, lr = 0.1}."
        )
    linear, released = (None, fitted(estimator)) if read is None else read
    view = InformedView(
        released[None], own.members.x, own.members.y, own.public.x, own.public.y, own.range, linear=linear, seed=seed
    )
    sizes = len(own.members)

    asked = torch.cat([own.members.x[own.asked], own.controls.x])
    places = [*own.asked.tolist(), *[sizes] * len(own.controls)]

    def made(number: int, noisy: Tensor, noise: float) -> InformedGame:
        place = places[number]
        side = own.members.take(np.delete(np.arange(sizes), place) if place < sizes else np.arange(sizes))
        refit = None if fit is None else with_each(fit, side.x, side.y, place)
        one = replace(view, weights=noisy[None], x=side.x, y=side.y, noise=noise, refit=refit)
        return InformedGame(one, asked[[number]])

    def games(noise: float) -> Sides:
        draw = torch.Generator().manual_seed(seed)
        noisy = [released + noise * torch.randn(released.shape, generator=draw, dtype=released.dtype) for _ in places]
        makes = tuple(partial(made, number, weights, noise) for number, weights in enumerate(noisy))
        return Games(makes[: len(own.asked)]), Games(makes[len(own.asked) :])

    checks = [_same(fit(own.members.x, own.members.y), fitted(estimator))] if fit is not None and linear is None else []
    checks += [] if linear is None else [_optimum(linear, released, own.members)]
    says = "The model itself is attacked, as it stands."
    return Attackable(games, says, linear is not None, fit is not None, checks=tuple(checks))


def trained_like_it(
    own: Sets, *, train: Mapping[str, Any], shadows: int, known_start: bool, seed: int, device: str
) -> Attackable:
    """Networks that are trained as ``train`` says, each on known members and one more."""
    for name in train:
        one_of(name, [field.name for field in fields(Recipe)], "setting of `train`")
    recipe = Recipe(**{"precision": "fp32", **train})
    everyone = join(*(as_records_of(side) for side in (own.members, own.public)))
    way, _ = matched(recipe, [everyone], replace(own.opened, before=None, before_key="", classes=None))
    assert isinstance(way, ByRecipe)  # a recipe makes no other
    known = own.members.take(np.delete(np.arange(len(own.members)), own.asked))
    asked, taught = own.members.take(own.asked), own.public.take(slice(0, shadows))
    settings: Any = {"known_start": known_start, "device": device}
    refit = by_recipe(way, known.x, known.y, seed=seed, **settings)
    made = refit(torch.cat([asked.x, taught.x]), torch.cat([asked.y, taught.y]))
    alone = refit(known.x[:0], known.y[:0]).expand(len(own.controls), -1)
    apart = by_recipe(way, known.x, known.y, seed=seed + len(made), **settings)  # begins elsewhere than the released
    view = InformedView(
        made[: len(asked)],
        *(known.x, known.y, own.public.x, own.public.y, own.range),
        refit=refit if known_start else apart,
        shadows=Shadows(taught.x, taught.y, made[len(asked) :]),
        seed=seed,
    )

    def games(noise: float) -> Sides:
        draw = torch.Generator().manual_seed(seed)
        found = [
            replace(view, weights=held + noise * torch.randn(held.shape, generator=draw, dtype=held.dtype), noise=noise)
            for held in (view.weights, alone)
        ]
        sides = zip(found, (asked.x, own.controls.x), strict=True)
        one, other = (Games((partial(InformedGame, held, records),)) for held, records in sides)
        return one, other

    start = "begins with initial weights that the adversary knows" if known_start else "draws its own initial weights"
    says = (
        f"What is attacked is not the model itself but {len(asked)} networks that were trained like it, each on "
        f"{len(known)} known members and one more. Each {start}."
    )
    return Attackable(games, says, refits=True, shadows=len(taught))


def as_records_of(side: Side) -> Records:
    """The same as records."""
    return as_records((side.x.float(), side.y), name="records")


def _flat(estimator: Any) -> Tensor:
    """A linear estimator's weights in the order in which they are read."""
    return rows_of(estimator).flatten()


def _optimum(linear: Linear, released: Tensor, members: Side) -> Check:
    """Whether all gradients add up to nothing, as a share of one record's."""
    weights, rows = linear.split(released), with_one(members.x)
    residual = linear.probabilities(weights, rows) - linear.wanted(members.y)
    each = (residual.norm(dim=1) * rows.norm(dim=1)).median()
    left = float(linear.missing(weights, members.x, members.y).norm() / each.clamp(min=1e-300))
    says = (
        f"At the released weights the gradients of all members add up to {left:.2g} times the gradient of one record."
    )
    if left > 0.1:
        says += (
            " So training stopped before its optimum, or its penalty is another than was assumed: this hides records "
            "from attacks that take the optimum for granted; others may fare better."
        )
    return Check("Is the model at the optimum that the attacks take for granted?", left <= 0.1, says)


def _same(again: Tensor, released: Tensor) -> Check:
    """Whether training again gives the same weights."""
    same = again.shape == released.shape
    off = float((again - released).abs().max() / released.abs().max().clamp(min=1e-300)) if same else float("inf")
    says = f"Fitted to all members again, the model's numbers differ by up to {off:.2g} of the largest."
    if off > 1e-6:
        says += " An adversary who trains again meets the same, and reconstructs less."
    return Check("Does training again give the same model?", off <= 1e-6, says)
