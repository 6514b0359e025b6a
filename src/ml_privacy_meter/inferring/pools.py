"""The records that worlds are drawn from, beside the model: whose are whose, and how large training sets can be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from ml_privacy_meter import records as records_room
from ml_privacy_meter import targets
from ml_privacy_meter._checks import InputError
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.inferring.worlds import Dealt, Table, composed, dealt, having, largest, table
from ml_privacy_meter.types import Records

MOST = 5_000  # records of a training set where nothing is said: more would overlap, and take longer
FEWEST = 20


@dataclass(frozen=True)
class Prepared:
    """The target and all records: members, then non-members.

    Args:
        opened: the target before it was fitted.
        sides: members and non-members, as they came.
        fitted: all of them, with the target's labels.
        has: whether a record has the property.
        spare: it equals no member.
    """

    opened: targets.Opened
    target: targets.Target
    sides: tuple[Records, Records]
    fitted: Records
    has: Bool[np.ndarray, " records"]
    spare: Bool[np.ndarray, " records"]

    @property
    def classes(self) -> Int[np.ndarray, " records"]:
        """Of each record, by the target's columns."""
        return np.asarray(self.fitted.labels)

    @property
    def cell(self) -> Int[np.ndarray, " records"]:
        """Of each record: 2 * class + has."""
        return np.asarray(2 * self.classes + self.has)


def prepare(
    model: Any, members: Any, non_members: Any, column: str | int, value: str | float | bool | None
) -> Prepared:
    """The model beside the records, each looked through once."""
    opened = model if isinstance(model, targets.Opened) else targets.open_model(model)
    named = (("members", members), ("non-members", non_members))
    scanned = [records_room.scan(records_room.as_records(side, name=name), name=name) for name, side in named]
    sides = scanned[0].records, scanned[1].records
    target, *fit = targets.fit(opened, *sides)
    everyone = records_room.join(*fit)
    if everyone.labels.dtype != torch.int64 or everyone.labels.ndim > 1:
        raise InputError(
            "Labels are equally common in all worlds, so each record must have one class, found "
            f"{'quantities' if everyone.labels.is_floating_point() else 'several labels a record'}."
        )
    has = having(records_room.join(*sides), column, value)
    spare = np.ones(len(everyone), bool)
    spare[len(sides[0]) + records_room.duplicates(scanned[1], scanned[0]).pairs[:, 0]] = False
    return Prepared(opened, target, sides, everyone, has, spare)


@dataclass(frozen=True)
class Setting:
    """Whose rows are whose, and what each world's training sets are made of.

    Args:
        tables: of each world.
        size: how many records a training set has.
        limit: how many it could have.
    """

    deal: Dealt
    tables: tuple[Table, ...]
    size: int
    limit: int

    def weight(self, cell: Int[np.ndarray, " questions"]) -> Float[np.ndarray, "worlds questions"]:
        """How likely each of these records is in each world, adding up to 1."""
        of = np.stack([one.ravel()[cell] / np.bincount(cell, minlength=one.size)[cell] for one in self.tables])
        found: np.ndarray = of / of.sum(1, keepdims=True)
        return found


def setting_of(
    prepared: Prepared, shares: Sequence[float], *, records: int | None, questions: int, poison: float, seed: int
) -> Setting:
    """Training sets of these shares, as large as is said, or else as can be.

    Raises:
        InputError: there are not enough records for these shares.
    """
    classes, has, wide = prepared.classes, prepared.has, prepared.target.columns
    natural = table(classes, has, wide)

    def deal(size: int) -> Dealt:
        count = max(1, round(poison * size)) if poison else 0
        where = len(prepared.sides[0]), wide, prepared.spare, classes, has
        return dealt(*where, questions=questions, poison=count, rng=np.random.default_rng([seed, 0]))

    def most(found: Dealt) -> int:
        return largest(natural, shares, [table(classes[of], has[of], wide) for of in (found.victims, found.shadows)])

    if records is not None:
        whole(FEWEST, records=records)
    size = min(MOST, most(deal(0)) // 2) if records is None else records
    found = deal(size)
    limit = most(found)
    if not FEWEST <= size <= limit:
        raise InputError(
            f"Training sets of these shares can have {limit} records at most, and half as many where `records` is not "
            f"set; found {size}, and {FEWEST} are needed. Give more records with the property and without, among "
            "members and non-members, or choose other `shares` and fewer `records`."
        )
    return Setting(found, tuple(composed(natural, size, share) for share in shares), size, limit)
