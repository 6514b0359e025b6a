"""Query logs (csv, parquet, JSONL), read in blocks: memory does not grow with the log."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records.wanted import Names, chosen, picked

BLOCK = 1_000  # queries that are held at once
USUAL = {
    "client": ("client", "client_id", "user", "user_id", "ip"),
    "time": ("time", "timestamp", "ts"),
    "answer": ("answer", "prediction", "predicted"),
    "digest": ("digest",),
}
FEATURES = ("x", "features", "embedding", "input")
KINDS = (".jsonl", ".ndjson", ".csv", ".csv.gz", ".parquet")
NO_FEATURES = "features that are missing, not finite, or not as many as in the first query"
BROKEN = "lines that are not JSON objects, as one that was cut off"
MISSED = "missed"  # in a line of the middleware: how many queries it could not log, and why


@dataclass(frozen=True)
class Columns:
    """Which columns of a log hold what; None: the usual name, where it is there.

    Args:
        client: who asked.
        time: when, in seconds since 1970 or as ISO 8601.
        features: what was asked: one column of lists, or several of numbers.
        digest: a digest of what was asked, where features are not kept: it tells repeated queries alone.
        answer: the predicted class, or a list with a number for each.
    """

    client: str | None = None
    time: str | None = None
    features: Names | None = None
    digest: str | None = None
    answer: str | None = None


@dataclass(frozen=True, eq=False)
class Queries:
    """Some queries of a log, in its order.

    Args:
        file: the number of the log's file that they stand in, from 1 on.
        row: in that file, from 1 on.
        time: in seconds since 1970, NaN where it is not known.
        x: features; without columns in a log that has none.
        key: what repeated queries have in common, ``""`` where nothing is known of what was asked.
    """

    file: int
    row: np.ndarray
    time: np.ndarray
    client: list[str]
    x: np.ndarray
    key: list[str | bytes]
    answer: list[str]

    def part(self, rows: np.ndarray) -> "Queries":
        """Those at ``rows``."""
        lists = ([whole[row] for row in rows] for whole in (self.client, self.key, self.answer))
        client, key, answer = lists
        return Queries(self.file, self.row[rows], self.time[rows], client, self.x[rows], key, answer)


@dataclass(eq=False)
class Log:
    """Files of one log, to be read from the beginning as often as it is asked.

    Args:
        unread: how many queries could not be read or were never logged, by reason; of the last reading.
        width: of a query's features, once one is known.
    """

    paths: Sequence[Path]
    columns: Columns
    width: int | None = None
    unread: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Queries]:
        self.unread.clear()
        for file, path in enumerate(self.paths, 1):
            names = None
            with tqdm(desc=f"Reading {path.name}", unit=" queries", delay=2, leave=False, disable=None) as bar:
                for rows, table in _blocks(path, self.columns, self.unread):
                    names = names or _named(list(map(str, table.columns)), self.columns, f"`{path}`")
                    yield self._queries(file, rows, table, names)
                    bar.update(len(rows))

    def _queries(self, file: int, rows: np.ndarray, table: pd.DataFrame, names: dict[str, Any]) -> Queries:
        def column(of: str) -> list[Any]:
            return list(table[names[of]]) if names[of] in table else [None] * len(table)

        x, whole = self._features(table, names["features"])
        self.unread[NO_FEATURES] += int((~whole).sum())
        digests = [_text(one) for one in column("digest")]
        keys = digests if names["digest"] else [one.tobytes() for one in x] if x.shape[1] else digests
        clients, answers = map(_text, column("client")), map(_answer, column("answer"))
        queries = Queries(file, rows, _seconds(pd.Series(column("time"))), list(clients), x, list(keys), list(answers))
        return queries if whole.all() else queries.part(np.flatnonzero(whole))

    def _features(self, table: pd.DataFrame, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """The features of each query, and whether they are whole."""
        if not names:
            return np.zeros((len(table), 0)), np.ones(len(table), bool)
        rows = list(table[names[0]]) if len(names) == 1 else table.reindex(columns=list(names)).to_numpy().tolist()
        vectors = [_vector(one) for one in rows]
        if self.width is None:
            self.width = next((len(one) for one in vectors if len(one)), None)
        width = self.width or 0
        whole = np.array([len(one) == width > 0 and bool(np.isfinite(one).all()) for one in vectors], bool)
        x = np.stack([one if good else np.zeros(width) for one, good in zip(vectors, whole, strict=True)])
        return x, whole


def log_of(paths: str | Path | Sequence[str | Path], columns: Columns) -> Log:
    """The log in these files, in their order.

    Raises:
        InputError: there is no such file, or it is none that a log comes as.
    """
    listed = [Path(one) for one in ([paths] if isinstance(paths, str | Path) else paths)]
    if not listed:
        raise InputError("A log is one file or more, found none. Name the log that is to be checked.")
    for path in listed:
        if not path.is_file():
            raise InputError(f"There must be a log at `{path}`, found no file. Check the path.")
        if not path.name.lower().endswith(KINDS):
            raise InputError(f"A log comes as {', '.join(KINDS)}; found `{path.name}`. Convert it to one of these.")
    return Log(listed, columns)


def _blocks(path: Path, columns: Columns, unread: Counter[str]) -> Iterator[tuple[np.ndarray, pd.DataFrame]]:
    """The rows' numbers in the file, and the table that they hold."""
    name = path.name.lower()
    try:
        if name.endswith((".jsonl", ".ndjson")):
            yield from _lines(path, unread)
            return
        start = 1
        for table in _parquet(path) if name.endswith(".parquet") else _csv(path, columns):
            if len(table):
                yield np.arange(start, start + len(table)), table
            start += len(table)
    except (pa.ArrowException, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, EOFError) as error:
        raise InputError(f"`{path}` cannot be read as a log ({error}). Mend it, or leave it out.") from error


