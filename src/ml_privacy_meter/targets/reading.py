"""How the outputs of a model are read as logits, or as quantities."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError

# Probabilities that were rounded on their way, to three digits at worst, still sum to one within this each.
_ROUNDED = 5e-4


@dataclass(frozen=True)
class Reading:
    """How raw outputs become logits or quantities.

    Args:
        says: how, in words.
        columns: how many columns a record has after it.
        of: raw outputs -> logits or quantities.
    """

    says: str
    columns: int
    of: Callable[[Tensor], Tensor]


def tensor_of(raw: Any, records: int) -> Tensor:
    """The outputs as one tensor with a row for each record.

    Raises:
        InputError: they are something else.
    """
    raw = getattr(raw, "logits", raw)
    if isinstance(raw, Mapping) and "logits" in raw:
        raw = raw["logits"]
    if isinstance(raw, tuple) and len(raw) == 1:
        raw = raw[0]
    if not isinstance(raw, Tensor):
        raw = _tensor(raw)
    if raw.ndim == 0 or len(raw) != records:
        raise InputError(
            "A model must answer with one row for each record, found outputs of the shape "
            f"{tuple(raw.shape)} for {records} records."
        )
    outputs: Tensor = raw
    return outputs


def finer(raw: Tensor) -> Tensor:
    """The same numbers as float32 or float64."""
    if raw.dtype in (torch.float32, torch.float64):
        return raw
    return raw.float() if raw.is_floating_point() else raw.double()


def reading_of(outputs: Tensor, *, task: str, gives: str = "auto", shape: tuple[int, ...] = ()) -> Reading:
    """How outputs like these are read.

    Args:
        outputs: raw outputs of some records of both sets.
        task: "classes", "labels" or "regression".
        gives: "logits" or "probabilities"; "auto" takes for probabilities what lies in [0, 1] and, for
            classes, sums to one within what rounding to three digits does.
        shape: of one record's quantities (regression).

    Raises:
        InputError: outputs of this shape cannot be read for this task, or are no probabilities as said.
    """
    if task == "regression":
        return _quantities(outputs, shape)
    if gives == "values":
        raise InputError('Outputs that are quantities (`outputs = "values"`) need `task = "regression"`.')
    if not outputs.is_floating_point():
        raise InputError(
            "A classifier must give logits or probabilities, found whole numbers as from one that gives "
            f"labels only: {outputs[:3].tolist()}."
        )
    if outputs.ndim > 2:
        raise InputError(
            "A classifier must give one row of numbers for each record, found outputs of the shape "
            f"{tuple(outputs.shape)}. Wrap the model so that it gives one number for each class."
        )
    columns = outputs[:, None] if outputs.ndim == 1 else outputs
    single = columns.shape[1] == 1 and task == "classes"
    likely = _probable(columns, sums=task == "classes" and not single)
    if gives == "probabilities" and not likely:
        raise InputError(
            f"Probabilities must lie in [0, 1]{'' if single or task == 'labels' else ' and sum to one'}, "
            "found the "
            f'outputs {columns[0].tolist()} for the first record. Say `outputs = "logits"`.'
        )
    wide = columns.shape[1]
    if likely and gives != "logits":
        if single:
            return Reading("one probability (the second class)", 2, _pair_of_probability)
        if task == "labels":
            return Reading(f"probabilities of {wide} labels", wide, _log_odds)
        return Reading(f"probabilities of {wide} classes", wide, lambda raw: _log(_inside(raw)))
    if gives == "auto" and task == "classes" and not single and _probable(columns, sums=False):
        raise InputError(
            f"Outputs in [0, 1] that do not sum to one can be read in two ways, found {columns[0].tolist()} for the "
            'first record. Say `outputs = "logits"`, or give probabilities with all their digits.'
        )
    if single:
        return Reading("one logit (the second class)", 2, _pair_of_logit)
    return Reading(f"logits of {wide} {task}", wide, _rows)


def passed_through(reading: Reading, after: Callable[[Tensor], Tensor], says: str) -> Reading:
    """Reads what is given in place of the probabilities of classes.

    Raises:
        InputError: what is given are no probabilities of the same classes.
    """

    def of(raw: Tensor) -> Tensor:
        probabilities = reading.of(raw).double().softmax(1)
        given = after(probabilities)
        if given.shape != probabilities.shape or not bool(((given >= 0) & (given <= 1)).all()):
            raise InputError(
                f"What is given in place of {probabilities.shape[1]} probabilities must be as many numbers in [0, 1], "
                f"found {given.flatten()[:5].tolist()} of the shape {tuple(given.shape)}. Mend {says}."
            )
        return _log(given)

    return Reading(f"{reading.says}; answers pass through {says}", reading.columns, of)


def _quantities(outputs: Tensor, shape: tuple[int, ...]) -> Reading:
    if outputs[0].numel() != int(np.prod(shape)):
        raise InputError(
            "A regressor must give as many numbers as a label has, found outputs of the shape "
            f"{tuple(outputs.shape[1:])} and labels of the shape {shape} for each record."
        )
    return Reading("quantities", outputs[0].numel(), lambda raw: raw.reshape(len(raw), *shape))


def _probable(columns: Tensor, *, sums: bool) -> bool:
    inside = bool(((columns >= 0) & (columns <= 1)).all())
    slack = max(1e-3, _ROUNDED * columns.shape[1]) + torch.finfo(columns.dtype).eps * columns.shape[1]
    return inside and (not sums or bool(((columns.double().sum(dim=1) - 1).abs() <= slack).all()))


def _inside(probability: Tensor) -> Tensor:
    """The outputs, as long as they can be probabilities: the first few may have looked so by chance."""
    slack = max(1e-5, torch.finfo(probability.dtype).eps)
    if bool((probability < -slack).any()) or bool((probability > 1 + slack).any()):
        worst = probability.flatten()[(probability - 0.5).abs().flatten().argmax()]
        raise InputError(
            f"Probabilities must lie in [0, 1], found {float(worst):g} among outputs of which the first ones did. "
            'If these are logits, say `outputs = "logits"`.'
        )
    return probability


def _rows(raw: Tensor) -> Tensor:
    return raw.reshape(len(raw), -1)


def _pair_of_logit(raw: Tensor) -> Tensor:
    # softmax([0, z]) is exactly sigmoid(z)
    logit = raw.reshape(-1)
    return torch.stack([torch.zeros_like(logit), logit], dim=1)


def _pair_of_probability(raw: Tensor) -> Tensor:
    probability = _inside(raw.reshape(-1))
    return torch.stack([_log(1 - probability), _log(probability)], dim=1)


def _log_odds(raw: Tensor) -> Tensor:
    probability = _inside(_rows(raw))
    return _log(probability) - _log(1 - probability)


def _log(probability: Tensor) -> Tensor:
    # rounding may leave probabilities a little below zero
    return probability.clamp(min=torch.finfo(probability.dtype).tiny).log()


def _tensor(raw: Any) -> Tensor:
    if not isinstance(raw, tuple | Mapping):
        try:
            array = np.asarray(raw)
        except ValueError:  # rows of different lengths
            array = np.empty(0, dtype=object)
        if array.dtype.kind in "biuf":
            return torch.from_numpy(np.array(array))
    size = f" of {len(raw)}" if hasattr(raw, "__len__") else ""
    raise InputError(
        f"A model must answer with one array of numbers, found a {type(raw).__name__}{size}. Wrap it in a "
        "function that returns the logits or probabilities alone."
    )
