"""Which share of the training records had a property? The game of worlds, played on a model and measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ml_privacy_meter import property as room
from ml_privacy_meter import records as records_room
from ml_privacy_meter import targets
from ml_privacy_meter._checks import InputError, in_range, one_of
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.games import Game
from ml_privacy_meter.inferring.shares import Heard, Told, game_of
from ml_privacy_meter.inferring.victims import (
    Asked,
    Drawn,
    draw,
    held,
    how_said,
    only_linear,
    poisoned_pool,
    trained,
    trainer,
)
from ml_privacy_meter.inferring.worlds import Dealt, Table, composed, dealt, having, largest, table
from ml_privacy_meter.property.worlds import Attack, WorldsGame, WorldsView, place
from ml_privacy_meter.types import Records, marked

ATTACKS = ("loss_test", "kl", "per_point", "permutation_invariant", "regressed", "snap")
MOST = 5_000  # records of a training set where nothing is said: more would overlap, and take longer


def infer_properties(
    model: Any,
    members: Any,
    non_members: Any,
    *,
    column: str | int,
    value: str | float | bool | None = None,
    shares: Sequence[float] = (0.2, 0.5),
    victims: int = 60,
    shadows: int = 30,
    records: int | None = None,
    questions: int = 1_000,
    poison: float = 0.0,
    train: Any = None,
    recipe: Mapping[str, Any] | None = None,
    attacks: Sequence[Attack | str] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    device: str = "auto",
) -> Game:
    """How often an adversary can say which share of the training records had a property.

    Victims are models trained like yours on some of your members, in worlds that differ in this share alone: training
    sets are equally large, and their labels equally common. The adversary's own models, shadows, are trained on
    non-members. Besides, each attack says a share of your own model.

    Args:
        column: whose value is the property: a group of the records (the model need not see it), or else a column of
            the table, by its name, or of the array, by its number.
        value: that a record with the property has there; may be left out of a column of yes and no.
        shares: of the records with the property, of two worlds or more.
        victims, shadows: models of each world.
        records: in each training set; None: as many as half of the members and half of the non-members allow for, at
            most 5,000.
        questions: records that models are asked about: non-members that train no shadow, at most a fifth of them.
        poison: records with the property and a wrong label that the adversary adds to each training set, as a share of
            ``records``; victims and shadows are trained once more with these.
        train: how victims and shadows are trained: a function (x, y, seed) -> model, "package.module:function", an
            estimator or a `Recipe`; by default the target's estimator fitted anew, or its architecture and 20 epochs.
        recipe: settings of `Recipe`, in place of ``train``.
        attacks: functions of a `WorldsView`, or names of those of `ml_privacy_meter.property`; None: all that can be
            played.

    Raises:
        InputError: records do not suffice for these worlds, or something given cannot be used.
    """
    whole(2, victims=victims, shadows=shadows)
    whole(10, questions=questions)
    whole(0, seed=seed)
    in_range(0, 1, confidence=confidence)
    worlds = _shares(shares)
    if not 0 <= poison < 1:
        raise InputError(f"`poison` must be at least 0 and below 1, found {poison!r}. Give the share of records.")
    prepared = _prepared(model, members, non_members, column, value, device)
    asked = {"records": records, "questions": questions, "poison": poison, "seed": seed}
    setting = _setting(prepared, worlds, **asked)
    how = trainer(prepared.opened, train, recipe)
    game, alone = _played(prepared, setting, worlds, (victims, shadows), how, seed, device)
    linear = alone.victims.weights is not None and only_linear(prepared.opened.inner)
    heard = [_heard(attack, game, alone) for attack in _attacks(attacks, poisoned=poison > 0, linear=linear)]
    said = _told(
        prepared, setting, game, alone, how_said(how), f"`{column}`" + ("" if value is None else f" = {value}")
    )
    return game_of(heard, game.world, worlds, said, confidence)


def _shares(shares: Sequence[float]) -> tuple[float, ...]:
    found = tuple(sorted(float(share) for share in shares))
    if len(set(found)) < 2 or len(set(found)) < len(found) or found[0] < 0 or found[-1] > 1:
        raise InputError(f"`shares` must be two or more different shares in [0, 1], found {[*shares]}.")
    return found


def _attacks(given: Sequence[Attack | str] | None, *, poisoned: bool, linear: bool) -> list[Attack]:
    """The attacks of these names; without names, all that can be played."""
    if given is None:
        given = [
            name for name in ATTACKS if (poisoned or name != "snap") and (linear or name != "permutation_invariant")
        ]
    if not given:
        raise InputError("`attacks` must name one attack or more, found none.")
    return [getattr(room, one_of(one, ATTACKS, "attack")) if isinstance(one, str) else one for one in given]


def _heard(attack: Attack, game: WorldsGame, alone: WorldsView) -> Heard:
    try:
        placed = game.play(attack)
    except InputError as problem:
        return Heard(attack, None, failed=str(problem))
    try:
        return Heard(attack, placed, None if marked(attack, "needs_poison") else place(attack, alone))
    except InputError:  # an attack on weights, and victims of an architecture of their own
        return Heard(attack, placed)


@dataclass(frozen=True)
class _Prepared:
    """The target and all records: members, then non-members.

    Args:
        sides: as they came.
        classes: of each record, by the target's columns.
        spare: it equals no member.
    """

    opened: targets.Opened
    target: targets.Target
    sides: tuple[Records, Records]
    fitted: Records
    classes: np.ndarray
    has: np.ndarray
    spare: np.ndarray


def _prepared(
    model: Any, members: Any, non_members: Any, column: str | int, value: str | float | bool | None, device: str
) -> _Prepared:
    opened = model if isinstance(model, targets.Opened) else targets.open_model(model)
    named = (("members", members), ("non-members", non_members))
    scanned = [records_room.scan(records_room.as_records(side, name=name), name=name) for name, side in named]
    sides = scanned[0].records, scanned[1].records
    target, *fit = targets.fit(opened, *sides)
    everyone = records_room.join(*fit)
    if everyone.labels.dtype != torch.int64 or everyone.labels.ndim > 1:
        raise InputError("Worlds have their labels equally common: each record must have one class, found others.")
    has = having(records_room.join(*sides), column, value)
    spare = np.ones(len(everyone), bool)
    equal = records_room.duplicates(scanned[1], scanned[0]).pairs[:, 0]
    spare[len(sides[0]) + equal] = False
    return _Prepared(opened, target, sides, everyone, everyone.labels.numpy(), has, spare)


@dataclass(frozen=True)
class _Setting:
    """Whose rows are whose, and what each world's training sets are made of."""

    deal: Dealt
    tables: tuple[Table, ...]
    size: int
    poison: int
    seed: int

    def weight(self, cell: np.ndarray) -> np.ndarray:
        """How likely each of these records is in each world."""
        of = np.stack([one.ravel()[cell] / np.bincount(cell, minlength=one.size)[cell] for one in self.tables])
        found: np.ndarray = of / of.sum(1, keepdims=True)
        return found


