"""Records in Python: arrays, tensors, DataFrames, torch Datasets."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset
from tqdm import tqdm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records.collect import collect, plain, unlabelled
from ml_privacy_meter.records.disk import File, OnDisk
from ml_privacy_meter.records.wanted import Wanted, columns_of
from ml_privacy_meter.types import Labels, Records, Rows


@dataclass(frozen=True)
class FrameInMemory:
    """The rows of a DataFrame; a batch is one."""

    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, index: Any) -> Any:
        return self.frame.iloc[index]


@dataclass(frozen=True)
class ArrayInMemory:
    """The rows of an array that may not be written to; a batch is a tensor of its own."""

    array: np.ndarray

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: Any) -> Tensor:
        return torch.from_numpy(np.array(self.array[index], order="C"))


@dataclass(frozen=True)
class DatasetRows:
    """The inputs of a torch Dataset of (input, label) items, fetched when they are asked for."""

    dataset: Any

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Tensor:
        if isinstance(index, slice):
            index = range(*index.indices(len(self)))
        items = [self.item(int(row)) for row in index]
        for row, item in zip(index, items, strict=True):
            if item.shape != items[0].shape:
                raise InputError(
                    f"The inputs of a Dataset must have one shape, found {tuple(items[0].shape)} and "
                    f"{tuple(item.shape)} at item {row}. Add a transform that makes them equal."
                )
        return torch.stack(items) if items else self[slice(0, 1)][:0]

    def item(self, row: int) -> Tensor:
        x = _pair(self.dataset[row])[0]
        if not isinstance(x, Tensor | np.ndarray | np.generic | int | float | list | tuple):
            raise InputError(
                f"The inputs of a Dataset must be tensors or arrays, found {type(x).__name__} at item {row}. "
                "Add a transform, such as torchvision's ToTensor()."
            )
        return torch.as_tensor(x).detach()


def of_frame(frame: pd.DataFrame, y: Any, wanted: Wanted, *, name: str) -> Records:
    """The records of a DataFrame; ``y`` are their labels, or None where a column holds them.

    Batches are DataFrames too. An index that says more than the order gives the ids.
    """
    wanted.refuse("size", where="a DataFrame")
    where = f"the DataFrame of {name}"
    if not all(isinstance(column, str) for column in frame.columns):
        frame = frame.set_axis([str(column) for column in frame.columns], axis=1)
    columns = columns_of(list(frame.columns), wanted, where, labelled=y is not None)
    id: Any = frame[columns.id] if columns.id is not None else frame.index
    outputs = frame[list(columns.outputs)].to_numpy(np.float64) if columns.outputs else None
    features = list(columns.features)
    found = collect(
        FrameInMemory(frame[features]) if features else torch.empty(len(frame), 0),
        _labels_of(frame, columns.label, y, where),
        id=None if isinstance(id, pd.RangeIndex) else plain(id, "ids", where),
        groups={group: plain(frame[group], f"group `{group}`", where) for group in columns.groups},
        outputs=None if outputs is None else torch.from_numpy(outputs),
        gives=columns.gives,
        where=where,
        name=name,
    )
    return unlabelled(found) if y is None and columns.label is None else found


def _labels_of(frame: pd.DataFrame, column: str | None, y: Any, where: str) -> Labels:
    if y is None and column is None:
        return np.zeros(len(frame), np.int64)
    given: Labels = labels(frame[column] if y is None else y, where)
    return given


def of_arrays(x: Any, y: Any, *, name: str) -> Records:
    """The records of two arrays, tensors or lists."""
    where = f"the arrays of {name}"
    id = y.index if isinstance(y, pd.Series) and not isinstance(y.index, pd.RangeIndex) else None
    return collect(
        array_rows(x, where),
        labels(y, where),
        id=None if id is None else plain(id, "ids", where),
        where=where,
        name=name,
    )


def of_dataset(dataset: Dataset, *, name: str) -> Records:
    """The records of a torch Dataset of (input, label) items.

    Raises:
        InputError: it has no length, or does not give the same input twice.
    """
    where = f"the Dataset of {name}"
    if isinstance(dataset, TensorDataset):
        if len(dataset.tensors) != 2:
            raise InputError(f"{where} must hold inputs and labels, found {len(dataset.tensors)} tensors.")
        return of_arrays(*dataset.tensors, name=name)
    if not hasattr(dataset, "__len__"):
        raise InputError(f"{where} must have a length and give its items by number. Collect its items first.")
    if not len(dataset):
        raise InputError(f"{where} holds no records. Give at least 20.")
    rows = DatasetRows(dataset)
    some = slice(0, 16)
    if not torch.equal(rows[some], rows[some]):
        raise InputError(f"{where} must give the same input each time. Take its random transforms away.")
    targets = getattr(dataset, "targets", None)
    if targets is None or getattr(dataset, "target_transform", None) is not None:
        bar = tqdm(range(len(dataset)), "Reading labels", delay=2, leave=False, disable=None)
        targets = [_pair(dataset[row])[1] for row in bar]
        targets = torch.stack(targets) if isinstance(targets[0], Tensor) else targets
    return collect(rows, labels(targets, where), id=None, where=where, name=name)


def labels(y: Any, where: str) -> Any:
    """Tensors as they are, everything else as an array."""
    return y.detach().cpu() if isinstance(y, Tensor) and y.ndim else plain(y, "labels", where)


def array_rows(x: Any, where: str) -> Rows:
    """The rows of ``x``: without a copy where it may be written to, from disk where it lies there."""
    if isinstance(x, Tensor):
        if x.layout != torch.strided or not x.ndim or x.is_complex():
            raise InputError(f"The features of {where} must be a dense tensor with one row a record. Convert them.")
        return x.detach()
    if hasattr(x, "toarray"):
        raise InputError(f"The features of {where} are sparse. Give them whole: x.toarray().")
    x = x if isinstance(x, np.ndarray) else plain(x, "features", where)
    if x.dtype.kind not in "biuf" or x.dtype.itemsize > 8 or not x.ndim:
        raise InputError(
            f"The features of {where} must be numbers, one row a record, found {x.dtype} of shape {x.shape}. "
            "Give text in a DataFrame."
        )
    if (rows := _on_disk(x)) is not None:
        return rows
    if not x.dtype.isnative or any(step < 0 for step in x.strides):
        x = np.array(x, dtype=x.dtype.newbyteorder("="), order="C")
    return torch.from_numpy(x) if x.flags.writeable else ArrayInMemory(x)


def _on_disk(x: np.ndarray) -> OnDisk | None:
    """The file behind a memory map, or a part of one; None where that does not hold what ``x`` holds."""
    root = x
    while isinstance(root.base, np.ndarray):
        root = root.base
    if not isinstance(root, np.memmap) or root.mode == "c" or not x.flags.c_contiguous:
        return None
    if not isinstance(root.filename, str | Path):
        return None
    start = root.offset + x.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return OnDisk(File.of(Path(root.filename)), start, x.dtype, x.shape)


def _pair(item: Any) -> Sequence[Any]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise InputError(f"The items of a Dataset must be pairs of input and label, found {type(item).__name__}.")
    return item
