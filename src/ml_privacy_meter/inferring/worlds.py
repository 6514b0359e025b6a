"""Worlds that differ in the share of a property and in nothing else: whose records, how many, which labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.types import Records

Table = Int[np.ndarray, "classes 2"]  # records of each class, without the property and with it
Rows = Int[np.ndarray, "..."]


def having(records: Records, column: str | int, value: str | float | bool | None) -> Bool[np.ndarray, " records"]:
    """Which records have the property: this value in this group, or else in this column.

    Raises:
        InputError: there is no such column, or no record has the value.
    """
    found = _column(records, column)
    if value is None:
        if not set(np.unique(found).tolist()) <= {0, 1}:
            some = ", ".join(map(repr, np.unique(found)[:8].tolist()))
            raise InputError(f"`{column}` must be yes or no where no `value` is named, found {some}. Name one.")
        return np.asarray(found, bool)
    has = np.asarray(found.astype(str) == str(value) if found.dtype.kind == "U" else found == value)
    if not np.any(has):
        some = ", ".join(map(repr, np.unique(found)[:8].tolist()))
        raise InputError(f"`value` must stand in `{column}`, found no {value!r} there, but {some}.")
    return has


def _column(records: Records, column: str | int) -> np.ndarray:
    if column in records.groups:
        return records.groups[str(column)]
    one = records.x[slice(0, 1)]
    if isinstance(one, pd.DataFrame) and column in one.columns:
        values = records.x[slice(0, len(records))][column].to_numpy()
        return np.asarray(values.astype(str) if values.dtype.kind == "O" else values)
    flat = not isinstance(one, pd.DataFrame) and one.ndim == 2
    place = records.columns.index(str(column)) if column in records.columns else column
    if flat and isinstance(place, int) and 0 <= place < one.shape[1]:
        return np.asarray(records.x[slice(0, len(records))][:, place].cpu())
    names = [*records.groups, *(records.columns or (one.columns if isinstance(one, pd.DataFrame) else ()))]
    numbers = f"the number of a column below {one.shape[1]}" if flat else ""
    known = ", ".join(filter(None, (*(f"`{name}`" for name in names[:10]), numbers))) or "none"
    raise InputError(f"`column` must be a group or a column of the records, found {column!r}. There are: {known}.")


def table(classes: Int[np.ndarray, " rows"], has: Bool[np.ndarray, " rows"], wide: int) -> Table:
    """How many records of each class have the property, and how many do not."""
    return np.bincount(2 * classes + has, minlength=2 * wide).reshape(wide, 2)


def composed(natural: Table, size: int, share: float) -> Table:
    """A training set of this size; its labels are as common as in ``natural``, and in each class this share has it.

    So neither how common a label is differs between worlds, nor how common it is among records with the property.
    """
    of_class = _whole(size * natural.sum(1) / natural.sum(), size)
    has = _whole(of_class * share, round(size * share))
    return np.stack([of_class - has, has], 1)


def _whole(parts: Float[np.ndarray, " parts"], total: int) -> Int[np.ndarray, " parts"]:
    """Whole numbers next to these, which add up to the total: the largest remainders are rounded up."""
    low = np.floor(parts + 1e-9).astype(int)
    left = total - low.sum()
    up = np.argsort(-(parts - low), kind="stable")[:left]
    low[up] += 1
    return low


def largest(natural: Table, shares: Sequence[float], sides: Sequence[Table]) -> int:
    """The most records that training sets of all these shares can have, drawn from each of the sides."""
    size = int(min(side.sum() for side in sides))
    while size > 0:
        tables = [composed(natural, size, share) for share in shares]
        over = max(float((one / np.maximum(side, 0.5)).max()) for one in tables for side in sides)
        if over <= 1:
            return size
        size = min(size - 1, int(size / over))
    return 0


def drawn(rows: Rows, cell: Int[np.ndarray, " rows"], wanted: Table, rng: np.random.Generator) -> Rows:
    """Rows for a training set, at random and each once; ``cell`` is 2 * class + has, of each row."""
    parts = [
        rng.choice(rows[cell == place], count, replace=False) for place, count in enumerate(wanted.ravel()) if count
    ]
    return np.concatenate(parts)


@dataclass(frozen=True)
class Dealt:
    """Whose rows are whose, among members and then non-members.

    Args:
        victims: victims are trained on some of these.
        shadows: the adversary's, and shadows are trained on some of these.
        questions: the adversary's, too, and models are asked about these.
        poison: the adversary's, too: with the property, and a label that is not ``label``.
        label: the class that poison is given.
    """

    victims: Rows
    shadows: Rows
    questions: Rows
    poison: Rows
    label: int


def dealt(
    members: int,
    wide: int,
    spare: Bool[np.ndarray, " rows"],
    classes: Int[np.ndarray, " rows"],
    has: Bool[np.ndarray, " rows"],
    *,
    questions: int,
    poison: int,
    rng: np.random.Generator,
) -> Dealt:
    """Members for the victims, non-members for the adversary, except those that equal a member (``spare`` is False).

    Poison is given the class that is rarest among the adversary's records with the property.

    Args:
        wide: how many classes there are.
        questions, poison: how many.
    """
    own = rng.permutation(np.flatnonzero(spare & (np.arange(len(has)) >= members)))
    asked, rest = np.split(own, [min(questions, len(own) // 5)])
    if len(np.unique(has[asked])) < 2:
        raise InputError(
            f"Records with the property and without must be among the {len(asked)} non-members that models are asked "
            "about. Give more non-members, or more `questions`."
        )
    label = int(np.argmin(np.bincount(classes[own][has[own]], minlength=wide)))
    fit = rest[has[rest] & (classes[rest] != label)][:poison]
    if len(fit) < poison:
        raise InputError(f"There must be {poison} records to poison with, found {len(fit)}. Lower `poison`.")
    return Dealt(np.arange(members), np.setdiff1d(rest, fit), np.sort(asked), fit, label)
