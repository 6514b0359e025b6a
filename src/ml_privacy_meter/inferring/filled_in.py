"""Records with each candidate filled into their hidden columns, and a model that is asked about them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ml_privacy_meter import signals
from ml_privacy_meter.attribute import Answers
from ml_privacy_meter.inferring.hidden_columns import Secret
from ml_privacy_meter.targets import Target
from ml_privacy_meter.types import Batch, Model, Records

MOST_NUMBERS = 2**25  # of a layer that are held at once


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

    def first(self, records: int) -> "Filled":
        """The same of the first so many records."""
        return replace(
            self, known=self.known.iloc[:records], fills=tuple((t, rows[:records]) for t, rows in self.fills)
        )

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


@dataclass(frozen=True)
class Side:
    """Some records with each candidate filled in, and the model that is asked about them.

    Args:
        layer: whose neurons can be looked at; None: the model's inside is not seen.
    """

    target: Target
    reader: signals.Reader
    filled: Filled
    label: Tensor
    layer: str | int | None

    def answers(self, spread: Callable[[], float]) -> Answers:
        """What the model answers.

        Args:
            spread: of quantities, gives their mean squared error on the adversary's records.
        """
        found = self._read(_answered)
        if self.label.is_floating_point():
            return Answers(_density(found[..., 0], spread(), self.label[0].numel()), None, None)
        return Answers(found[..., 0], found[..., 1].exp(), found[..., 2] > 0)

    def spread(self, place: Tensor) -> float:
        """The mean squared error of the model on records whose candidate is known."""
        return max(float(self._read(_answered)[..., 0].gather(1, place[:, None]).mean()), 1e-12)

    def neurons(self, numbers: Sequence[int] | None) -> Tensor:
        """What these neurons of the layer give; all of them (None) for as many of the first records as can be held."""
        kept = None if numbers is None else tuple(numbers)
        read = partial(_given, of=self.layer or 1, kept=kept)
        if kept is not None:
            return self._read(read)
        each = self._first(2)._read(read)[0].numel()
        return self._first(max(2, MOST_NUMBERS // each))._read(read)

    def _first(self, records: int) -> "Side":
        return replace(self, filled=self.filled.first(records), label=self.label[:records])

    def _read(self, signal: Callable[[Model, Any, Tensor], Tensor]) -> Tensor:
        """What is read of each record with each candidate, in batches, once."""
        found = self.reader.signal(signal, self.target, self._records)
        return found.reshape(len(self.label), len(self.filled) // len(self.label), -1)

    @cached_property
    def _records(self) -> Records:
        times = len(self.filled) // len(self.label)
        return Records(self.filled, self.label.repeat_interleave(times, 0), np.arange(len(self.filled)))


def _answered(model: Model, x: Any, y: Tensor) -> Tensor:
    """Log-probabilities of the label and of the class that is named, and whether they are one; or the squared error."""
    z = model(x).double()
    if y.is_floating_point():
        return (z.reshape(y.shape) - y).square().reshape(len(y), -1).sum(1, keepdim=True)
    log_p = z.log_softmax(1)
    own, best = log_p.gather(1, y[:, None])[:, 0], log_p.amax(1)
    return torch.stack([own, best, (own == best).double()], 1)


def _density(errors: Tensor, spread: float, outputs: int) -> Tensor:
    """Log-density of squared errors that are normal, of a variance from a ten-thousandth of ``spread`` to all of it.

    A model errs less on its training records than on others, by how much is not known: each order of magnitude of the
    variance counts as much as another.
    """
    variance = spread * torch.logspace(-4, 0, 9, dtype=torch.float64)
    return (-errors[..., None] / (2 * variance) - outputs * variance.log() / 2).logsumexp(-1)


def _given(model: Model, x: Any, y: Tensor, *, of: str | int, kept: tuple[int, ...] | None) -> Tensor:
    """What neurons of a layer give."""
    given = signals.activations(model, x, y, of=of)
    return given if kept is None else given[:, list(kept)]
