"""Descriptions of one record, read off synthetic ones."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from ml_privacy_meter._checks import one_of
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.synthetic.table import Table
from ml_privacy_meter.synthetic.view import SinglingView

RELATIONS = ("equals", "at most", "at least", "missing")
TRIES = 10  # descriptions looked at for each that is asked for


@dataclass(frozen=True)
class Condition:
    """What must hold in one column, by its place: "equals", "at most", "at least" (of numbers) or "missing"."""

    column: int
    relation: str
    value: float = 0.0

    def __post_init__(self) -> None:
        one_of(self.relation, RELATIONS, "relation")

    def holds(self, values: Float64[np.ndarray, "records columns"]) -> Bool[np.ndarray, " records"]:
        """Of which records it holds."""
        values = values[:, self.column]
        if self.relation == "missing":
            return np.asarray(np.isnan(values))
        if self.relation == "equals":
            return np.asarray(values == self.value)
        return np.asarray(values <= self.value if self.relation == "at most" else values >= self.value)


Predicate = tuple[Condition, ...]


def only_one(predicate: Predicate, table: Table) -> int | None:
    """The row of the one record of the table that is so described; None where there is none, or are several."""
    found: list[int] = []
    start, size = 0, 1_000
    while start < len(table) and len(found) < 2:  # mostly there are several, and the first rows tell
        part = table.values[start : start + size]
        rows = np.logical_and.reduce([condition.holds(part) for condition in predicate]).nonzero()[0]
        found += (start + rows[:2]).tolist()
        start, size = start + size, 8 * size
    return found[0] if len(found) == 1 else None


def single_out(view: SinglingView, *, columns: int = 4) -> tuple[Predicate, ...]:
    """Descriptions by this many columns that fit exactly one synthetic record, and perhaps one training record.

    Synthetic records that are equal count once. Of one column: the smallest and largest number, and values that one
    synthetic record alone holds. Of more: a
    synthetic record's words in columns drawn at random, and on which side of the median its numbers lie, and how far.

    Sees: the synthetic records.

    Source: Giomi et al., A Unified Framework for Quantifying Privacy Risk in Synthetic Data, PETS 2023,
    univariate and multivariate.
    """
    whole(1, columns=columns)
    rng, table = np.random.default_rng(view.seed), view.synthetic.take(view.synthetic.first)
    if columns == 1:
        found = [one for column in range(len(table.columns)) for one in _alone(table, column)]
        drawn = sorted(rng.permutation(len(found)), key=lambda place: found[place].relation == "equals")
        return tuple((found[place],) for place in drawn[: view.count])
    middle = [_median(values) for values in table.values.T]
    columns = min(columns, len(middle))
    kept: dict[Predicate, None] = {}
    for _ in range(TRIES * view.count):
        row, places = int(rng.integers(len(table))), np.sort(rng.permutation(len(middle))[:columns])
        predicate = tuple(_like(table, row, int(place), middle[place]) for place in places)
        if predicate not in kept and only_one(predicate, table) is not None:
            kept[predicate] = None
        if len(kept) == view.count:
            break
    return tuple(kept)


def at_random(table: Table, columns: int, rng: np.random.Generator) -> Predicate:
    """A description by so many columns, of values that were drawn one by one: of no record in particular."""
    places = rng.permutation(len(table.columns))[:columns]
    values = table.values[rng.integers(len(table), size=len(places)), places]
    return tuple(
        Condition(int(place), "missing")
        if np.isnan(value)
        else Condition(int(place), "equals" if table.words[place] else str(rng.choice(RELATIONS[1:3])), float(value))
        for place, value in zip(places, values, strict=True)
    )


def _alone(table: Table, column: int) -> list[Condition]:
    values = table.values[:, column]
    found, often = np.unique(values[~np.isnan(values)], return_counts=True)
    made = [Condition(column, "equals", float(value)) for value in found[often == 1]]
    if not table.words[column] and len(found):
        made += [Condition(column, "at most", float(found[0])), Condition(column, "at least", float(found[-1]))]
    return made + [Condition(column, "missing")] * (int(np.isnan(values).sum()) == 1)


def _like(table: Table, row: int, column: int, middle: float) -> Condition:
    value = float(table.values[row, column])
    if np.isnan(value):
        return Condition(column, "missing")
    if table.words[column]:
        return Condition(column, "equals", value)
    return Condition(column, "at least" if value > middle else "at most", value)


def _median(values: Float64[np.ndarray, " records"]) -> float:
    there = values[~np.isnan(values)]
    return float(np.median(there)) if len(there) else 0.0
