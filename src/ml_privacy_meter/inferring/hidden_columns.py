"""The columns that are hidden in the attribute game: what they may hold, and what is known beside them, as numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.types import Records

FEWEST = 10  # auxiliary records with a value, for it to be a candidate
MOST_VALUES = 100
LABEL = "the label"  # as what is known of a record beside its columns
MOST_COLUMNS = 4096
_CATEGORIES = 250  # of one column, the commonest; the learner takes no more


@dataclass(frozen=True)
class Secret:
    """What a hidden column may hold, as learned from auxiliary records.

    Args:
        name: of the column, or of a group of columns that hold one category, one-hot.
        columns: their names.
        fill: what each candidate is written as: one row a candidate.
        candidates: what each is called.
        edges: between the bins that candidates of a quantity stand for; None for categories.
        tolerance: how far a guessed quantity may lie from the true one to count as right.
    """

    name: str
    columns: tuple[str, ...]
    fill: pd.DataFrame
    candidates: tuple[str, ...]
    edges: np.ndarray | None = None
    tolerance: float = 0.0

    def place(self, table: pd.DataFrame) -> np.ndarray:
        """Which candidate each record's column holds; -1 where none does."""
        if self.edges is not None:
            return np.searchsorted(self.edges, table[self.columns[0]].to_numpy(np.float64), side="left")
        known = {tuple(row): place for place, row in enumerate(self.fill.itertuples(index=False))}
        rows = table[list(self.columns)].itertuples(index=False)
        return np.array([known.get(tuple(row), -1) for row in rows], np.int64)

    def distance(self, table: pd.DataFrame) -> Tensor:
        """How far each candidate of a quantity lies from what each record's column holds."""
        held, offered = (of[self.columns[0]].to_numpy(np.float64) for of in (table, self.fill))
        return torch.from_numpy(np.abs(held[:, None] - offered))

    def right(self, table: pd.DataFrame) -> Tensor:
        """Which candidates count as right for each record."""
        if self.edges is not None:
            return self.distance(table) <= self.tolerance
        return torch.from_numpy(self.place(table)[:, None] == np.arange(len(self.candidates)))


@dataclass(frozen=True)
class Asked:
    """The records that are asked about, with what is hidden of them: what figures are taken of, beside guesses.

    Args:
        table: the records that are asked about, as they are.
        member: which of them are members.
        groups: columns of them to report on.
        names: of what the adversary knows, in the order of the view's features.
        dropped: columns that it does not know either.
        own: whether auxiliary records were given.
        auxiliary: these.
    """

    secret: Secret
    table: pd.DataFrame
    member: Tensor
    groups: Mapping[str, np.ndarray]
    names: tuple[str, ...]
    dropped: tuple[str, ...]
    own: bool
    auxiliary: pd.DataFrame

    @property
    def sides(self) -> tuple[tuple[str, Tensor], ...]:
        return ("members", self.member), ("non-members", ~self.member)

    @property
    def quantity(self) -> bool:
        return self.secret.edges is not None


def tabled(records: Records) -> pd.DataFrame:
    """All of the records as a table; columns without names are called by their numbers, the first "0".

    Raises:
        InputError: they are no rows of a table.
    """
    batch = records.x[slice(0, len(records))]
    if isinstance(batch, pd.DataFrame):
        return batch.reset_index(drop=True)
    if batch.ndim != 2 or not 1 < batch.shape[1] <= MOST_COLUMNS:
        raise InputError(
            f"Hidden columns are guessed in tables of 2 to {MOST_COLUMNS} columns, found records of the shape "
            f"{tuple(batch.shape[1:])}. Give records as a table."
        )
    return pd.DataFrame(batch.cpu().numpy(), columns=list(records.columns) or [str(n) for n in range(batch.shape[1])])


def columns_of(name: str | int, table: pd.DataFrame, one_hot: Mapping[str, Sequence[str | int]]) -> tuple[str, ...]:
    """The columns of the table that a name stands for: itself, or those of a category that is kept one-hot.

    Raises:
        InputError: there is no such column; the message lists what there is.
    """
    found = [str(column) for column in one_hot.get(str(name), [str(name)])]
    if found == [str(name)] and found[0] not in table:
        found = [column for column in map(str, table) if column.startswith((f"{name}_", f"{name}="))] or found
    if missing := [column for column in found if column not in table]:
        listed = ", ".join(map(str, list(table)[:20])) + (", ..." if table.shape[1] > 20 else "")
        raise InputError(
            f"A hidden column must be one of the records' columns, found {missing[0]!r}. There are: {listed}. Name "
            "one, or say in `one_hot` which columns hold it."
        )
    return tuple(found)


