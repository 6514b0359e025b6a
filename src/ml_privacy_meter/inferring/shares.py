"""The game of worlds in figures and words: how often the world was named, how far off the share was."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from ml_privacy_meter.findings import Check, Risk
from ml_privacy_meter.games import Curve, Game, Line, Tried
from ml_privacy_meter.membership.describe import describe, told
from ml_privacy_meter.property import Placed
from ml_privacy_meter.risk.rates import excess_of_chance, mean_error, success

GUESS = "the most common world"
LARGE = 0.6  # of the largest training sets that records allow for


@dataclass(frozen=True)
class Heard:
    """What one attack said.

    Args:
        placed: of the victims; None where it failed.
        own: of the target; None where it cannot be asked about it.
        failed: why it failed.
    """

    attack: Any
    placed: Placed | None
    own: Placed | None = None
    failed: str = ""


@dataclass(frozen=True)
class Told:
    """What the report says of the game beside its figures.

    Args:
        what: the property, in words: "sex = Female".
        truth: the share of the members that have it.
        notes: what else a reader must know.
        how: settings and counts.
        apart: whether training sets are of others.
    """

    what: str
    truth: float
    knows: str
    notes: tuple[str, ...]
    how: dict[str, Any]
    apart: Check


def apart(size: int, limit: int) -> Check:
    """Fails where training sets take so much of the records that all of one world are of the same ones."""
    says = f"Training sets hold {size} records, and could hold {limit} of those that they are drawn from"
    passed = size <= LARGE * limit
    if not passed:
        says += (
            ": models of one world learn from much the same records, and by chance these differ in more than the "
            "property. With sets of four fifths of the limit, a leak was shown of 12 of 60 properties that were tosses "
            f"of a coin. Set `records` to {limit // 2} or less, or give more records"
        )
    return Check("Are training sets of one world of different records?", passed, says + ".")


def game_of(
    heard: Sequence[Heard], world: Int[Tensor, " victims"], shares: tuple[float, ...], said: Told, confidence: float
) -> Game:
    """The section of the report.

    Args:
        world: of each victim.
    """
    chance = float(torch.bincount(world, minlength=len(shares)).max()) / len(world)
    prior = _prior(world, shares)
    judged = sum(one.placed is not None for one in heard)
    tried = tuple(_tried(one, world, shares, (chance, prior), judged, confidence) for one in heard)
    guess = _fixed("accuracy", chance, len(world)), _fixed("error of the share", prior, len(world))
    alone = Tried(GUESS, "Names the same world each time, and the middle of the shares.", "Nothing.", guess)
    listed = " or ".join(f"{100 * share:g}%" for share in shares)
    return Game(
        name="property",
        secret=said.what,
        question=f"Of what share of the training records does it hold that {said.what}: {listed}?",
        knows=said.knows,
        without=f"Who knows these shares and no model names the right one in {chance:.0%} of all cases. Who "
        f"always names their middle is wrong by {100 * prior:.1f} percentage points on average.",
        baselines=(alone,),
        tried=tried,
        verdict=_verdict(tried, world, chance, said.apart),
        curves=_curves(heard, world, shares, confidence) if len(shares) > 2 else (),
        checks=(said.apart,),
        notes=(*_of_own(heard, said, shares), *said.notes),
        how=said.how | {"share of members": said.truth} | {"said of the model": _own(heard)},
    )


def _tried(
    one: Heard,
    world: Int[Tensor, " victims"],
    shares: tuple[float, ...],
    without: tuple[float, float],
    judged: int,
    confidence: float,
) -> Tried:
    if one.placed is None:
        return Tried(*told(one.attack), failed=one.failed)
    chance, prior = without
    hits, off = one.placed.hit(world), (one.placed.share - torch.tensor(shares, dtype=torch.float64)[world]).abs()
    risks = (
        success(hits, baseline=chance, confidence=confidence),
        mean_error(off, most=shares[-1] - shares[0], baseline=prior, name="error of the share", confidence=confidence),
    )
    more = excess_of_chance(hits, chance, of=judged, name="accuracy above guessing", confidence=confidence)
    return Tried(*told(one.attack), risks, more)


def _prior(world: Int[Tensor, " victims"], shares: tuple[float, ...]) -> float:
    truth = np.array(shares)[world.numpy()]
    return float(np.abs(truth - np.median(shares)).mean())


def _fixed(name: str, value: float, trials: int) -> Risk:
    return Risk(name, value, value, value, value, trials)


def _verdict(tried: Sequence[Tried], world: Int[Tensor, " victims"], chance: float, apart: Check) -> str:
    judged = [(one, one.excess) for one in tried if one.excess is not None]
    if not judged:
        return "No attack came to its end: nothing can be said."
    sure = [(one, more) for one, more in judged if one.shows]
    best, _ = max(sure or judged, key=lambda pair: pair[1].value or 0.0)
    reached = f"{best.attack} names the right share of {best.risks[0].value:.0%} of {len(world)} models"
    if sure:
        return (
            f"Models like yours tell which share of their training records has the property: {reached}, where "
            f"{chance:.0%} are right by guessing. It is a secret of the training set as a whole, not of one record."
            + (
                ""
                if apart.passed
                else " But so large training sets show a leak by chance more often than intervals say."
            )
        )
    most = max(more.high for _, more in judged)
    return (
        f"No leak is shown: at best, {reached}, and {chance:.0%} are right by guessing. An excess of up to "
        f"{100 * most:.0f} percentage points could have gone unseen with so many models. Shares further apart, models "
        "that generalise better, or an adversary who adds records (`poison`) may yet tell."
    )


def _own(heard: Sequence[Heard]) -> dict[str, float]:
    return {describe(one.attack): round(float(one.own.share[0]), 4) for one in heard if one.own is not None}


def _of_own(heard: Sequence[Heard], said: Told, shares: tuple[float, ...]) -> tuple[str, ...]:
    if not (own := _own(heard)):
        return ()
    guesses = ", ".join(f"{100 * share:.3g}% ({name})" for name, share in own.items())
    near = "" if min(shares) <= said.truth <= max(shares) else " It lies outside the shares that attacks chose from."
    return (
        f"Of your own model, attacks say that {guesses} of its training records have the property; in truth "
        f"{said.truth:.1%} of the members have it.{near} This is one guess of each attack, no figure of its success: "
        "your model was trained on all members, with labels that go with the property as they do, and may be unlike "
        "every victim. Whoever reads this reads the share itself.",
    )


def _curves(
    heard: Sequence[Heard], world: Int[Tensor, " victims"], shares: tuple[float, ...], confidence: float
) -> tuple[Curve, ...]:
    """Accuracy between two worlds, by how far their shares lie apart."""
    apart: dict[float, list[tuple[int, int]]] = {}
    for pair in itertools.combinations(range(len(shares)), 2):
        apart.setdefault(round(shares[pair[1]] - shares[pair[0]], 6), []).append(pair)
    lines = []
    for one in heard:
        if one.placed is not None:
            found = ((gap, _between(one.placed, world, pairs, confidence)) for gap, pairs in sorted(apart.items()))
            lines.append(Line(describe(one.attack), tuple(found)))
    some = int(torch.bincount(world).min()) * 2
    lines.append(Line("guessing", tuple((gap, _fixed("accuracy", 0.5, some)) for gap in sorted(apart))))
    title = "How often the right one of two shares is named, by how far they lie apart"
    return (Curve(title, "difference of the shares", "accuracy", tuple(lines)),)


def _between(placed: Placed, world: Tensor, pairs: Sequence[tuple[int, int]], confidence: float) -> Risk:
    """Of who knows that it is one of two worlds; pairs of one distance are put together.

    A victim that stands in two pairs counts once: by the mean of its hits.
    """
    hits, times = torch.zeros(len(world), dtype=torch.float64), torch.zeros(len(world), dtype=torch.float64)
    for pair in pairs:
        here = torch.isin(world, torch.tensor(pair))
        hits[here] += placed.between(list(pair)).hit((world == pair[1]).long())[here]
        times[here] += 1
    asked = times > 0
    return success(hits[asked] / times[asked], baseline=0.5, confidence=confidence)
