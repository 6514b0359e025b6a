"""The columns of one set of records, checked against each other."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.types import Labels, Records, Rows


def collect(
    x: Rows,
    y: Labels,
    *,
    id: np.ndarray | None,
    where: str,
    name: str,
    groups: Mapping[str, np.ndarray] | None = None,
    outputs: Rows | None = None,
    gives: str = "",
    columns: tuple[str, ...] = (),
) -> Records:
    """Records of these columns; without ids of their own they are called ``name:row``.

    Raises:
        InputError: there are none, the columns differ in length, or a label is missing.
    """
    groups = groups or {}
    sizes = {"features": len(x), "labels": len(y)} | {f"group `{g}`": len(v) for g, v in groups.items()}
    sizes |= {} if id is None else {"ids": len(id)}
    sizes |= {} if outputs is None else {gives: len(outputs)}
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{size} {what}" for what, size in sizes.items())
        raise InputError(f"There must be one of each for every record, found {found} in {where}. Align them.")
    if not len(x):
        raise InputError(f"{where} holds no records. Give at least 20.")
    for column in (*groups.values(), *([] if id is None else [id])):
        if column.ndim > 1:
            raise InputError(f"Ids and groups must be one value a record, found {column.shape} in {where}.")
    y = _labels(y, where)
    if id is None:
        id = np.char.add(f"{name}:", np.arange(len(x)).astype(f"U{len(str(len(x)))}"))
    elif id.dtype.kind not in "iuU":
        id = id.astype(str)
    return Records(x, y, id, groups, outputs, gives if outputs is not None else "", columns=columns)


def unlabelled(records: Records) -> Records:
    """Texts whose labels stand for nothing until a language model turns these into tokens."""
    return replace(records, labelled=False)


def plain(given: Any, what: str, where: str) -> np.ndarray:
    """``given`` as an array of numbers, truth values or text.

    Raises:
        InputError: one is missing, or they are of no such kind.
    """
    if isinstance(given, Tensor):
        given = given.detach().cpu().numpy()
    if isinstance(given, pd.Series | pd.Index | pd.DataFrame):
        given = _of_pandas(given, what, where)
    try:
        values = np.asarray(given)
    except ValueError as error:
        raise InputError(f"The {what} of {where} must all have the same shape. Numpy says: {error}") from error
    if values.dtype.kind == "O" and values.ndim == 1:
        values = _of_pandas(pd.Series(values), what, where)
    if values.dtype.kind == "S":
        try:
            values = np.char.decode(values, "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"The {what} of {where} must be UTF-8: {error}. Save them as text.") from error
    if values.dtype.kind == "M":
        values = values.astype(str)
    if values.dtype.kind not in "biufU" or not values.ndim:
        raise InputError(
            f"The {what} of {where} must be an array of numbers or text, found {values.dtype} of shape "
            f"{values.shape}. Convert them."
        )
    return values


def _of_pandas(values: Any, what: str, where: str) -> np.ndarray:
    missing = np.asarray(values.isna()).reshape(len(values), -1).any(1)
    if missing.any():
        raise _missing(what, int(missing.argmax()), where)
    if isinstance(values, pd.DataFrame) or (isinstance(values.dtype, np.dtype) and values.dtype != object):
        return np.asarray(values)
    return np.asarray(values.tolist())


def _labels(y: Labels, where: str) -> Labels:
    """``y``, all there. A single column of class names is flattened; one of quantities may be meant so."""
    if isinstance(y, Tensor):
        quantities, yes_or_no = y.is_floating_point(), y.dtype == torch.bool
    else:
        quantities, yes_or_no = y.dtype.kind == "f", y.dtype.kind == "b"
    if quantities:
        numbers = np.asarray(y.detach().cpu().double() if isinstance(y, Tensor) else y)
        bad = ~np.isfinite(numbers.reshape(len(y), -1)).all(1)
        if bad.any():
            raise _missing("labels", int(bad.argmax()), where)
    elif y.ndim == 2 and y.shape[1] == 1 and not yes_or_no:
        return y.reshape(-1)
    return y


def _missing(what: str, row: int, where: str) -> InputError:
    return InputError(
        f"The {what} of {where} must all be there and finite; that of row {row} (the first is 0) is not. "
        "Fill it in, or leave the record out of the audit and of the model's training."
    )
