"""How the columns of a table lie on disk, row by row, and how a batch of them is read back."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records.disk import OnDisk, Spool
from ml_privacy_meter.types import Rows


@dataclass(frozen=True)
class FrameRows:
    """Rows of a table with words in it: a batch is a DataFrame with the user's column names.

    Args:
        packed: the rows, each a C struct of one field a column; words stand as numbers.
        names: of the columns.
        words: what those numbers mean, for each column of words.
        categories: the columns whose batches are categorical, not text.
    """

    packed: OnDisk
    names: tuple[str, ...]
    words: dict[str, pd.Index]
    categories: frozenset[str]

    def __len__(self) -> int:
        return len(self.packed)

    def __getitem__(self, index: Any) -> pd.DataFrame:
        block = self.packed.read(index)
        return pd.DataFrame({name: self._column(name, block[f"f{i}"]) for i, name in enumerate(self.names)})

    def _column(self, name: str, values: np.ndarray) -> Any:
        if name not in self.words:
            return values
        if name in self.categories:
            return pd.Categorical.from_codes(values, self.words[name])
        return self.words[name].take(values)


@dataclass
class Book:
    """The different words of a column in the order in which they were met, and a number for each."""

    numbers: dict[Any, int] = field(default_factory=dict)

    def encode(self, column: pa.Array) -> np.ndarray:
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        here = [self.numbers.setdefault(word, len(self.numbers)) for word in column.dictionary.to_pylist()]
        codes: np.ndarray = np.array(here, np.int32)[column.indices.to_numpy(zero_copy_only=False)]
        return codes


class Layout:
    """The feature columns of a table: numbers alone as one array, beside words each column in its own type.

    Numbers alone are float32 where every column's type fits into it (integers up to 16 bits), else float64.

    Raises:
        InputError: a column is of no type that a model takes.
    """

    def __init__(self, schema: pa.Schema, names: tuple[str, ...], where: str) -> None:
        self.names = names
        self.books = {name: Book() for name in names if is_words(schema.field(name).type)}
        self.categories = frozenset(n for n in self.books if pa.types.is_dictionary(schema.field(n).type))
        types = [_numpy_type(schema.field(name), where) for name in names]
        self.number: np.dtype | None = None
        if not self.books and all(t.kind in "biuf" for t in types):
            self.number = np.dtype(np.float32 if all(np.can_cast(t, "f4") for t in types) else np.float64)
            types = [self.number] * len(types)
        self.struct = np.dtype([(f"f{i}", t) for i, t in enumerate(types)])

    def packed(self, batch: pa.RecordBatch) -> np.ndarray:
        """The batch as it lies on disk."""
        block = np.empty(batch.num_rows, self.struct)
        for i, name in enumerate(self.names):
            column = batch.column(name)
            block[f"f{i}"] = self.books[name].encode(column) if name in self.books else values_of(column)
        return block

    def rows(self, spool: Spool, count: int) -> Rows:
        """What was written."""
        if self.number is not None:
            return spool.rows(self.number, (count, len(self.names)))
        words = {name: pd.Index(list(book.numbers)) for name, book in self.books.items()}
        return FrameRows(spool.rows(self.struct, (count,)), self.names, words, self.categories)


def values_of(column: pa.Array) -> np.ndarray:
    """A column without gaps as an array of numbers, truth values, times or text."""
    if is_words(column.type):
        return np.asarray(column.to_pylist())
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    return np.asarray(column.to_numpy(zero_copy_only=False))


def is_words(kind: pa.DataType) -> bool:
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return bool(text or pa.types.is_dictionary(kind))


def is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _numpy_type(column: pa.Field, where: str) -> np.dtype:
    if is_words(column.type):
        return np.dtype(np.int32)
    if pa.types.is_decimal(column.type):
        return np.dtype(np.float64)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return np.dtype("M8[ns]")
    if not is_number(column.type):
        raise InputError(
            f"A feature column must hold numbers, truth values, text or times; `{column.name}` of {where} is "
            f"{column.type}. Give each number a column of its own, or leave it out with `drop`."
        )
    own: np.dtype = np.dtype(column.type.to_pandas_dtype())
    return own
