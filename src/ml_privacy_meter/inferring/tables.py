"""Whatever tables arrive as, as `synthetic.Table`: of the same columns, in the same order, with the same words."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records import as_records
from ml_privacy_meter.synthetic import Table
from ml_privacy_meter.types import Records

_READ: dict[str, Any] = {".parquet": pd.read_parquet}
_READ |= dict.fromkeys((".csv", ".csv.gz"), pd.read_csv) | dict.fromkeys((".tsv", ".tsv.gz"), pd.read_table)


def tables(**given: Any) -> dict[str, Table]:
    """Each of the tables by its name; the first says which columns there are. Values may be missing.

    A column is one of numbers where it is so in one table, and all words that it holds in others are numbers; else one
    of words. So codes that are given as words stay words. Numbers of which one table has but 32 bits are rounded to
    these in all, so that copies are equal.

    Args:
        given: DataFrames, arrays and tensors with one row a record, pairs (features, labels), paths, or records.

    Raises:
        InputError: a table is none of these, is empty, lacks a column, or has a number that is not finite.
    """
    frames = {name: _frame(data, name) for name, data in given.items()}
    first, columns = next(iter(frames)), list(next(iter(frames.values())).columns)
    for name, frame in frames.items():
        if set(frame.columns) != set(columns):
            apart = sorted(set(frame.columns) ^ set(columns))[0]
            lacks = name if apart in columns else first
            raise InputError(
                f"Every table must have the same columns, but `{apart}` is not in the {lacks}. Align them."
            )
    read = [_column([frame[column] for frame in frames.values()], column) for column in columns]
    made = {}
    for place, name in enumerate(frames):
        values = np.asfortranarray(np.stack([parts[place] for parts, _ in read], 1))
        made[name] = Table(values, tuple(columns), tuple(words for _, words in read))
    return made


def rows_of(table: Table) -> np.ndarray:
    """A number for each record, equal for equal records."""
    found: np.ndarray = pd.util.hash_pandas_object(pd.DataFrame(table.values + 0.0), index=False).to_numpy()
    return found


def _frame(data: Any, name: str) -> pd.DataFrame:
    if isinstance(data, str | Path):
        data = _read(Path(data), name)
    names, label = None, None
    if isinstance(data, Records):
        names, inside = data.columns or None, data.x[slice(0, len(data))]
        data = (inside, data.y) if data.labelled else inside
    if isinstance(data, tuple | list) and len(data) == 2 and not np.isscalar(data[0]):
        data, label = data[0], pd.Series(np.asarray(data[1]), name="label")
    if isinstance(data, Tensor):
        data = data.detach().cpu().numpy()
    if isinstance(data, np.ndarray) and data.ndim > 1:
        data = pd.DataFrame(data.reshape(len(data), -1), columns=names)
    if not isinstance(data, pd.DataFrame):
        raise InputError(
            f"A table must be a DataFrame, an array with one row a record, or a path, found {type(data).__name__} as "
            f"the {name}. Give a DataFrame."
        )
    if not len(data):
        raise InputError(f"The {name} must hold records, found none. Give at least 20.")
    frame = data.set_axis([str(column) for column in data.columns], axis=1).reset_index(drop=True)
    frame = frame if label is None else pd.concat([frame, label], axis=1)
    if twice := frame.columns[frame.columns.duplicated()].tolist():
        raise InputError(f"Columns must have names of their own, found `{twice[0]}` twice in the {name}. Rename one.")
    return frame


def _read(path: Path, name: str) -> Any:
    """What lies there; unlike `as_records`, tables may have gaps, and need no label."""
    kind = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if kind not in _READ or not path.exists():
        return as_records(path, name=name)
    try:
        return _READ[kind](path)
    except (ValueError, OSError) as problem:
        raise InputError(f"`{path}` cannot be read as a table: {problem!s:.200}. Save it again.") from problem


def _column(parts: list[pd.Series], name: str) -> tuple[list[np.ndarray], int]:
    """The values of one column in each table, and how many words it has."""
    numbers = [_numbers(part) for part in parts] if any(map(_counts, parts)) else [None]
    if all(part is not None for part in numbers):
        found = [part for part in numbers if part is not None]
        if any(np.isinf(part).any() for part in found):
            raise InputError(f"A number must be finite or missing, found an infinite one in `{name}`. Mend it.")
        if any(str(part.dtype).lower() == "float32" for part in parts):
            with np.errstate(over="ignore"):
                short = [part.astype(np.float32).astype(np.float64) for part in found]
            found = found if any(np.isinf(part).any() for part in short) else short
        return found, 0
    whole = pd.concat([part.astype(object).where(part.notna()).map(str, na_action="ignore") for part in parts])
    codes, words = pd.factorize(whole, sort=True)
    values = np.where(codes < 0, np.nan, codes.astype(np.float64))
    return np.split(values, np.cumsum([len(part) for part in parts])[:-1]), max(1, len(words))


def _counts(part: pd.Series) -> bool:
    """Whether it is of numbers or times by its type, and holds some."""
    numeric = pd.api.types.is_numeric_dtype(part) or pd.api.types.is_datetime64_any_dtype(part)
    return bool(numeric and part.notna().any())


def _numbers(part: pd.Series) -> np.ndarray | None:
    """The column as numbers; None where it has words that are none."""
    if pd.api.types.is_datetime64_any_dtype(part):
        seconds: np.ndarray = part.to_numpy("datetime64[ns]").astype(np.float64) / 1e9
        return np.where(part.isna(), np.nan, seconds)
    if not pd.api.types.is_numeric_dtype(part):
        part = pd.to_numeric(part.astype(object), errors="coerce").where(part.notna()) if _parses(part) else part
    if not pd.api.types.is_numeric_dtype(part):
        return None
    return np.asarray(part.to_numpy(np.float64, na_value=np.nan))


def _parses(part: pd.Series) -> bool:
    there = part.dropna().astype(str)
    return bool(pd.to_numeric(there, errors="coerce").notna().all())
