"""Records that stand in a set twice, or in both sets."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int64

from ml_privacy_meter.records.scan import Scanned, batches
from ml_privacy_meter.types import Picked, Rows


@dataclass(frozen=True)
class Duplicates:
    """Records with the same features, compared number by number; labels do not count.

    Args:
        pairs: each row of the first set that stands in the second too, and the first row there equal to it.
        in_first: how many rows of the first set repeat an earlier one of it.
        in_second: how many rows of the second set do.
    """

    pairs: Int64[np.ndarray, "pairs 2"]
    in_first: int
    in_second: int


def duplicates(a: Scanned, b: Scanned) -> Duplicates:
    """What stands twice in ``a``, in ``b``, or in both. Records without features are never called equal."""
    one = a.records.x[slice(0, 1)]
    if not one.size if isinstance(one, pd.DataFrame) else not one.numel():
        return Duplicates(np.empty((0, 2), np.int64), 0, 0)
    kept, first = np.unique(b.digest, return_index=True)
    place = np.minimum(np.searchsorted(kept, a.digest), len(kept) - 1)
    rows = np.flatnonzero(kept[place] == a.digest)
    pairs = _equal_pairs(a.records.x, rows, b.records.x, first[place[rows]])
    return Duplicates(pairs, _repeats(a), _repeats(b))


def _repeats(of: Scanned) -> int:
    _, first, group = np.unique(of.digest, return_index=True, return_inverse=True)
    rows = np.flatnonzero(first[group] != np.arange(len(of.digest)))
    return len(_equal_pairs(of.records.x, rows, of.records.x, first[group[rows]]))


def _equal_pairs(a: Rows, rows: np.ndarray, b: Rows, others: np.ndarray) -> Int64[np.ndarray, "pairs 2"]:
    """Those of the pairs whose records are equal indeed: two digests may agree by chance."""
    if not len(rows):
        return np.empty((0, 2), np.int64)
    left, right = Picked(a, rows), Picked(b, others)
    equal = np.concatenate([_equal(left[part], right[part]) for part in batches(left)])
    return np.stack([rows[equal], others[equal]], 1).astype(np.int64, copy=False)


def _equal(left: Any, right: Any) -> np.ndarray:
    if isinstance(left, pd.DataFrame):
        same = np.ones(len(left), bool)
        for column in left:
            same &= (left[column].to_numpy(object) == right[column].to_numpy(object)).astype(bool)
        return same
    if left.dtype != right.dtype:
        left, right = left.double(), right.double()
    equal: np.ndarray = (left == right).reshape(len(left), -1).all(1).cpu().numpy()
    return equal
