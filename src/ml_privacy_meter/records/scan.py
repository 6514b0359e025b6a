"""One pass over records: are they finite, what are they (a key), and a short number for each."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import UInt64
from torch import Tensor
from tqdm import tqdm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.types import Batch, Records, Rows

FEWEST = 20
BLOCK = 2**22
Fault = tuple[int, str, str]  # the row, column and value of a number that is not finite
_WORDS = 2**15  # float64 words that are mixed at once: they stay in the processor's cache


@dataclass(frozen=True)
class Scanned:
    """Records that were looked through.

    Args:
        records: with their ``key``: of features and, where they have them, outputs; not of labels.
        digest: of each record's features. Equal numbers give equal digests whatever type they are stored in.
    """

    records: Records
    digest: UInt64[np.ndarray, " records"]


def scan(records: Records, *, name: str) -> Scanned:
    """``records`` with their key and digests, read once in batches of some 4 MB.

    Args:
        name: what messages call this set.

    Raises:
        InputError: there are fewer than 20, or a feature or output is not finite.
    """
    if len(records) < FEWEST:
        raise InputError(f"A set must hold at least {FEWEST} records, found {len(records)} in {name}. Give more.")
    whole = hashlib.blake2b(digest_size=16)
    digest = _read(records.x, records, whole, f"{name}", "feature")
    if records.outputs is not None:
        whole.update(records.gives.encode())
        _read(records.outputs, records, whole, f"{name}", "output")
    return Scanned(replace(records, key=whole.hexdigest()), digest)


def batches(rows: Rows, *, rest: int = 0) -> Iterator[slice]:
    """Slices over all rows, of some 4 MB each."""
    one = rows[slice(0, 1)]
    size = 16 * one.shape[1] if isinstance(one, pd.DataFrame) else one[0].numel() * one.element_size()
    step = max(1, BLOCK // max(size, 16))
    for start in range(0, len(rows), step):
        yield slice(start, min(start + step, len(rows)))


def _read(rows: Rows, records: Records, whole: Any, name: str, what: str) -> UInt64[np.ndarray, " records"]:
    digest = np.empty(len(rows), np.uint64)
    with tqdm(total=len(rows), desc=f"Reading {name}", unit=" records", delay=2, leave=False, disable=None) as bar:
        for part in batches(rows):
            batch = rows[part]
            if part.start == 0:
                whole.update(_kind(batch, len(rows)).encode())
            if isinstance(batch, pd.DataFrame):
                fault = _mix_frame(batch, digest[part])
                whole.update(digest[part])
            else:
                batch = batch.detach().cpu().contiguous()
                fault = _mix(batch.reshape(len(batch), -1), digest[part])
                whole.update(batch.reshape(-1).view(torch.uint8).numpy())
            if fault:
                row = part.start + fault[0]
                raise InputError(
                    f"Every {what} must be a finite number, found {fault[2]} in {what} column {fault[1]} of "
                    f"record {str(records.id[row])!r} (row {row} of {name}, the first is 0). "
                    "Mend the record, or leave it out."
                )
            bar.update(len(batch))
    return digest


def _kind(batch: Batch, count: int) -> str:
    """What the bytes of a set mean."""
    if isinstance(batch, pd.DataFrame):
        return f"table {count} {[(str(name), str(kind)) for name, kind in batch.dtypes.items()]}"
    return f"{batch.dtype} {(count, *batch.shape[1:])}"


def _mix(flat: Tensor, digest: np.ndarray) -> Fault | None:
    """Fills ``digest`` with a number for each row; returns row, column and value of one that is not finite.

    A constant of its position is added to each number's 64 bits; folded, multiplied by another and folded
    again, they are summed over the row: a plain sum of products would be the same for many rows of +1 and -1.
    """
    rng = np.random.default_rng(0)
    shift, factor = rng.integers(0, 2**64, (2, flat.shape[1]), dtype=np.uint64)
    factor |= np.uint64(1)
    step = max(1, _WORDS // max(1, flat.shape[1]))
    for start in range(0, len(flat), step):
        values = flat[start : start + step].to(torch.float64, copy=True).numpy()
        values += 0.0  # minus zero is zero
        with np.errstate(over="ignore", invalid="ignore"):
            total = values.sum()
        if not np.isfinite(total) and not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0].tolist()
            return start + row, str(column), str(values[row, column])
        bits = values.view(np.uint64)
        bits += shift
        bits ^= bits >> np.uint64(32)
        bits *= factor
        bits ^= bits >> np.uint64(29)
        digest[start : start + step] = bits.sum(1, dtype=np.uint64)
    return None


def _mix_frame(batch: pd.DataFrame, digest: np.ndarray) -> Fault | None:
    """The same for a table: its numbers as one array, and a hash of each record's words."""
    numbers = [name for name, kind in batch.dtypes.items() if pd.api.types.is_numeric_dtype(kind)]
    words = batch.drop(columns=numbers)
    for name, column in words.items():
        if column.isna().any():
            row = int(column.isna().to_numpy().argmax())
            return row, f"`{name}`", str(column.iloc[row])
    values = torch.from_numpy(batch[numbers].to_numpy(np.float64, copy=True, na_value=np.nan))
    if fault := _mix(values, digest):
        return fault[0], f"`{numbers[int(fault[1])]}`", fault[2]
    if words.shape[1]:
        digest ^= pd.util.hash_pandas_object(words.astype(object), index=False).to_numpy()
    return None
