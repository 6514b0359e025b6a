"""What a trace tells of its training: how clients trained, what was done to updates, and what that guarantees."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.federated.local import Local
from ml_privacy_meter.federated.remedies import Kept, Remedy
from ml_privacy_meter.training import Defense

TOLD = ("optimizer", "lr", "momentum", "weight_decay", "schedule", "batch_size", "augment", "precision")


def told(
    local: Local, remedies: Sequence[Remedy], defense: Defense | None, *, rounds: int, participation: float
) -> dict[str, Any]:
    """By name, as JSON holds it; ``local_steps`` is of the client with the most records."""
    given = [*remedies, *([defense] if defense else [])]
    kept = [one.guarantee(participation, rounds) for one in remedies if one.guarantee]
    if defense and defense.guarantee:
        kept.append(_of_defense(local, defense, rounds))
    return {
        **{name: getattr(local.recipe, name) for name in TOLD},
        "local_epochs": local.recipe.epochs,
        "local_steps": max(map(local.steps, local.counts)),
        "rounds": rounds,
        "participation": participation,
        "records": dict(local.counts),
        "remedies": [str(one) for one in given],
        "guarantees": [asdict(one) for one in kept],
    }


def _of_defense(local: Local, defense: Defense, rounds: int) -> Kept:
    """What a defense of clients guarantees over all rounds, to the records of the client that are kept least."""
    assert defense.guarantee is not None
    recipe, found = local.recipe, []
    for records in sorted(set(local.counts.values())):
        once = defense.guarantee(recipe, records)
        found.append(defense.guarantee(replace(recipe, epochs=recipe.epochs * rounds), records))
        if found[-1].noise_multiplier != once.noise_multiplier:
            raise InputError(
                "A defense of clients trains anew in each round, so that its noise cannot follow from an epsilon of "
                f"all rounds: found {defense}. Give `noise_multiplier` in place of `epsilon`."
            )
    least = max(found, key=lambda spent: spent.epsilon)
    return Kept("record", "everybody, the server too", **asdict(least))
