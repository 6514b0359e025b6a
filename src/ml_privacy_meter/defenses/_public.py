"""Records that are not members, which some defenses need."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets.key import digest

Pair = tuple[Tensor, Tensor]


def public_pair(public: Any, defense: str, *, labels: bool = True) -> tuple[Pair, str]:
    """The records and their labels as tensors, and a hash of their content.

    Args:
        public: (x, y): x as the model takes records, y the numbers of their classes.
        labels: without them, y is not looked at.
    """
    try:
        x, y = public
        x = torch.as_tensor(np.asarray(x))
        y = torch.zeros(len(x), dtype=torch.int64) if not labels else torch.as_tensor(np.asarray(y))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"`public` of {defense} must be a pair (x, y) of arrays of numbers, found a {type(public).__name__}: "
            f"{error!s:.200}"
        ) from error
    if len(x) != len(y) or not len(x) or y.ndim != 1 or y.is_floating_point() or y.dtype == torch.bool:
        raise InputError(
            f"`public` of {defense} must hold records and for each the number of its class, found the shapes "
            f"{tuple(x.shape)} and {tuple(y.shape)} of {y.dtype}."
        )
    found = digest(*(part.contiguous().numpy().tobytes() for part in (x, y)), f"{x.shape} {x.dtype}")
    return (x, y.long()), found[:12]


def check_public(
    public: Pair, x: Tensor, y: Tensor, module: nn.Module, feed: Callable[[Tensor], Tensor], defense: str
) -> int:
    """How many classes a model has.

    Raises:
        InputError: public records are of another form than those that it is trained on, or it has no classes.
    """
    with torch.no_grad():
        answers = copy.deepcopy(module).eval()(feed(x[:2]))
    classes = answers.shape[1] if answers.ndim == 2 else 1
    if y.is_floating_point() or y.dtype == torch.bool or classes < 2:
        raise InputError(f"{defense} needs records that have one class each, and a model with an output for each.")
    if public[0].shape[1:] != x.shape[1:]:
        raise InputError(
            f"`public` records of {defense} must have the form of the records that are trained on, "
            f"{tuple(x.shape[1:])}, found {tuple(public[0].shape[1:])}."
        )
    if int(public[1].min()) < 0 or int(public[1].max()) >= classes:
        raise InputError(
            f"Labels of `public` records must lie between 0 and {classes - 1}, found "
            f"{int(public[1].min())} to {int(public[1].max())}."
        )
    return classes