def _csv(path: Path, columns: Columns) -> Iterator[pd.DataFrame]:
    given = [getattr(columns, name) for name in ("client", "digest", "answer")]
    text = dict.fromkeys([*filter(None, given), *USUAL["client"], *USUAL["digest"], *USUAL["answer"]], str)
    with pd.read_csv(path, chunksize=BLOCK, dtype=text) as reader:
        yield from reader


def _parquet(path: Path) -> Iterator[pd.DataFrame]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BLOCK):
            yield batch.to_pandas()


def _lines(path: Path, unread: Counter[str]) -> Iterator[tuple[np.ndarray, pd.DataFrame]]:
    with path.open("rb") as file:
        lines = enumerate(file, 1)
        while block := list(islice(lines, BLOCK)):
            found = {}
            for row, line in block:
                try:
                    one = json.loads(line)
                except ValueError:
                    one = None
                if isinstance(one, dict) and isinstance(one.get(MISSED), dict):
                    unread.update({str(why): int(count) for why, count in one[MISSED].items()})
                elif isinstance(one, dict):
                    found[row] = one
                elif line.strip():
                    unread[BROKEN] += 1
            if found:
                yield np.array(list(found)), pd.DataFrame(list(found.values()))


def _named(names: list[str], columns: Columns, where: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        what: chosen(getattr(columns, what), usual, names, what, where) for what, usual in USUAL.items()
    }
    if found["client"] is None:
        raise InputError(
            f"{where} needs a column that says who asked: none is called {', '.join(USUAL['client'])}. "
            f"Name it with `client`. It has: {', '.join(names[:30])}."
        )
    if columns.features is not None:
        found["features"] = picked(columns.features, names, "features", where)
    else:
        usual = chosen(None, FEATURES, names, "features", where)
        found["features"] = (usual,) if usual else ()
    return found


def _vector(value: Any) -> np.ndarray:
    """What was asked as numbers in a row; of no length where it is none."""
    try:
        whole = json.loads(value) if isinstance(value, str) else value
        if isinstance(whole, np.ndarray):
            whole = whole.tolist()  # nested lists of a parquet file are arrays of arrays
        return np.asarray(whole, np.float64).ravel()
    except (TypeError, ValueError):
        return np.zeros(0)


def _text(value: Any) -> str:
    return "" if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)) else str(value)


def _answer(value: Any) -> str:
    """The predicted class: where there is a number for each, the first of the highest."""
    if isinstance(value, str) and value.startswith("["):
        value = _vector(value)
    if isinstance(value, list | np.ndarray):
        scores = _vector(value)
        return str(int(scores.argmax())) if len(scores) and np.isfinite(scores).all() else ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of whole numbers with a gap comes as 1.0, 2.0
    return _text(value)


def _seconds(times: pd.Series) -> np.ndarray:
    numbers = pd.to_numeric(times, errors="coerce")
    if numbers.notna().any() or times.isna().all():
        return numbers.to_numpy(np.float64)
    moments = pd.to_datetime(times, errors="coerce", utc=True, format="ISO8601").astype("datetime64[ns, UTC]")
    return np.where(moments.isna(), np.nan, moments.astype("int64") / 1e9)
