"""Which share of the training records had a property? The game of worlds, played on a model and measured."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from ml_privacy_meter import property as room
from ml_privacy_meter import records as records_room
from ml_privacy_meter._checks import InputError, in_range, one_of, why
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.games import Game
from ml_privacy_meter.inferring.pools import Prepared, Setting, prepare, setting_of
from ml_privacy_meter.inferring.shares import Heard, Told, apart, game_of
from ml_privacy_meter.inferring.victims import Asked, draw, held, how_said, only_linear, poisoned_pool, trained, trainer
from ml_privacy_meter.inferring.worlds import Dealt
from ml_privacy_meter.property.worlds import Attack, WorldsGame, WorldsView, place
from ml_privacy_meter.types import marked

ATTACKS = ("loss_test", "kl", "per_point", "permutation_invariant", "regressed", "snap")


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
    sets are equally large, their labels are equally common, and in each class the same share has the property. The
    adversary's own models, shadows, are trained on non-members. Besides, each attack says a share of your own model.

    Args:
        column: whose value is the property: a group of the records (the model need not see it), or else a column of
            the table, by its name, or of the array, by its number.
        value: that a record with the property has there; may be left out of a column of yes and no.
        shares: of the records with the property, in two worlds or more.
        victims, shadows: models of each world.
        records: in each training set; None: half as many as members and non-members allow for, at most 5,000.
        questions: records that models are asked about: non-members that train no shadow, at most a fifth of them.
        poison: records with the property and a wrong label that the adversary adds to each training set, as a share of
            ``records``; victims and shadows are trained once more with these.
        train: how victims and shadows are trained: a function (x, y, seed) -> model, "package.module:function", an
            estimator or a `Recipe`; by default the target's estimator fitted anew, or its architecture and 10 epochs.
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
    in_range(-1e-12, 0.5, poison=poison)
    worlds = _shares(shares)
    prepared = prepare(model, members, non_members, column, value)
    linear = prepared.target.access == "parameters" and only_linear(prepared.opened.inner)
    chosen = _attacks(attacks, poisoned=poison > 0, linear=linear)
    how = trainer(prepared.opened, train, recipe)
    setting = setting_of(prepared, worlds, records=records, questions=questions, poison=poison, seed=seed)
    game, alone = _drawn(prepared, setting, worlds, (victims, shadows), how, seed, device)
    heard = [_heard(attack, game, alone) for attack in chosen]
    what = f"{column if isinstance(column, str) else f'column {column}'} = {'yes' if value is None else value}"
    return game_of(heard, game.world, worlds, _told(prepared, setting, game, alone, how_said(how), what), confidence)


def _shares(shares: Sequence[float]) -> tuple[float, ...]:
    found = tuple(sorted({float(share) for share in shares}))
    if len(found) < max(2, len(shares)) or found[0] < 0 or found[-1] > 1:
        raise InputError(f"`shares` must be two or more different shares in [0, 1], found {[*shares]}.")
    return found


def _attacks(given: Sequence[Attack | str] | None, *, poisoned: bool, linear: bool) -> list[Attack]:
    """The attacks of these names; without names, all that can be played."""
    if given is None:
        without = {"snap": not poisoned, "permutation_invariant": not linear}
        given = [name for name in ATTACKS if not without.get(name)]
    if isinstance(given, str) or not given:
        raise InputError(f"`attacks` must be a list of one attack or more, found {given!r}.")
    return [getattr(room, one_of(one, ATTACKS, "attack")) if isinstance(one, str) else one for one in given]


def _drawn(
    prepared: Prepared,
    setting: Setting,
    shares: tuple[float, ...],
    counts: tuple[int, int],
    how: Any,
    seed: int,
    device: str,
) -> tuple[WorldsGame, WorldsView]:
    """The game, and the view of an adversary who asks about the target itself."""
    deal, cell, pool = setting.deal, prepared.cell, records_room.join(*prepared.sides)
    questions = held(prepared.fitted, deal.questions)
    asked = Asked(prepared.opened, prepared.target, prepared.sides, questions, device)
    made = draw(deal, cell, setting.tables, counts, seed)
    ours, own = trained(how, pool, made, asked, seed=seed, device=device)
    poisoned = None
    if len(deal.poison):
        spoilt = poisoned_pool(pool, deal, prepared.classes)
        both = trained(how, spoilt, made, asked, seed=seed, device=device, poison=len(deal.poison))
        poisoned = room.Poisoned(*both, deal.label)
    view = WorldsView(
        shares,
        ours,
        own,
        torch.from_numpy(made.world[made.victims :]),
        questions.labels,
        torch.from_numpy(prepared.has[deal.questions]),
        torch.from_numpy(setting.weight(cell[deal.questions])),
        poisoned,
        seed,
    )
    game = WorldsGame(view, torch.from_numpy(made.world[: made.victims]))
    return game, replace(view, victims=asked.target_alone(), poisoned=None)


def _heard(attack: Attack, game: WorldsGame, alone: WorldsView) -> Heard:
    try:
        placed = game.play(attack)
    except Exception as problem:  # whatever a stranger's attack raises belongs in the report
        return Heard(attack, None, failed=why(problem))
    try:
        return Heard(attack, placed, None if marked(attack, "needs_poison") else place(attack, alone))
    except Exception:  # an attack on weights, and victims of an architecture of their own
        return Heard(attack, placed)


def _told(prepared: Prepared, setting: Setting, game: WorldsGame, alone: WorldsView, way: str, what: str) -> Told:
    """What the report says beside figures."""
    view, deal, members = game.view, setting.deal, len(prepared.sides[0])
    right = [float((some.logits.argmax(2) == view.labels).double().mean()) for some in (view.victims, alone.victims)]
    how = {
        "shares": list(view.shares),
        "victims": len(view.victims),
        "shadows": len(view.shadows),
        "records": setting.size,
        "questions": len(deal.questions),
        "poison": len(deal.poison),
        "trained": way,
        "accuracy of victims": round(right[0], 4),
        "accuracy of the model": round(right[1], 4),
    }
    notes = [
        f"{len(view.victims)} victims were trained on {setting.size} of the {members} members each, and "
        f"{len(view.shadows)} shadows on as many of {len(deal.shadows)} non-members: {way}. Intervals "
        "hold for other victims of these worlds, asked about with the same shadows.",
        "Worlds differ in the share alone: training sets are equally large, labels equally common, and in each class "
        "the same share has the property. Where property and label go together, a model may tell more.",
        f"Of {len(deal.questions)} non-members that trained no shadow, victims classify {right[0]:.1%} rightly, your "
        f"model {right[1]:.1%}. Over-fitted models tell less of such a share: where your model was trained longer or "
        "shorter than victims were, give its own `recipe`.",
    ]
    if twins := int((~prepared.spare).sum()):
        notes.append(f"{twins} non-members that equal a member were left out of what the adversary holds.")
    if len(deal.poison):
        notes.append(
            f"For `snap`, victims and shadows were trained once more, with {len(deal.poison)} records of the "
            f"adversary's beside their own: with the property, and wrongly of class {deal.label}. Other attacks are "
            "played without them, and your own model was not trained with them."
        )
    return Told(
        what, float(prepared.has[:members].mean()), _knows(deal), tuple(notes), how, apart(setting.size, setting.limit)
    )


def _knows(deal: Dealt) -> str:
    holds = len(deal.shadows) + len(deal.questions) + len(deal.poison)
    return (
        "The adversary knows which shares are possible, how common each label is, and how the model was trained, on "
        f"how many records. It has {holds} records of its own from the same population, of which it knows label and "
        "property. It asks the model about some, and compares the answers with those of models that it trains itself."
        + (" For `snap`, it also adds records of its own to the training set." if len(deal.poison) else "")
    )
