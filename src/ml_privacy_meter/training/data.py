"""What reference models are trained on, in one piece in memory, and the way that is fit for it."""

import contextlib
import copy
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ml_privacy_meter import targets
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records import join
from ml_privacy_meter.records.scan import batches
from ml_privacy_meter.targets import Opened, Target, key
from ml_privacy_meter.targets.open import named
from ml_privacy_meter.targets.pytorch import open_module
from ml_privacy_meter.targets.reading import tensor_of
from ml_privacy_meter.targets.target import as_it_answers
from ml_privacy_meter.training.defense import Defense
from ml_privacy_meter.training.recipe import Recipe, fresh, from_factory
from ml_privacy_meter.training.tuning import FineTuning, way_of_tuning
from ml_privacy_meter.training.ways import ByRecipe, Way, way_of_estimator, way_of_function
from ml_privacy_meter.types import Records


@dataclass(frozen=True)
class Data:
    """Records and labels in one piece; the key is of their content."""

    x: np.ndarray | pd.DataFrame
    y: np.ndarray
    key: str


def matched(train: Any, sides: list[Records], like: Any = None, defense: Defense | None = None) -> tuple[Way, Data]:
    """How ``train`` trains, and the records of all sides, one after another, as it takes them.

    Args:
        train: a function (x, y, seed) -> model, "package.module:function", an estimator, a recipe, or how a language
            model is tuned.
        sides: records with keys.
        like: the target model, for a recipe.
        defense: one that trains needs a recipe.
    """
    if isinstance(train, Recipe):
        return _by_recipe(train, sides, like, defense if defense and defense.trains else None)
    if defense and defense.trains:
        raise InputError(
            f"`{defense}` says how a torch model is trained, and needs a `Recipe`, found {train!r:.80}. Give a recipe, "
            "or build the defense into your function."
        )
    records = functools.reduce(join, sides)
    if isinstance(train, FineTuning):
        return way_of_tuning(train), _whole(records)
    if inspect.isclass(train) or not (isinstance(train, str) or callable(train) or hasattr(train, "get_params")):
        raise InputError(
            "`train` must be a function (x, y, seed) -> model, its name as `package.module:function`, an estimator or "
            f"a recipe, found {train!r:.80}."
        )
    fits = hasattr(train, "get_params") and hasattr(train, "fit")
    way = way_of_estimator(train) if fits else way_of_function(train)
    return way, _whole(records)


def _whole(records: Records) -> Data:
    x = records.x[slice(0, len(records))]
    return Data(_array(x) if isinstance(x, Tensor) else x, _labels(records), _content(records))


def _by_recipe(recipe: Recipe, sides: list[Records], like: Any, defense: Defense | None) -> tuple[Way, Data]:
    opened = None if like is None else like if isinstance(like, Opened) else targets.open_model(like)
    make = _builder(recipe, opened)
    if defense and defense.prepare:
        make = functools.partial(_prepared, make, defense.prepare)
    if defense and defense.recipe:
        recipe = defense.recipe(recipe)
    module = make(0)
    as_target = open_module(module, kind="reference model", content="reference model")
    if opened is not None:
        as_target = replace(
            as_target,
            gives=opened.gives if recipe.architecture == "like-target" else "auto",
            task=opened.task,
            classes=opened.classes,
            before=opened.before,
            before_key=opened.before_key,
        )
    target, *fitted = _fit(as_target, sides)
    records = fitted[0] if len(sides) == 1 else join(*fitted)
    some = _fed(target, records, slice(0, 32))
    records = _as_trained(target, records, some)
    settings = [f"{f.name} {getattr(recipe, f.name)!r}" for f in fields(recipe) if f.name != "architecture"]
    structure = key.of_module(module)
    known = structure and (as_target.before is None or as_target.before_key) and (defense is None or defense.key)
    own = [] if defense is None else [defense.key]
    content = key.digest(structure, as_target.before_key, str(some.dtype), *settings, *own) if known else ""
    says = f"{type(module).__name__}, trained by a recipe ({', '.join(settings)})" + (
        f" with {defense}" if defense else ""
    )
    way = ByRecipe(recipe, make, target.feed.opened, some.dtype, content, says, defense)
    return way, Data(_all_fed(target, records), _labels(records), _content(records))


