"""The tables behind an audit of synthetic records, and whether they can carry it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Check
from ml_privacy_meter.inferring.tables import rows_of, tables
from ml_privacy_meter.risk.checks import blind, duplicates, shift
from ml_privacy_meter.risk.intervals import difference, wilson
from ml_privacy_meter.risk.roc import FEWEST
from ml_privacy_meter.synthetic import Table, embedding

APART = "Is the reference free of members?"
LIKE = "Is the reference like the non-members?"
SEEN = 5_000  # records of a side that a check looks at


@dataclass(frozen=True)
class Sets:
    """Tables of the same columns.

    Args:
        synthetic: what the generator gave.
        members: what it was trained on.
        asked: non-members that are asked about beside members.
        reference: real records that the adversary holds.
        others: all non-members: the control of the other attacks.
        given: whether the reference was given, and not cut from the non-members.
    """

    synthetic: Table
    members: Table
    asked: Table
    reference: Table
    others: Table
    given: bool


def sets_of(synthetic: Any, members: Any, non_members: Any, reference: Any, *, seed: int) -> Sets:
    """The tables; without a reference of its own, half the non-members are one.

    Raises:
        InputError: they do not fit each other, are too small, or the reference is made of members.
    """
    given = {"members": members, "synthetic": synthetic, "non_members": non_members}
    made = tables(**given, **({} if reference is None else {"reference": reference}))
    least = FEWEST if reference is not None else 2 * FEWEST
    for name, few in (("members", FEWEST), ("synthetic", FEWEST), ("non_members", least), ("reference", FEWEST)):
        if name in made and len(made[name]) < few:
            also = ", of which half serve as the reference" if few > FEWEST else ""
            raise InputError(f"There must be at least {few} {name}{also}, found {len(made[name])}. Give more.")
    others = asked = made["non_members"]
    if reference is None:
        order = np.random.default_rng(seed).permutation(len(others))
        asked, apart = (others.take(rows) for rows in np.array_split(order, 2))
    else:
        apart = made["reference"]
    found = Sets(made["synthetic"], made["members"], asked, apart, others, reference is not None)
    (within, chance), count = _overlap(found), len(apart)
    if found.given and 2 * within > count and _surely_more(within, chance, count):
        raise InputError(
            f"The reference must hold no training records, but {within} of its {count} stand among the members. Give "
            "other real records of the same source, or none: then half the non-members serve."
        )
    return found


def checks(sets: Sets, *, confidence: float, seed: int) -> tuple[Check, ...]:
    """Whether members and non-members differ by themselves, whether records stand in both, what the reference is."""
    members, others = rows_of(sets.members), rows_of(sets.others)
    first = {int(row): place for place, row in reversed(list(enumerate(members)))}
    pairs = [(f"members:{first[row]}", f"non_members:{k}") for k, row in enumerate(map(int, others)) if row in first]
    made = [
        shift(_blind(sets.members, sets.others, seed), confidence=confidence),
        duplicates(pairs, len(others)),
        _apart(sets),
    ]
    if sets.given:
        like = shift(_blind(sets.reference, sets.others, seed), confidence=confidence)
        says = like.says.split(" Members and non-members come")[0]
        if not like.passed and like.risk is not None:
            says += " The reference is of another source: `domias` and `calibrated_distance` then find less than they"
            says += " could. Give real records of the same source."
        made.append(replace(like, name=LIKE, says=says, voids=False))
    return tuple(made)


def copies(sets: Sets) -> str:
    """How many real records stand among the synthetic ones, word for word, in a sentence."""
    drawn = rows_of(sets.synthetic)
    of = [np.isin(rows_of(side), drawn) for side in (sets.members, sets.others)]
    shares = [f"{int(side.sum()):,} of {len(side):,}" for side in of]
    return (
        f"Word for word, {shares[0]} members stand among the synthetic records, and {shares[1]} non-members. That a "
        "record has no copy, or none near to it, is no guarantee: a generator may leak without copying."
    )


def _apart(sets: Sets) -> Check:
    """Fails where more of the reference stand among the members than would by chance."""
    (within, chance), count = _overlap(sets), len(sets.reference)
    said = f"{within} of {count} reference records have the same content as a member"
    if not sets.given:
        return Check(APART, True, said + "; they are non-members that were cut off.")
    said += f", and about {chance:.0f} would as one of as many non-members."
    if not _surely_more(within, chance, count):
        return Check(APART, True, said)
    said += (
        " The reference holds training records, and what is compared with it hides them: `domias` and "
        "`calibrated_distance` find less than there is. Take them out."
    )
    return Check(APART, False, said, voids=within > 0.05 * count)


def _surely_more(one: float, other: float, count: int) -> bool:
    shares = one / count, other / count
    return difference(wilson(one, count, 0.99), wilson(other, count, 0.99), shares)[0] > 0


def _overlap(sets: Sets) -> tuple[int, float]:
    """How many reference records stand among the members, and about how many among as many non-members."""
    members, others, reference = (rows_of(table) for table in (sets.members, sets.others, sets.reference))
    size = min(len(members), len(others))
    among = np.isin(reference, np.random.default_rng(0).choice(others, size, replace=False)).sum()
    return int(np.isin(reference, members).sum()), min(float(among) * len(members) / size, len(reference))


def _blind(one: Table, other: Table, seed: int) -> Any:
    """What a classifier makes of records of two tables that never sees a synthetic one."""
    rng = np.random.default_rng(seed)
    sides = [table.take(rng.permutation(len(table))[:SEEN]) for table in (one, other)]
    if min(map(len, sides)) < 2 * FEWEST:
        return None
    embed = embedding(*sides)
    features = torch.from_numpy(np.concatenate([embed(side) for side in sides]).astype(np.float64))
    return blind(features, torch.arange(len(features)) < len(sides[0]), seed=seed)