def secret_of(
    name: str, columns: tuple[str, ...], auxiliary: pd.DataFrame, *, bins: int, tolerance: float | None, codes: bool
) -> Secret:
    """What the hidden column may hold, by the auxiliary records.

    Args:
        bins: a column of numbers with more different values is a quantity, cut into so many bins.
        tolerance: None: a tenth of the way from the 5% quantile to the 95% quantile.
        codes: numbers stand for categories, however many there are.
    """
    held = auxiliary[list(columns)]
    first = held.iloc[:, 0]
    if len(columns) == 1 and first.dtype.kind in "iuf" and first.nunique() > bins and not codes:
        return _quantity(name, first, bins, tolerance)
    counts = held.value_counts(sort=False)
    rows: list[Any] = sorted(row for row, count in counts.items() if count >= FEWEST)
    if not 1 < len(rows) <= MOST_VALUES:
        raise InputError(
            f"A hidden column must hold 2 to {MOST_VALUES} different values in {FEWEST} or more auxiliary records "
            f"each, found {len(rows)} in `{name}`. Guess another column, or give more auxiliary records."
        )
    fill = pd.DataFrame(rows, columns=list(columns)).astype(held.dtypes)
    return Secret(name, columns, fill, tuple(_named(name, columns, row) for row in rows))


def _quantity(name: str, held: pd.Series, bins: int, tolerance: float | None) -> Secret:
    """Candidates in the middle of bins that hold equally many auxiliary records."""
    values = held.to_numpy(np.float64)
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins, method="lower"))
    place = np.searchsorted(edges, values, side="left")
    filled = [np.sort(values[place == bin])[(place == bin).sum() // 2] for bin in np.unique(place)]
    edges = edges[np.unique(place)[:-1]]
    low, high = np.quantile(values, [0.05, 0.95])
    reach = (high - low) / 10 if tolerance is None else tolerance
    if len(filled) < 2:
        raise InputError(
            f"A hidden quantity must spread over 2 bins or more, but most auxiliary records hold {filled[0]:g}, the "
            f"largest, in `{name}`. Name it in `categorical`, or set more `bins`."
        )
    fill = pd.DataFrame({held.name: np.array(filled)}).astype({held.name: held.dtype})
    return Secret(name, (str(held.name),), fill, tuple(f"{value:g}" for value in filled), edges, float(reach))


def _named(name: str, columns: tuple[str, ...], row: tuple[Any, ...]) -> str:
    """What a category is called: its value; of one-hot columns, the name of the one that is set."""
    if len(columns) == 1:
        return str(row[0])
    largest = [column for column, value in zip(columns, row, strict=True) if value == max(row)]
    return largest[0].removeprefix(f"{name}_").removeprefix(f"{name}=") if len(largest) == 1 else "none of them"


@dataclass(frozen=True)
class Codes:
    """How a table is turned into numbers: by what auxiliary records hold.

    Args:
        categories: of each column the commonest in order; None: its numbers as they are.
    """

    categories: Mapping[str, pd.Index | None]

    @property
    def categorical(self) -> tuple[bool, ...]:
        return tuple(of is not None for of in self.categories.values())

    def numbers(self, table: pd.DataFrame) -> np.ndarray:
        """The table as numbers; a category that no auxiliary record has is NaN."""
        columns = []
        for name, categories in self.categories.items():
            if categories is None:
                columns.append(table[name].to_numpy(np.float64))
            else:
                code = categories.get_indexer(pd.Index(table[name].astype(str))).astype(np.float64)
                columns.append(np.where(code < 0, np.nan, code))
        return np.stack(columns, 1) if columns else np.empty((len(table), 0))


def codes_of(auxiliary: pd.DataFrame, hidden: Sequence[str]) -> Codes:
    """How all columns but the hidden ones are turned into numbers."""
    found: dict[str, pd.Index | None] = {}
    for name in map(str, auxiliary):
        if name not in hidden:
            numeric = auxiliary[name].dtype.kind in "biuf"
            words = None if numeric else auxiliary[name].astype(str).value_counts().index[:_CATEGORIES]
            found[name] = None if words is None else pd.Index(sorted(words))
    return Codes(found)
