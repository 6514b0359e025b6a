"""Records in a table (csv, tsv, parquet): read once in blocks, laid down by row in a temporary file."""

import gzip
import json
import lzma
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
from tqdm import tqdm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records.collect import collect, unlabelled
from ml_privacy_meter.records.disk import Spool
from ml_privacy_meter.records.layout import Layout, is_number, values_of
from ml_privacy_meter.records.memory import of_frame
from ml_privacy_meter.records.wanted import TEXTS, Columns, Wanted, columns_of
from ml_privacy_meter.types import Records

BLOCK = 2**22
TOGETHER = 64  # columns of a parquet file: each one that is being read holds some 3 MB
_COMPRESSED: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}
_BROKEN = (pa.ArrowException, OSError, EOFError, UnicodeDecodeError)


def load_csv(path: Path, wanted: Wanted, *, name: str, delimiter: str = ",") -> Records:
    """The records of a csv file; numbers come in float64, what looks like no number or truth value is text.

    Raises:
        InputError: the file is broken, a value is missing, or a column is.
    """
    wanted.refuse("size", where="a table")
    try:
        with _csv(path, delimiter, None) as reader:
            schema = reader.schema
        columns = columns_of(schema.names, wanted, f"`{path}`")
        of = {column: _csv_type(schema.field(column).type) for column in columns.all}
        if all(is_number(of[column]) for column in columns.features):
            whole = [c for c in columns.features if pa.types.is_integer(of[c])]
            of |= dict.fromkeys(whole, pa.float64())  # a later block may bring a fraction
        of |= dict.fromkeys(columns.outputs, pa.float64())
        if columns.id is not None:
            of[columns.id] = pa.string()  # "007" is not 7
        with _csv(path, delimiter, of) as reader:
            return _records(path, reader, pa.schema(list(of.items())), columns, name=name)
    except _BROKEN as error:
        raise InputError(
            f"`{path}` cannot be read as a table ({error}). Mend it, or save it as parquet, where every "
            "column has a type of its own."
        ) from error


