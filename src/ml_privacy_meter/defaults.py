"""The attacks that an audit plays where none are named."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ml_privacy_meter import signals
from ml_privacy_meter.membership import (
    Attack,
    base_difference,
    base_ratio,
    bavaria,
    difference,
    ends_linear,
    gap,
    influence,
    lira,
    lowercase,
    neighbourhood,
    quantile,
    recall,
    rmia,
    snapshots,
    stacked,
    threshold,
    update_cosine,
    update_dot,
    zlib_ratio,
)
from ml_privacy_meter.signals import has_gradients
from ml_privacy_meter.signals.reader import evaluating
from ml_privacy_meter.signals.tokens import are_texts
from ml_privacy_meter.types import Signal

FEWEST_TO_STACK = 4  # reference models: of complementary halves, fewer leave none to rehearse with
LAST_NORM, LAST_GAP = (partial(of, of="last") for of in (signals.gradient_norm, signals.gradient_gap))


def default_attacks(
    y: Tensor,
    *,
    references: int = 0,
    offline: bool = False,
    weights: Collection[str] = (),
    hidden: bool = False,
    watched: Collection[str] = (),
    base: bool = False,
    spread: bool = True,
) -> tuple[Attack, ...]:
    """The attacks that apply to labels of this kind, with so many reference models.

    Logit gap and true probability are left out: they order records as the loss does. A single reference model was
    trained on half of the records, so that difference and LiRA, or offline RMIA, have none for these.

    Args:
        offline: no reference model was trained on any of the records.
        weights: what can be read of them, see `weights_of`.
        hidden: what the model says is changed on its way out, so that labels of near copies may say more.
        watched: what was seen of the training: "snapshots", "updates".
        base: the model that the target was tuned from can be asked.
        spread: a language model says how likely all of its vocabulary is.
    """
    if are_texts(y):
        return (*_of_texts(base, watched, spread), *_of_references(references, offline, set()))
    alone: tuple[Attack, ...] = (threshold, quantile)
    if not y.is_floating_point():
        others = (signals.modified_entropy, signals.entropy, signals.margin)
        alone = (threshold, *(partial(threshold, signal=signal) for signal in others), gap, quantile)
    if hidden:
        alone = (*alone, partial(threshold, signal=signals.label_robustness))
    if "all" in weights:
        alone = (*alone, partial(threshold, signal=signals.gradient_norm))
    if "last" in weights:
        alone = (*alone, partial(threshold, signal=LAST_NORM))
    if "linear" in weights:
        alone = (*alone, influence)
    alone += (snapshots,) if "snapshots" in watched else ()
    alone += (update_dot, update_cosine) if "updates" in watched else ()
    without: set[Attack] = set() if y.dtype == torch.int64 else {rmia}
    hiding: tuple[Signal, ...] = (signals.label_robustness,) if hidden else ()
    gradients: tuple[Signal, ...] = (LAST_GAP if "last" in weights else signals.gradient_gap,) if weights else ()
    return (*alone, *_of_references(references, offline, without, hidden=hiding, gradients=gradients))


def _of_references(
    references: int,
    offline: bool,
    without: set[Attack],
    *,
    hidden: tuple[Signal, ...] = (),
    gradients: tuple[Signal, ...] = (),
) -> tuple[Attack, ...]:
    if not references:
        return ()
    if references == 1:
        without = without | ({rmia} if offline else {difference, lira})
    beside = tuple(attack for attack in (difference, lira, rmia, bavaria) if attack not in without)
    beside += tuple(partial(bavaria, signal=signal) for signal in hidden)
    for signal in gradients:
        beside += tuple(partial(attack, signal=signal) for attack in (rmia, bavaria) if attack not in without)
    return (*beside, stacked) if references >= FEWEST_TO_STACK else beside


def _of_texts(base: bool, watched: Collection[str], spread: bool) -> tuple[Attack, ...]:
    alone: tuple[Attack, ...] = (threshold, zlib_ratio, lowercase, recall, neighbourhood)
    alone += (partial(threshold, signal=signals.min_k),)
    alone += (partial(threshold, signal=signals.min_k_plus_plus),) if spread else ()
    alone += (base_difference, base_ratio) if base else ()
    return (*alone, snapshots) if "snapshots" in watched else alone


def weights_of(target: Any, references: Sequence[Any], x: Any, y: Tensor) -> tuple[str, ...]:
    """What can be read of these models, by a few records: "all" gradients, those of the "last" layer, a "linear" one.

    Args:
        references: reference models, one of which stands for all.
    """
    models = [target, *(model.load() if hasattr(model, "load") else model for model in references[:1])]
    found = ["all", "last"]
    for model in models:
        with evaluating(model):
            found = [of for of in found if has_gradients(model, x, y, of=of)]
    with evaluating(target):
        linear = "last" in found and ends_linear(target, x, y)
    return (*found, "linear") if linear else tuple(found)
