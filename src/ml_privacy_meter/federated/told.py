"""What a trace tells of its training: how clients trained, what was done to updates, and what that guarantees."""

import ast
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.federated.local import Local
from ml_privacy_meter.federated.remedies import (
    EVERYBODY,
    Kept,
    Remedy,
    central_dp,
    clipped_updates,
    kept,
    local_dp,
    noisy_updates,
    pruned_updates,
)
from ml_privacy_meter.training import Defense

REMEDIES = (central_dp, clipped_updates, local_dp, noisy_updates, pruned_updates)
TOLD = ("optimizer", "lr", "momentum", "weight_decay", "schedule", "batch_size", "augment", "precision")


def told(
    local: Local,
    remedies: Sequence[Remedy],
    defense: Defense | None,
    *,
    batch_size: int,
    rounds: int,
    participation: float,
) -> dict[str, Any]:
    """By name, as JSON holds it; ``local_steps`` is of the client with the most records.

    Where noise is a guarantee for clients, nothing is told that follows from how many records they hold.

    Args:
        batch_size: as it was asked for, whatever clients hold.
    """
    given = [*remedies, *([defense] if defense else [])]
    found = [one.guarantee(participation, rounds) for one in remedies if one.guarantee]
    if defense and defense.guarantee:
        found.append(_of_defense(local, defense, rounds))
    counted = {"local_steps": max(map(local.steps, local.counts)), "records": dict(local.counts)}
    return {
        **{name: getattr(local.recipe, name) for name in TOLD},
        "local_epochs": local.recipe.epochs,
        "rounds": rounds,
        "participation": participation,
        **({"batch_size": batch_size} if any(one.noisy for one in remedies) else counted),
        "remedies": [str(one) for one in given],
        "guarantees": [one.says for one in found],
    }


def remade(text: str) -> Remedy | None:
    """The remedy that a trace names so; None for what is none of this room, as a `Defense`, or cannot be read."""
    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call):
            return None
        made = {one.__name__: one for one in REMEDIES}[ast.unparse(call.func)]
        return made(**{str(one.arg): ast.literal_eval(one.value) for one in call.keywords})
    except (InputError, KeyError, SyntaxError, TypeError, ValueError):
        return None


def _of_defense(local: Local, defense: Defense, rounds: int) -> Kept:
    """What a defense of clients guarantees over all rounds, to the records of the client that are kept least.

    All clients are held to one delta, the smallest that any of them has of its own.
    """
    assert defense.guarantee is not None
    recipe, sizes = local.recipe, sorted(set(local.counts.values()))
    once = [defense.guarantee(recipe, records) for records in sizes]
    whole = [defense.guarantee(replace(recipe, epochs=recipe.epochs * rounds), records) for records in sizes]
    if any(a.noise_multiplier != b.noise_multiplier for a, b in zip(once, whole, strict=True)):
        raise InputError(
            "A defense of clients trains anew in each round, so that its noise cannot follow from an epsilon of "
            f"all rounds: found {defense}. Give `noise_multiplier` in place of `epsilon`."
        )
    delta = min(one.delta for one in once)  # one for all: an epsilon at another delta cannot be compared
    plans = {(one.noise_multiplier, one.sample_rate, one.steps * rounds) for one in once}
    if any(one.epsilon == inf for one in whole):
        least = max(whole, key=lambda one: one.epsilon)
        return Kept("record", EVERYBODY, replace(least, epsilon=inf, delta=delta))
    return max((kept("record", EVERYBODY, *plan, delta) for plan in sorted(plans)), key=lambda one: one.spent.epsilon)