def load_parquet(path: Path, wanted: Wanted, *, name: str) -> Records:
    """The records of a parquet file.

    Raises:
        InputError: the file is broken, a value is missing, or a column is.
    """
    wanted.refuse("size", where="a table")
    try:
        with pq.ParquetFile(path, buffer_size=2**16) as file:
            schema = file.schema_arrow
            columns = columns_of(schema.names, wanted, f"`{path}`")
            rows = max(1, 4 * BLOCK // (8 * len(columns.all)))
            batches = _parquet(file, columns.all, rows)
            return _records(path, batches, schema, columns, name=name, total=file.metadata.num_rows)
    except _BROKEN as error:
        raise InputError(f"`{path}` is not a whole parquet file ({error}). Save or download it again.") from error


def load_json_lines(path: Path, wanted: Wanted, *, name: str) -> Records:
    """The records of a file with one JSON object a line, as texts come: its fields are the columns.

    Raises:
        InputError: the file is broken, a value is missing, or a column is.
    """
    wanted.refuse("size", where="a table")
    try:
        with _COMPRESSED.get(path.suffix.lower(), open)(path, "rt", encoding="utf-8-sig") as file:
            frame = pd.DataFrame([_object(line) for line in file if line.strip()])
    except (ValueError, OSError, EOFError, lzma.LZMAError) as error:
        raise InputError(f"`{path}` must hold one JSON object a line ({error!s:.200}). Mend it.") from error
    return of_frame(frame, None, wanted, name=name)


def _object(line: str) -> dict[str, Any]:
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError(f"found {line[:40]!r}")
    return found


def _parquet(file: pq.ParquetFile, names: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Batches of these columns; a wide file is read a few columns at a time, set aside, and put together."""
    with ExitStack() as stack:
        parts = []
        for start in range(0, len(names), TOGETHER):
            some = names[start : start + TOGETHER]
            batches = file.iter_batches(batch_size=rows, columns=some, use_threads=False)
            if len(names) > TOGETHER:
                batches = _set_aside(batches, stack.enter_context(tempfile.TemporaryFile()))
            parts.append(batches)
        yield from _abreast(parts)


def _abreast(parts: list[Iterator[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    """Batches of the columns of all parts, which cut their rows in places of their own."""
    pieces: list[Any] = [next(part, None) for part in parts]
    while None not in pieces:
        rows = min(piece.num_rows for piece in pieces)
        columns = {name: piece.column(name)[:rows] for piece in pieces for name in piece.schema.names}
        yield pa.RecordBatch.from_pydict(columns)
        rest = [piece.slice(rows) for piece in pieces]
        pieces = [piece if piece.num_rows else next(part, None) for piece, part in zip(rest, parts, strict=True)]


def _set_aside(batches: Iterator[pa.RecordBatch], file: IO[bytes]) -> Iterator[pa.RecordBatch]:
    """The same batches, after all of them went into ``file``."""
    first = next(batches, None)
    if first is None:
        return iter(())
    with pa.ipc.new_stream(file, first.schema) as writer:
        for batch in chain((first,), batches):
            writer.write_batch(batch)
    file.seek(0)
    return iter(pa.ipc.open_stream(file))


@contextmanager
def _csv(path: Path, delimiter: str, types: dict[str, pa.DataType] | None) -> Iterator[Any]:
    """A reader of the file's blocks; ``types`` are the columns to read, None guesses by the first block."""
    wordy = types is None or any(pa.types.is_string(kind) for kind in types.values())  # words may hold line breaks
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as source:
        reader = pcsv.open_csv(
            source,
            read_options=pcsv.ReadOptions(block_size=BLOCK),
            parse_options=pcsv.ParseOptions(delimiter=delimiter, newlines_in_values=wordy),
            convert_options=pcsv.ConvertOptions(
                column_types=types, include_columns=list(types) if types else None, strings_can_be_null=False
            ),
        )
        with reader:
            yield reader


def _csv_type(guess: pa.DataType) -> pa.DataType:
    """A time is text, as it stands in the file; a column that begins empty is text, and then refused."""
    return guess if is_number(guess) else pa.string()


def _records(
    path: Path,
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    columns: Columns,
    *,
    name: str,
    total: int | None = None,
) -> Records:
    where = f"`{path}`"
    layout, spool, answers, count = Layout(schema, columns.features, where), Spool(), Spool(), 0
    parts: dict[str | None, list[np.ndarray]] = {c: [] for c in (columns.label, columns.id, *columns.groups)}
    for batch in _watched(batches, total, path.name):
        _refuse_missing(batch, columns.all, count, where)
        spool.write(layout.packed(batch))
        if columns.outputs:
            answers.write(np.stack([values_of(batch.column(c)) for c in columns.outputs], 1).astype(np.float64))
        for column in parts:
            if column is not None:
                parts[column].append(values_of(batch.column(column)))
        count += batch.num_rows
    if not count:
        raise InputError(f"{where} holds no records. Give at least 20.")
    whole = {column: np.concatenate(part) for column, part in parts.items() if part}
    found = collect(
        layout.rows(spool, count),
        np.zeros(count, np.int64) if columns.label is None else whole[columns.label],
        id=None if columns.id is None else _as_integers(whole[columns.id]),
        groups={group: whole[group] for group in columns.groups},
        outputs=answers.rows(np.dtype(np.float64), (count, len(columns.outputs))) if columns.outputs else None,
        gives=columns.gives,
        columns=columns.features,
        where=where,
        name=name,
    )
    return unlabelled(found) if columns.label is None else found


def _refuse_missing(batch: pa.RecordBatch, names: list[str], before: int, where: str) -> None:
    for name in names:
        column = batch.column(name)
        gone = pc.is_null(column, nan_is_null=pa.types.is_floating(column.type))
        words = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        if words and name != TEXTS[1]:  # nothing need stand before a text
            gone = pc.or_(gone, pc.equal(column, "").fill_null(True))
        if pc.any(gone).as_py():
            row = before + pc.index(gone, True).as_py()
            raise InputError(
                f"Every value must be there, but row {row} (the first is 0) of {where} has none in column "
                f"`{name}`. Fill it in, or leave the record out of the audit and of the model's training."
            )


def _as_integers(ids: np.ndarray) -> np.ndarray:
    """Ids as integers where that loses nothing, so that they join with the user's own."""
    if ids.dtype.kind != "U" or ids.dtype.itemsize > 4 * 18 or not np.char.isdecimal(ids).all():
        return ids
    numbers = ids.astype(np.int64)
    return numbers if np.array_equal(numbers.astype(str), ids) else ids


def _watched(batches: Iterable[Any], total: int | None, what: str) -> Iterator[Any]:
    bar = tqdm(total=total, desc=f"Reading {what}", unit=" records", delay=2, leave=False, disable=None)
    with bar:
        for batch in batches:
            yield batch
            bar.update(batch.num_rows)
