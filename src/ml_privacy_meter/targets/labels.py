"""How labels are set beside a model's outputs: their task, the index of each class, or a readable refusal."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.types import Labels, Records

Make = Callable[[Records], Tensor]


def fit_labels(
    members: Records,
    non_members: Records,
    *,
    columns: int,
    task: str = "auto",
    classes: tuple[str, ...] | str | None = None,
) -> tuple[Records, Records, str, tuple[str, ...] | None]:
    """The records with labels whose kind says the task, the task, and the names of the classes.

    Args:
        columns: how many numbers the model gives for each record.
        task: "classes", "labels" (several at once) or "regression"; "auto": what the labels look like.
        classes: names of the classes in the order of the outputs; "sorted": both sets' labels, sorted.

    Raises:
        InputError: a label fits no output; it names the record.
    """
    both = [_plain(members), _plain(non_members)]
    if both[0].shape[1:] != both[1].shape[1:]:
        raise InputError(
            f"The labels of members and non-members must have one shape, found {both[0].shape[1:]} and "
            f"{both[1].shape[1:]} for each record."
        )
    if task == "auto":
        task = _task(both, columns, named=classes is not None)
    names = _names(classes, both) if task == "classes" else None
    make: dict[str, Make] = {
        "regression": _quantities,
        "labels": lambda records: _several(records, columns),
        "classes": lambda records: _indices(records, columns, names),
    }
    done: dict[int, Records] = {}  # members and non-members may be parts of one whole, and stay so
    members, non_members = (_fitted(records, make[task], done) for records in (members, non_members))
    return members, non_members, task, names


def _fitted(records: Records, make: Make, done: dict[int, Records]) -> Records:
    if id(records) not in done:
        base = None if records.base is None else _fitted(records.base, make, done)
        done[id(records)] = replace(records, y=make(records), base=base)
    return done[id(records)]


def _plain(records: Records) -> np.ndarray:
    """Labels as an array of numbers, or of strings."""
    y: Labels = records.y
    array = y.detach().cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
    if array.dtype.kind not in "biuf":
        try:
            array = array.astype(float) if array.dtype.kind == "O" and not _wordy(array) else array.astype(str)
        except (TypeError, ValueError):
            array = array.astype(str)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise InputError(f"A label must be finite, found {array[row]} for the record {records.id[row]!s}.")
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _wordy(array: np.ndarray) -> bool:
    return any(isinstance(value, str) for value in array.reshape(-1))


def _task(both: list[np.ndarray], columns: int, *, named: bool) -> str:
    if both[0].ndim == 1:
        return "classes" if named or all(map(_whole, both)) else "regression"
    if both[0].ndim > 2 or not all(_binary(y) for y in both):
        return "regression"
    return "classes" if all(_one_hot(y, columns) for y in both) else "labels"


def _whole(y: np.ndarray) -> bool:
    return y.dtype.kind != "f" or bool((y == np.round(y)).all())


def _binary(y: np.ndarray) -> bool:
    return y.dtype.kind in "biuf" and bool(np.isin(y, (0, 1)).all())


def _one_hot(y: np.ndarray, columns: int) -> bool:
    return y.ndim == 2 and y.shape[1] == columns and _binary(y) and bool((y.sum(axis=1) == 1).all())


def _names(classes: tuple[str, ...] | str | None, both: list[np.ndarray]) -> tuple[str, ...] | None:
    if classes is None:
        return None
    if classes == "sorted":
        return tuple(_name(label) for label in np.unique(np.concatenate(both)))
    if isinstance(classes, str):
        raise InputError(f'`classes` must be a list of names or "sorted", found "{classes}".')
    return classes


def _name(label: object) -> str:
    """A label's name, the same whether it was read as a truth value, an integer or a float."""
    if isinstance(label, bool | np.bool_):
        return str(int(label))
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label)


def _quantities(records: Records) -> Tensor:
    y = _plain(records)
    if y.dtype.kind not in "biuf":
        raise InputError(
            f"Regression needs labels that are numbers, found {str(y[0])!r} for the record {records.id[0]!s}."
        )
    return torch.from_numpy(np.array(y if y.dtype in (np.float32, np.float64) else y.astype(np.float64)))


def _several(records: Records, columns: int) -> Tensor:
    y = _plain(records)
    y = y[:, None] if y.ndim == 1 else y
    if not _binary(y) or y.shape[1] != columns:
        raise InputError(
            f"Several labels at once must be zeros and ones, one for each of the model's {columns} "
            f"outputs, found {y[0].tolist()} for the record {records.id[0]!s}."
        )
    return torch.from_numpy(np.array(y)).bool()


def _indices(records: Records, columns: int, names: tuple[str, ...] | None) -> Tensor:
    y = _plain(records)
    size = max(columns, 2)
    if names is not None and len(names) != size:
        raise InputError(
            f"`classes` must name each of the model's {size} classes once, found {len(names)}: {', '.join(names)}."
        )
    if y.ndim > 1:
        if not _one_hot(y, columns):
            raise InputError(
                f"A class must be one label, or a row with a single one among {columns}, found "
                f"{y[0].tolist()} for the "
                f'record {records.id[0]!s}. For several labels at once say `task = "labels"`.'
            )
        return torch.from_numpy(y.argmax(axis=1))
    if names is not None:
        return _by_name(y, records.id, names)
    return _in_range(y, records.id, columns)


def _by_name(y: np.ndarray, ids: np.ndarray, names: tuple[str, ...]) -> Tensor:
    values, place = np.unique(y, return_inverse=True)
    index = {name: i for i, name in enumerate(names)}
    unknown = [i for i, value in enumerate(values) if _name(value) not in index]
    numbered = any(name.lstrip("-").isdigit() for name in names)
    if unknown and not numbered and y.dtype.kind in "biuf":  # names beside indices: the usual pair
        return _in_range(y, ids, len(names))
    if unknown:
        row = int(np.flatnonzero(place == unknown[0])[0])
        raise InputError(
            f"The label {_name(y[row])!r} of the record {ids[row]!s} is none of the model's classes: "
            f"{_few(names)}. Give `classes` in the order of the model's outputs."
        )
    return torch.from_numpy(np.array([index[_name(value)] for value in values], dtype=np.int64)[place])


def _in_range(y: np.ndarray, ids: np.ndarray, columns: int) -> Tensor:
    if y.dtype.kind not in "biuf":
        raise InputError(
            f"The labels are names ({_few(tuple(np.unique(y)))}), and the model does not say which of its "
            "outputs is "
            'which. Give `classes = [...]` in the order of its outputs, or `classes = "sorted"` if that is '
            "the order."
        )
    if not _whole(y):
        row = int(np.flatnonzero(y != np.round(y))[0])
        raise InputError(
            f"A class must be a whole number, found {y[row]} for the record {ids[row]!s}. If it is a "
            "quantity, say "
            '`task = "regression"`.'
        )
    index = y.astype(np.int64)
    size = max(columns, 2)
    wrong = np.flatnonzero((index < 0) | (index >= size))
    if len(wrong):
        row = int(wrong[0])
        advice = (
            'If the label is a quantity, say `task = "regression"`; if it is a class, give `classes` in '
            "the order of the outputs."
            if columns == 1
            else "Give `classes` in the order of the outputs if the labels are names."
        )
        raise InputError(
            f"A label must lie between 0 and {size - 1}, as the model has {columns} "
            f"output{'s' * (columns > 1)}; found {_name(y[row])} for the record {ids[row]!s}. {advice}"
        )
    return torch.from_numpy(index)


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(map(str, names[:10])) + (", ..." if len(names) > 10 else "")
