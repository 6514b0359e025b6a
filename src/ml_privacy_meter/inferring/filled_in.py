"""Records with each candidate filled into their hidden columns, as a model is asked about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from ml_privacy_meter.inferring.hidden_columns import Secret
from ml_privacy_meter.types import Batch


@dataclass(frozen=True)
class Filled:
    """Records with their hidden columns filled in: row i is record i // candidates with candidate i % candidates.

    Args:
        known: the records, their hidden columns overwritten.
        fills: tables of what is written, and which row of each goes to each record and candidate.
        dtype: of the tensors that the model is handed; None: it takes DataFrames.
    """

    known: pd.DataFrame
    fills: tuple[tuple[pd.DataFrame, np.ndarray], ...]
    dtype: torch.dtype | None

    def __len__(self) -> int:
        return self.fills[0][1].size

    def __getitem__(self, index: Any) -> Batch:
        rows = np.arange(len(self))[index] if isinstance(index, slice) else np.asarray(index)
        record, candidate = np.divmod(rows, self.fills[0][1].shape[1])
        batch = self.known.iloc[record].reset_index(drop=True)
        for table, choice in self.fills:
            for name in table:
                batch[name] = table[name].array.take(choice[record, candidate])
        return batch if self.dtype is None else torch.from_numpy(batch.to_numpy(copy=True)).to(self.dtype)


def filled(
    table: pd.DataFrame,
    secret: Secret,
    dropped: Sequence[str],
    auxiliary: pd.DataFrame,
    *,
    numbers: tuple[np.ndarray, np.ndarray],
    categorical: tuple[bool, ...],
    dtype: torch.dtype | None,
) -> Filled:
    """The records with each candidate filled in; what the adversary does not know either comes from a donor.

    The donor is the auxiliary record with that candidate that is most like the record in all that is known, itself left
    out.

    Args:
        numbers: what is known of the records and of the auxiliary ones, their labels included.
    """
    size = (len(table), len(secret.candidates))
    fills = [(secret.fill, np.broadcast_to(np.arange(size[1]), size))]
    if dropped:
        own = table is auxiliary
        donors = _donors(*numbers, categorical, secret.place(auxiliary), candidates=size[1], own=own)
        fills.insert(0, (auxiliary[list(dropped)], donors))
    blank = table.copy()
    for part, choice in fills:  # nothing of what is hidden stays with what the adversary is handed
        for name in part:
            blank[name] = part[name].array.take(choice[:, 0])
    return Filled(blank, tuple(fills), dtype)


def _donors(
    asked: np.ndarray,
    auxiliary: np.ndarray,
    categorical: tuple[bool, ...],
    place: np.ndarray,
    *,
    candidates: int,
    own: bool,
) -> np.ndarray:
    """The row of the auxiliary record most like each record, among those that hold each candidate."""
    from sklearn.neighbors import NearestNeighbors

    there, here = (_spread(part, auxiliary, categorical) for part in (auxiliary, asked))
    found = np.empty((len(asked), candidates), np.int64)
    for candidate in range(candidates):
        rows = np.flatnonzero(place == candidate)
        near = rows[NearestNeighbors(n_neighbors=2).fit(there[rows]).kneighbors(here, return_distance=False)]
        itself = own & (near[:, 0] == np.arange(len(asked)))
        found[:, candidate] = np.where(itself, near[:, 1], near[:, 0])
    return found


def _spread(numbers: np.ndarray, auxiliary: np.ndarray, categorical: tuple[bool, ...]) -> np.ndarray:
    """Numbers in units of their spread, categories one-hot, so that squared distances can be added."""
    parts = []
    for column, is_category in enumerate(categorical):
        values, seen = numbers[:, column], auxiliary[:, column]
        if is_category:
            parts.append((values[:, None] == np.unique(seen[~np.isnan(seen)])) / np.sqrt(2))
        else:
            parts.append(((values - seen.mean()) / (seen.std() or 1.0))[:, None])
    return np.concatenate(parts, 1)
