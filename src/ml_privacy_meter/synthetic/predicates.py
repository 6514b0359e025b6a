"""Descriptions of one record, read off synthetic ones."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from ml_privacy_meter._checks import one_of
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.synthetic.table import Table
from ml_privacy_meter.synthetic.view import SinglingView

RELATIONS = ("equals", "at most", "at least", "missing")
TRIES = 5  # descriptions looked at for each that is asked for


@dataclass(frozen=True)
class Condition:
    """What must hold in one column, by its place: "equals", "at most", "at least" (of numbers) or "missing"."""

    column: int
    relation: str
    value: float = 0.0

    def __post_init__(self) -> None:
        one_of(self.relation, RELATIONS, "relation")

    def holds(self, table: Table) -> Bool[np.ndarray, " records"]:
        """Where it holds."""
        values = table.values[:, self.column]
        if self.relation == "missing":
            return np.asarray(np.isnan(values))
        if self.relation == "equals":
            return np.asarray(values == self.value)
        return np.asarray(values <= self.value if self.relation == "at most" else values >= self.value)


Predicate = tuple[Condition, ...]


def matches(predicate: Predicate, table: Table) -> int:
    """How many records of the table are so described."""
    rows = predicate[0].holds(table)
    for condition in predicate[1:]:
        rows &= condition.holds(table)
    return int(rows.sum())


def single_out(view: SinglingView, *, columns: int = 3, seed: int = 0) -> tuple[Predicate, ...]:
    """Descriptions by this many columns that fit exactly one synthetic record: are they of one training record, too?

    Of one column: a value that one synthetic record alone holds, or the smallest or largest number. Of more: a
    synthetic record's words in columns drawn at random, and on which side of the median its numbers lie, and how far.

    Sees: the synthetic records.

    Source: Giomi et al., A Unified Framework for Quantifying Privacy Risk in Synthetic Data, PETS 2023,
    univariate and multivariate.
    """
    whole(1, columns=columns)
    rng = np.random.default_rng(seed)
    if columns == 1:
        found = [(one,) for column in range(len(view.synthetic.columns)) for one in _alone(view.synthetic, column)]
        return tuple(found[place] for place in rng.permutation(len(found))[: view.count])
    middle = [_median(values) for values in view.synthetic.values.T]
    columns = min(columns, len(middle))
    kept: dict[Predicate, None] = {}
    for _ in range(TRIES * view.count):
        row, places = int(rng.integers(len(view.synthetic))), np.sort(rng.permutation(len(middle))[:columns])
        predicate = tuple(_like(view.synthetic, row, int(place), middle[place]) for place in places)
        if predicate not in kept and matches(predicate, view.synthetic) == 1:
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
