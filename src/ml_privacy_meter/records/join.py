"""Two sets of records as one."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.types import Labels, Records, Rows


@dataclass(frozen=True)
class Joined:
    """The rows of ``first``, then those of ``second``, every batch of one type.

    Args:
        kind: a tensor's type, or the types of a DataFrame's columns.
    """

    first: Rows
    second: Rows
    kind: torch.dtype | pd.Series

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __getitem__(self, index: Any) -> Any:
        border = len(self.first)
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1 and (stop <= border or start >= border):
                rows, back = (self.first, 0) if stop <= border else (self.second, border)
                return self._alike(rows[slice(start - back, max(stop, start) - back)])
            index = np.arange(start, stop, step)
        index = np.asarray(index)
        index = np.where(index < 0, index + len(self), index).astype(np.int64)
        early = index < border
        if early.all():
            return self._alike(self.first[index])
        if not early.any():
            return self._alike(self.second[index - border])
        if isinstance(self.kind, torch.dtype):
            first = self.first[index[early]]
            batch = torch.empty(len(index), *first.shape[1:], dtype=self.kind, device=first.device)
            batch[torch.from_numpy(early)] = self._alike(first)
            del first  # a batch may be large: one part at a time
            batch[torch.from_numpy(~early)] = self._alike(self.second[index[~early] - border])
            return batch
        parts = self._alike(self.first[index[early]]), self._alike(self.second[index[~early] - border])
        order = np.argsort(np.concatenate([np.flatnonzero(early), np.flatnonzero(~early)]))
        return pd.concat(parts, ignore_index=True).iloc[order].reset_index(drop=True)

    def _alike(self, batch: Any) -> Any:
        return batch.to(self.kind) if isinstance(self.kind, torch.dtype) else batch.astype(self.kind)


def join(a: Records, b: Records) -> Records:
    """The records of ``a``, then those of ``b``, read when they are asked for.

    Raises:
        InputError: their features, labels, groups or outputs are not of one kind.
    """
    if set(a.groups) != set(b.groups):
        raise InputError(
            f"Both sets must have the same groups, found {sorted(a.groups)} and {sorted(b.groups)}. "
            "Name the same columns for both."
        )
    if (a.outputs is None) != (b.outputs is None) or a.gives != b.gives:
        raise InputError(
            f"Both sets must bring the same kind of outputs, found {a.gives or 'none'!r} and "
            f"{b.gives or 'none'!r}. Give both or neither."
        )
    if a.columns and b.columns:  # a batch of numbers does not show how its columns are called
        _same_columns(a.columns, b.columns)
    return Records(
        x=_rows(a.x, b.x, "features"),
        y=_labels(a.y, b.y),
        id=_columns(a.id, b.id),
        groups={name: _columns(values, b.groups[name]) for name, values in a.groups.items()},
        outputs=None if a.outputs is None or b.outputs is None else _rows(a.outputs, b.outputs, "outputs"),
        gives=a.gives,
        key=hashlib.blake2b(f"{a.key} {b.key}".encode(), digest_size=16).hexdigest() if a.key and b.key else "",
        columns=a.columns or b.columns,
        labelled=a.labelled and b.labelled,
    )


def _rows(a: Rows, b: Rows, what: str) -> Joined:
    one, other = a[slice(0, 1)], b[slice(0, 1)]
    if isinstance(one, pd.DataFrame) and isinstance(other, pd.DataFrame):
        _same_columns(one.columns, other.columns)
        return Joined(a, b, _common(one, other))
    shapes = [tuple(batch.shape[1:]) if isinstance(batch, Tensor) else "a table" for batch in (one, other)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"The {what} of both sets must have the same shape, found {shapes[0]} and {shapes[1]} a record. "
            "Prepare both sets in the same way."
        )
    return Joined(a, b, torch.promote_types(one.dtype, other.dtype))


def _same_columns(one: Iterable[str], other: Iterable[str]) -> None:
    if list(one) != list(other):
        raise InputError(
            f"Both sets must have the same columns in the same order, found {list(one)} and {list(other)}. Choose them "
            "with `features`."
        )


def _common(one: pd.DataFrame, other: pd.DataFrame) -> pd.Series:
    """A type for each column that holds the values of both; categories of the first keep their numbers."""
    kinds = pd.concat([one, other]).dtypes.astype(object)
    for name in kinds.index:
        pair = one[name].dtype, other[name].dtype
        if all(isinstance(kind, pd.CategoricalDtype) for kind in pair):
            kinds[name] = pd.CategoricalDtype(pair[0].categories.append(pair[1].categories).unique())
    return kinds


def _labels(a: Labels, b: Labels) -> Labels:
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape[1:] == b.shape[1:]:
        return torch.cat([a, b])
    left, right = (y.cpu().numpy() if isinstance(y, Tensor) else y for y in (a, b))
    if left.shape[1:] != right.shape[1:] or (left.dtype.kind == "U") != (right.dtype.kind == "U"):
        raise InputError(
            f"The labels of both sets must be of one kind, found {left.dtype} of shape {left.shape} and "
            f"{right.dtype} of shape {right.shape}. Write them in the same way."
        )
    return np.concatenate([left, right])


def _columns(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind != b.dtype.kind and "U" in (a.dtype.kind, b.dtype.kind):
        a, b = a.astype(str), b.astype(str)
    return np.concatenate([a, b])