def _setting(
    prepared: _Prepared, shares: tuple[float, ...], *, records: int | None, questions: int, poison: float, seed: int
) -> _Setting:
    classes, has, wide = prepared.classes, prepared.has, prepared.target.columns
    members = len(prepared.sides[0])
    natural = table(classes, has, wide)

    def deal(size: int) -> Dealt:
        rng, count = np.random.default_rng([seed, 0]), max(1, round(poison * size)) if poison else 0
        return dealt(members, prepared.spare, classes, has, questions=questions, poison=count, rng=rng)

    def most(found: Dealt) -> int:
        return largest(natural, shares, [table(classes[of], has[of], wide) for of in (found.victims, found.shadows)])

    if records is not None:
        whole(1, records=records)
    size = min(MOST, most(deal(0)) // 2) if records is None else records
    found = deal(size)
    if size < 20 or size > most(found):
        raise InputError(
            f"Training sets of these shares can have {most(found)} records at most, found {size}; at least 20 are "
            "needed. Give more records with the property and without, among members and non-members, or set fewer "
            "`records`."
        )
    return _Setting(found, tuple(composed(natural, size, share) for share in shares), size, len(found.poison), seed)


def _played(
    prepared: _Prepared,
    setting: _Setting,
    shares: tuple[float, ...],
    counts: tuple[int, int],
    how: Any,
    seed: int,
    device: str,
) -> tuple[WorldsGame, WorldsView]:
    """The game, and the view of an adversary who asks about the target itself."""
    deal, cell = setting.deal, 2 * prepared.classes + prepared.has
    asked = Asked(prepared.opened, prepared.target, prepared.sides, held(prepared.fitted, deal.questions), device)
    pool = records_room.join(*prepared.sides)
    made: Drawn = draw(deal, cell, setting.tables, counts, seed)
    ours, own = trained(how, pool, made, asked, seed=seed, device=device)
    poisoned = None
    if setting.poison:
        spoilt = poisoned_pool(pool, deal, prepared.classes)
        both = trained(how, spoilt, made, asked, seed=seed, device=device, poison=setting.poison)
        poisoned = room.Poisoned(*both, deal.label)
    view = WorldsView(
        shares,
        ours,
        own,
        torch.from_numpy(made.world[made.victims :]),
        asked.questions.labels,
        torch.from_numpy(prepared.has[deal.questions]),
        torch.from_numpy(setting.weight(cell[deal.questions])),
        poisoned,
        seed,
    )
    game = WorldsGame(view, torch.from_numpy(made.world[: made.victims]))
    return game, replace(view, victims=asked.target_alone(), poisoned=None)


def _told(prepared: _Prepared, setting: _Setting, game: WorldsGame, alone: WorldsView, trained: str, what: str) -> Told:
    """What the report says beside figures."""
    view, deal, members = game.view, setting.deal, len(prepared.sides[0])
    twins = int((~prepared.spare).sum())
    right = [
        float((models.logits.argmax(2) == view.labels).double().mean()) for models in (view.victims, alone.victims)
    ]
    notes = [
        f"The interval holds for other models of these worlds, asked about by the same shadows. {len(view.victims)} "
        f"victims were trained on {setting.size} of the {members} members each, {len(view.shadows)} shadows on as many "
        f"of {len(deal.shadows)} non-members: {trained}. Labels are equally common in all worlds, and property and label "
        "go together as they do in your records.",
        f"Of {len(deal.questions)} non-members that trained no shadow, victims classify {right[0]:.1%} rightly, and your "
        f"model {right[1]:.1%}. Over-fitted models tell less of such a share: where victims are trained longer or shorter "
        "than your model was, give its own `recipe`.",
    ]
    if twins:
        notes.append(f"{twins} non-members that equal a member were left out of what the adversary holds.")
    if setting.poison:
        notes.append(
            f"For `snap`, victims and shadows were trained once more, with {setting.poison} records of the adversary's "
            f"beside their own: with the property, and wrongly of class {deal.label}. All other attacks are played "
            "without them."
        )
    knows = (
        "The adversary knows the shares that are possible, how the model was trained and on how many records, and has "
        f"{len(deal.shadows) + len(deal.questions) + setting.poison} records of its own from the same population, of "
        "which it knows label and property. It asks the model about some, and compares the answers with those of models "
        "that it trains itself."
        + (" For `snap`, it also adds records of its own to the training set." if setting.poison else "")
    )
    how = {
        "shares": list(view.shares),
        "victims": len(view.victims),
        "shadows": len(view.shadows),
        "records": setting.size,
        "questions": len(deal.questions),
        "poison": setting.poison,
        "trained": trained,
        "accuracy of victims": round(right[0], 4),
        "accuracy of the model": round(right[1], 4),
    }
    return Told(what, float(prepared.has[:members].mean()), knows, tuple(notes), how)