def _fit(module: Opened, sides: list[Records]) -> tuple[Target, Records, Records]:
    """A new module beside the records; for labels it is trained to give logits, whatever its first outputs are like."""
    if module.gives == "auto":
        with contextlib.suppress(InputError):
            return targets.fit(replace(module, gives="logits"), sides[0], sides[-1])
    return targets.fit(module, sides[0], sides[-1])


def _prepared(make: Callable[[int], nn.Module], prepare: Callable[[nn.Module], nn.Module], seed: int) -> nn.Module:
    return from_factory(lambda: prepare(make(seed)), seed)


def _builder(recipe: Recipe, like: Opened | None) -> Callable[[int], nn.Module]:
    """seed -> the recipe's module with initial weights."""
    architecture: Any = recipe.architecture
    if isinstance(architecture, str) and architecture != "like-target":
        architecture = named(architecture, "architecture")
    if architecture == "like-target":
        if like is None or not isinstance(like.inner, nn.Module):
            found = "no target model" if like is None else like.kind
            raise InputError(
                f'`architecture = "like-target"` needs the target as an nn.Module, found {found}. Give it as '
                "`like`, or name a function that builds the module as `architecture`."
            )
        architecture = like.inner
    if isinstance(architecture, nn.Module):  # a copy: the user's own is never moved
        return functools.partial(fresh, copy.deepcopy(architecture).cpu())
    return functools.partial(from_factory, architecture)


def _as_trained(target: Target, records: Records, some: Tensor) -> Records:
    """The records with labels of the form that the module's own outputs are trained on.

    Raises:
        InputError: the module gives probabilities, and would be trained on logits.
    """
    with as_it_answers(target.inner):
        raw = tensor_of(target.inner(some), len(some))
    if records.labels.is_floating_point():
        return records
    single = records.labels.ndim == 1 and raw[0].numel() == 1  # of two classes, it gives the logit of the second
    sums = single or records.labels.ndim > 1 or torch.allclose(raw.double().sum(1), torch.ones(1).double(), atol=1e-3)
    if target.feed.opened.gives == "probabilities" or (bool(((raw > 0) & (raw < 1)).all()) and sums):
        raise InputError(
            f"A recipe trains a module that gives logits, and this {type(target.inner).__name__} gives probabilities. "
            "Leave its last softmax or sigmoid out, or give a function (x, y, seed) -> model."
        )
    return replace(records, y=records.labels.bool()) if single else records


def _all_fed(target: Target, records: Records) -> np.ndarray:
    """All records as they come where they are only cast, else as the model is handed them."""
    one = records.x[slice(0, 1)]
    if isinstance(one, Tensor) and target.feed.opened.before is None:
        return _array(records.x[slice(0, len(records))])
    fed = _array(_fed(target, records, slice(0, 1)))
    whole = np.empty((len(records), *fed.shape[1:]), fed.dtype)
    for part in batches(records.x):
        whole[part] = _array(_fed(target, records, part))
    return whole


def _fed(target: Target, records: Records, rows: slice) -> Tensor:
    fed = target.feed(records.x[rows])
    if not isinstance(fed, Tensor):
        raise InputError(f"A recipe trains on tensors, found a {type(fed).__name__}. Give them, or `preprocess`.")
    return fed


def _array(x: Tensor) -> np.ndarray:
    x = x.detach().cpu()
    array: np.ndarray = (x.float() if x.dtype == torch.bfloat16 else x).numpy()
    return array


def _labels(records: Records) -> np.ndarray:
    y: np.ndarray = records.y.detach().cpu().numpy() if isinstance(records.y, Tensor) else np.asarray(records.y)
    return y


def _content(records: Records) -> str:
    y = _labels(records)
    return key.digest(records.key, y.tobytes(), f"{y.dtype.str} {y.shape}")
