"""Labels of high entropy, and answers that tell no more than the order of the classes."""

from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Shaped
from scipy.optimize import brentq
from scipy.special import entr
from torch import Tensor

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.defenses.teaching import check_classes, log_probabilities, of_label
from ml_privacy_meter.records import as_records
from ml_privacy_meter.targets import Opened, fit
from ml_privacy_meter.targets.key import digest
from ml_privacy_meter.targets.target import as_it_answers
from ml_privacy_meter.training import Defense
from ml_privacy_meter.training.fit import State, fit_models


def hamp(*, gamma: float = 0.95, alpha: float = 0.01, training: bool = True, inputs: int = 1000) -> Defense:
    """A defense that trains on unsure labels, and answers with probabilities that belong to random inputs.

    Where its training was measured by itself, it made models leak more. Its answers keep the order of the classes, so
    who needs the labels alone is not kept from anything, nor is who has the weights.

    Source: Chen and Pattabiraman, Overconfidence is a Dangerous Thing: Mitigating Membership Inference Attacks by
    Enforcing Less Confident Prediction, NDSS 2024. The authors' code divides the divergence by the number of classes
    too: its strength of the entropy is ``alpha`` divided by that number. Here a record is always answered alike.

    Args:
        gamma: the entropy of the labels, as a share of the most that there can be, in (0, 1).
        alpha: how much the entropy of the model's own answers is worth, beside the divergence from the labels.
        training: whether training is changed, which needs a recipe; else the answers alone.
        inputs: random inputs whose probabilities are given in place of the model's own; 0: the model answers itself.
    """
    in_range(0, 1, gamma=gamma)
    if not 0 <= alpha < float("inf"):
        raise InputError(f"`alpha` of hamp must be at least 0, found {alpha!r}.")
    if not isinstance(inputs, int) or isinstance(inputs, bool) or inputs < 0 or not (inputs or training):
        raise InputError(
            f"`inputs` of hamp must be a whole number of 0 at least, and more without `training`, found {inputs!r}."
        )
    settings = {"gamma": gamma, "alpha": alpha, "training": training, "inputs": inputs}
    says = [f"Labels keep a share of {gamma:g} of all entropy."] if training else []
    says += ["Answers keep the order of the classes alone; the weights must stay with whoever serves the model."]
    return Defense(
        "hamp",
        settings,
        fit=partial(_fit, gamma=gamma, alpha=alpha) if training else None,
        wrap=partial(_wrap, inputs=inputs) if inputs else None,
        says=" ".join(says if inputs else says[:1]),
    )


def _fit(
    recipe: Any, build: Any, x: Any, y: Tensor, *rest: Any, gamma: float, alpha: float, **named: Any
) -> list[State]:
    check_classes("hamp", y)
    return fit_models(recipe, build, x, y, *rest, losses=(partial(_loss, gamma=gamma, alpha=alpha),), **named)


def _loss(
    answer: Float[Tensor, "models batch outputs"], y: Shaped[Tensor, "models batch"], *, gamma: float, alpha: float
) -> Float[Tensor, ""]:
    """Less the divergence's constant, the entropy of the labels."""
    logs = log_probabilities(answer)
    classes = logs.shape[2]
    sure = _sure(gamma, classes)
    spread = (1 - sure) / (classes - 1)
    told = -(sure - spread) * of_label(logs, y) - spread * logs.sum(2)
    entropy = -(logs.exp() * logs).sum(2)
    return (told - alpha * entropy).mean(1).sum()


@cache
def _sure(gamma: float, classes: int) -> float:
    """What a label says of its class so that, the rest spread evenly, its entropy is this share of the most."""

    def excess(p: float) -> float:
        return float(entr(p) + (classes - 1) * entr((1 - p) / (classes - 1)) - gamma * np.log(classes))

    return float(brentq(excess, 1 / classes, 1.0))


def _wrap(opened: Opened, x: Any, y: Any, seed: int, *, inputs: int) -> Opened:
    bare = replace(opened, before=None)  # the records are as it is handed them
    target, records, _ = fit(bare, *2 * [as_records((x, y), name="records")])
    if records.labels.dtype != torch.int64:
        raise InputError("hamp answers for models where each record has one class. Choose another defense.")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3,)))
    asked = as_records((_random_like(x, inputs, rng), y[rng.integers(len(y), size=inputs)]), name="records")
    with as_it_answers(target.inner):
        rows = torch.cat([target(asked.x[start : start + 256]).cpu() for start in range(0, inputs, 256)])
    rows = rows.double().softmax(1).sort(1).values
    rows = rows[rows[:, -1] > rows[:, -2]]
    if not len(rows):
        raise InputError(
            f"hamp needs random inputs to which one class is the likeliest, found none of {inputs}. Ask for more "
            "`inputs`, or choose another defense."
        )
    key = digest(rows.numpy().tobytes(), str(tuple(rows.shape)))
    return replace(opened, after=partial(_reordered, rows=rows), after_key=key, after_says=f"hamp(inputs={inputs})")


def _reordered(
    probabilities: Float[Tensor, "records classes"], *, rows: Float[Tensor, "inputs classes"]
) -> Float[Tensor, "records classes"]:
    """One of the rows for each record, in the order of its own probabilities.

    Which one, hangs on the three likeliest classes alone: so answers say nothing beside the order, and hang on no
    rounding.
    """
    order = probabilities.argsort(dim=1, stable=True)
    first = order.flip(1)[:, :3]
    rng = torch.Generator().manual_seed(0)
    weights = torch.randint(2**31, (first.shape[1],), generator=rng).to(first.device)
    which = (first * weights).sum(1) % len(rows)
    return torch.empty_like(probabilities).scatter_(1, order, rows.to(probabilities)[which])


def _random_like(x: Any, count: int, rng: np.random.Generator) -> Any:
    """Inputs whose every feature is drawn evenly between its least and its most."""
    if isinstance(x, pd.DataFrame):
        return pd.DataFrame({name: _random_like(x[name], count, rng) for name in x}).astype(x.dtypes)
    values = np.asarray(x)
    if values.dtype.kind not in "biuf":
        return rng.choice(values, count)
    low, high = values.min(0), values.max(0)
    if values.dtype.kind == "f":
        return rng.uniform(low, high, (count, *values.shape[1:])).astype(values.dtype)
    return rng.integers(low.astype(np.int64), high, (count, *values.shape[1:]), endpoint=True).astype(values.dtype)
