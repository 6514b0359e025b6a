"""A table of numbers and words, and the place of its records in a space of numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Float64, Int

WORDS = 100  # of a column that count one by one: the commonest


@dataclass(frozen=True)
class Table:
    """Records of numbers and words.

    Args:
        values: numbers as they are, words by their number; NaN where a value is missing.
        columns: their names.
        words: how many different words a column may hold; 0 where it holds numbers.
    """

    values: Float64[np.ndarray, "records columns"]
    columns: tuple[str, ...]
    words: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Int[np.ndarray, " some"]) -> "Table":
        """These rows, in this order."""
        return replace(self, values=self.values[rows])

    def only(self, columns: Sequence[str]) -> "Table":
        """These columns, in this order."""
        places = [self.columns.index(name) for name in columns]
        return Table(self.values[:, places], tuple(columns), tuple(self.words[place] for place in places))

    @property
    def first(self) -> Int[np.ndarray, " distinct"]:
        """The rows that repeat no earlier one."""
        return np.flatnonzero(~pd.DataFrame(self.values).duplicated())


Embed = Callable[[Table], Float32[np.ndarray, "records features"]]


def embedding(*seen: Table) -> Embed:
    """Tables -> a point for each record, fitted on the tables ``seen``, all of the same columns.

    Numbers are standardised, or 1 where all but they are the same; a missing one is the mean, and one more coordinate
    of 1 says so. Each of the `WORDS`
    commonest words has a coordinate of its own, so that two different ones lie 1 apart; a missing word is a word.
    """
    parts = [
        _words(values) if words else _numbers(values)
        for words, values in zip(seen[0].words, np.concatenate([table.values for table in seen]).T, strict=True)
    ]

    def embed(table: Table) -> Float32[np.ndarray, "records features"]:
        return np.concatenate([part(values) for part, values in zip(parts, table.values.T, strict=True)], 1)

    return embed


def nearest(
    points: Float32[np.ndarray, "records features"], asked: Float32[np.ndarray, "asked features"], *, count: int = 1
) -> tuple[Float[np.ndarray, "asked count"], Int[np.ndarray, "asked count"]]:
    """Distances of the ``count`` nearest of the points to each that is asked about, and their rows."""
    from sklearn.neighbors import NearestNeighbors

    count = min(count, len(points))
    rows = NearestNeighbors(n_neighbors=count).fit(points).kneighbors(asked, return_distance=False)
    # Taken anew: a search by products of matrices leaves a copy some way off.
    away = [np.linalg.norm(points[rows[:, k]] - asked, axis=1) for k in range(count)]
    return np.stack(away, 1).astype(np.float64), rows


def _numbers(seen: Float64[np.ndarray, " records"]) -> Callable[[np.ndarray], np.ndarray]:
    there = seen[~np.isnan(seen)]
    mean, spread = (float(there.mean()), float(there.std())) if len(there) else (0.0, 0.0)
    gaps = len(there) < len(seen)

    def numbers(values: np.ndarray) -> np.ndarray:
        missing = np.isnan(values)
        away = np.where(missing, 0.0, values - mean)
        scaled = away / spread if spread > 0 else away != 0
        return np.stack([scaled, missing] if gaps else [scaled], 1).astype(np.float32)

    return numbers


def _words(seen: Float64[np.ndarray, " records"]) -> Callable[[np.ndarray], np.ndarray]:
    found, often = np.unique(seen, return_counts=True)
    kept = found[np.argsort(-often, kind="stable")[:WORDS]]

    def words(values: np.ndarray) -> np.ndarray:
        same = (values[:, None] == kept) | (np.isnan(values)[:, None] & np.isnan(kept))
        return np.asarray(same / np.sqrt(2), np.float32)

    return words
