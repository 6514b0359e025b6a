"""Each attack on synthetic records, with the game that it plays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from ml_privacy_meter._checks import InputError, one_of
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.inferring.synthetic_sets import Sets
from ml_privacy_meter.membership.describe import told
from ml_privacy_meter.synthetic import (
    GuessGame,
    GuessView,
    LinkGame,
    LinkView,
    MemberGame,
    SinglingGame,
    SinglingView,
    Table,
    Tries,
    View,
    link_by_nearest,
    nearest_value,
    single_out,
)
from ml_privacy_meter.types import Scores

EVERY = 20  # columns; each of a wider table is not inferred unless it is named


@dataclass(frozen=True)
class Play:
    """One attack and its game.

    Args:
        name, says, sees: of the attack.
        play: what came of it.
    """

    name: str
    says: str
    sees: str
    play: Callable[[], Scores | Tries]


def members(sets: Sets, attacks: Sequence[Any], most: int, seed: int) -> list[Play]:
    """Attacks that tell members from others."""
    asked, member = _mixed(sets.members, sets.asked, most, np.random.default_rng(seed))
    game = MemberGame(View(asked, sets.synthetic, sets.reference), member)
    return [Play(*told(attack), partial(game.play, attack)) for attack in attacks]


def singling(sets: Sets, columns: Sequence[int], tries: int, seed: int) -> list[Play]:
    """Attacks that describe one person of the training set, by so many columns."""
    size, rng = min(len(sets.members), len(sets.others)), np.random.default_rng(seed)
    one, other = (side.take(rng.permutation(len(side))[:size]) for side in (sets.members, sets.others))
    game, plays = SinglingGame(SinglingView(sets.synthetic, tries, seed), one, other), []
    for count in columns:
        whole(1, columns=count)
        attack = partial(single_out, columns=count)
        plays.append(Play(*told(attack), partial(game.play, attack)))
    return plays


def linking(
    sets: Sets, link: Sequence[str] | None, neighbours: int, tries: int, seed: int
) -> tuple[list[Play], tuple[str, ...]]:
    """The attack that links two tables, and the columns of the first of them."""
    names, rng = sets.synthetic.columns, np.random.default_rng(seed)
    if len(names) < 2:
        raise InputError(f"Two tables are linked by columns of each, found {len(names)}. Leave `linkability` out.")
    if link is None:
        link = [names[place] for place in np.sort(rng.permutation(len(names))[: len(names) // 2])]
    left = _columns(link, sets.synthetic, "link")
    right = [name for name in names if name not in left]
    if not left or not right:
        raise InputError("`link` must name some columns and leave some for the other table. Change it.")
    asked, member = _mixed(sets.members, sets.others, tries, rng)
    order = rng.permutation(len(asked))
    view = LinkView(asked.only(left), asked.only(right).take(order), sets.synthetic)
    game, attack = LinkGame(view, np.argsort(order), member), partial(link_by_nearest, neighbours=neighbours)
    return [Play(*told(attack), partial(game.play, attack))], left


def inference(
    sets: Sets, inferred: Sequence[str] | None, known: Sequence[str] | None, tolerance: float, tries: int, seed: int
) -> list[Play]:
    """Attacks that infer a column, one for each secret."""
    names = sets.synthetic.columns
    if inferred is None:
        inferred = names if len(names) <= EVERY else ()
    asked, member = _mixed(sets.members, sets.others, tries, np.random.default_rng(seed))
    have, plays = _columns(names if known is None else known, sets.synthetic, "known"), []
    for secret in _columns(inferred, sets.synthetic, "inferred"):
        given = [name for name in have if name != secret]
        if not given:
            raise InputError(f"Something must be known of whom `{secret}` is inferred. Name columns in `known`.")
        view = GuessView(asked.only(given), sets.synthetic.only([*given, secret]), secret)
        game = GuessGame(view, asked.only([secret]).values[:, 0], member, tolerance)
        name, says, sees = told(nearest_value)
        plays.append(Play(f"{name}: {secret}", says, sees, partial(game.play, nearest_value)))
    return plays


def _mixed(members: Table, others: Table, most: int, rng: np.random.Generator) -> tuple[Table, torch.Tensor]:
    """At most so many records of each side, in an order that says nothing, and which are members."""
    sides = [side.take(rng.permutation(len(side))[:most]) for side in (members, others)]
    order = rng.permutation(len(sides[0]) + len(sides[1]))
    values = np.concatenate([side.values for side in sides])[order]
    return Table(values, members.columns, members.words), torch.from_numpy(order < len(sides[0]))


def _columns(names: Sequence[str], table: Table, setting: str) -> tuple[str, ...]:
    for name in (names := (names,) if isinstance(names, str) else tuple(names)):
        one_of(name, table.columns, f"column for `{setting}`")
    return tuple(dict.fromkeys(names))
