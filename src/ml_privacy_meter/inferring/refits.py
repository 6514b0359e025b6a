"""How a model was trained, so that it can be trained again on other records."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.reconstruction.informed import Linear, Refit, with_one
from ml_privacy_meter.signals.layers import bare
from ml_privacy_meter.targets import Target
from ml_privacy_meter.targets.reading import tensor_of
from ml_privacy_meter.targets.target import as_it_answers
from ml_privacy_meter.training.fit import fit_models
from ml_privacy_meter.training.ways import ByRecipe

Fit = Callable[[Tensor, Tensor], Tensor]  # records and their labels -> all weights of the model, in float64


def estimator_of(target: Target) -> Any:
    """The scikit-learn estimator behind a target; None where it is none."""
    model = getattr(target.inner, "model", None)
    return model if hasattr(model, "get_params") and hasattr(model, "fit") else None


def fitted(estimator: Any) -> Tensor:
    """All numbers that an estimator, or each step of a pipeline, learned from its records.

    Raises:
        InputError: there are none.
    """
    parts = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    found = []
    for held in (vars(part) for part in parts):
        for name in sorted(name for name in held if name.endswith("_") and not name.startswith("_")):
            values = held[name] if isinstance(held[name], list) else [held[name]]
            found += [one.ravel() for one in values if isinstance(one, np.ndarray) and one.dtype.kind == "f"]
    if not found:
        raise InputError(
            f"To train again and compare, a model must hold what it learned as arrays, and a {type(estimator).__name__}"
            " holds none. Give a linear model, naive Bayes, discriminant analysis or a network."
        )
    return torch.from_numpy(np.concatenate(found).astype(float))


def fit_of(estimator: Any, seed: int, read: Callable[[Any], Tensor] = fitted) -> Fit:
    """Training a copy of the estimator, with its own settings; ``read`` takes the numbers that it learned."""
    from sklearn.base import clone

    places = [
        name
        for name, value in estimator.get_params(deep=True).items()
        if name.split("__")[-1] == "random_state" and value is None
    ]
    classes = getattr(estimator, "classes_", None)

    def fit(x: Tensor, y: Tensor) -> Tensor:
        own = clone(estimator).set_params(**dict.fromkeys(places, seed))
        labels = y.numpy() if classes is None else np.asarray(classes)[y.numpy()]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what its owner has heard of before
            return read(own.fit(x.numpy(), labels))

    return fit


def with_each(fit: Fit, x: Tensor, y: Tensor, place: int) -> Refit:
    """Training on these records and, at this place among them, one more."""

    def refit(own: Tensor, labels: Tensor) -> Tensor:
        rows = [
            fit(torch.cat([x[:place], record[None].to(x), x[place:]]), torch.cat([y[:place], label[None], y[place:]]))
            for record, label in zip(own, labels, strict=True)
        ]
        return torch.stack(rows)

    return refit


def by_recipe(way: ByRecipe, x: Tensor, y: Tensor, *, seed: int, known_start: bool, device: str) -> Refit:
    """Training many networks at once, each on these records and one more.

    The one more comes last; given no record at all, one network is trained on the known ones alone.

    Args:
        known_start: all begin with the same weights, and take records in the same order; else each draws its own.
    """

    def refit(own: Tensor, labels: Tensor) -> Tensor:
        known, models = len(x), max(1, len(own))
        inside = torch.ones(known + len(own), models, dtype=torch.bool)
        inside[known:] = torch.eye(len(own), models, dtype=torch.bool)
        everyone, wanted = torch.cat([x, own.to(x)]), torch.cat([y, labels.to(y)])
        wanted = wanted.float() if wanted.is_floating_point() else wanted
        feed = partial(Tensor.to, dtype=way.dtype)
        seeds = [seed] * models if known_start else [seed + 1 + model for model in range(models)]
        states = fit_models(way.recipe, way.build, everyone, wanted, inside, seeds, feed=feed, device=device)
        return torch.stack([torch.cat([value.flatten() for value in state.values()]) for state in states]).double()

    return refit


def linear_of(
    target: Target, x: Tensor, *, classes: bool, l2: float | None, penalised: bool
) -> tuple[Linear, Tensor] | None:
    """How a linear model's weights are read, and the weights; None where it is none, or its penalty is not known.

    Args:
        x: some records, as they are fed; they try whether the model answers as its weights say.
        classes: the labels are classes.
        l2, penalised: as of `Linear`; None: as the estimator's own settings say.
    """
    estimator = estimator_of(target)
    settings = (l2 or 0.0, penalised) if estimator is None or l2 is not None else _penalty_of(estimator)
    if settings is None or (estimator is None and l2 is None):
        return None
    linear_ = hasattr(estimator, "coef_") and hasattr(estimator, "intercept_")
    held = rows_of(estimator) if linear_ else _module_rows(target)
    if held is None:
        return None
    linear = Linear(len(held), classes, *settings)
    if held.shape[1] != x[0].numel() + 1:
        return None
    with as_it_answers(target.inner):
        raw = tensor_of(target.inner(_on(target, x)), len(x)).double().cpu().reshape(len(x), -1)
    own = linear.probabilities(held, with_one(x))
    if estimator is None and classes:
        raw = raw.sigmoid() if linear.rows == 1 else raw.softmax(1)
    if classes and linear.rows == 1 and raw.shape[1] == 2:
        raw = raw[:, 1:]
    return (linear, held.flatten()) if raw.shape == own.shape and torch.allclose(raw, own, atol=1e-3) else None


def _on(target: Target, x: Tensor) -> Tensor:
    """The records where the model is, and as it takes them."""
    weight = next(target.parameters(), None)
    return x if weight is None else x.to(weight)


def _module_rows(target: Target) -> Tensor | None:
    """The weights of a network's only layer that has any, each row with its intercept last."""
    if not isinstance(target.inner, nn.Module):
        return None
    parts = [part for part in bare(target)[0].modules() if isinstance(part, nn.Linear) and part.bias is not None]
    if len(parts) != 1 or len([*target.inner.parameters()]) != 2:
        return None
    return torch.cat([parts[0].weight, parts[0].bias[:, None]], 1).detach().cpu().double()


def rows_of(estimator: Any) -> Tensor:
    """A linear estimator's weights, one row for each output, with its intercept last."""
    weights = np.atleast_2d(np.asarray(estimator.coef_, dtype=float))
    intercepts = np.broadcast_to(np.ravel(estimator.intercept_).astype(float), len(weights))
    return torch.from_numpy(np.concatenate([weights, intercepts[:, None]], 1))


def _penalty_of(estimator: Any) -> tuple[float, bool] | None:
    """By how much an estimator's weights are penalised, and whether intercepts are; None: it has no such optimum."""
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

    given = estimator.get_params()
    if type(estimator) not in (LinearRegression, LogisticRegression, Ridge) or not given["fit_intercept"]:
        return None
    if given.get("positive"):
        return None
    if isinstance(estimator, LinearRegression):
        return 0.0, False
    if isinstance(estimator, Ridge):
        return (float(given["alpha"]), False) if np.ndim(given["alpha"]) == 0 else None
    mixed = given.get("penalty") in ("l1", "elasticnet") or given.get("l1_ratio") not in (None, 0, 0.0)
    one_by_one = given["solver"] == "liblinear"  # which penalises intercepts, and fits each class by itself
    scaled = one_by_one and given["intercept_scaling"] != 1
    if mixed or scaled or given["class_weight"] is not None or (one_by_one and len(estimator.classes_) > 2):
        return None
    return (0.0 if given.get("penalty", "") is None else 1 / float(given["C"])), one_by_one
