"""What a game of extraction says in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from ml_privacy_meter.extraction import ExtractionGame
from ml_privacy_meter.games import Tried

RECORDS, NOISE = "held-out records", "uniform points"
WITHOUT = (
    "Models that are trained on as many true labels as an attack asks queries, of records drawn at random: a network, "
    "a linear model, a tree; and one answer for all. Each figure is set beside whichever of these does best at it."
)
FIGURES = {"fidelity": RECORDS, "fidelity on uniform points": NOISE, "accuracy": RECORDS}


@dataclass(frozen=True)
class Terms:
    """The settings that figures rest on."""

    budgets: tuple[int, ...]
    answers: str
    decimals: int | None
    learner: str
    confidence: float
    seed: int


def knows(game: ExtractionGame, terms: Terms) -> str:
    """What the adversary knows and may do."""
    told = "labels alone" if not game.view.soft else "probabilities" if game.view.classes else "quantities"
    told += "" if terms.decimals is None else f" rounded to {terms.decimals} decimals"
    return (
        f"The adversary may ask the model up to {terms.budgets[-1]} times about any point, and is told {told}. It has "
        f"{len(game.view.pool):,} public records without labels, and knows no weight and no training record."
    )


def verdict(tried: Sequence[Tried], terms: Terms) -> str:
    """What the excess says, and what it does not."""
    limit = f"with at most {terms.budgets[-1]} queries"
    sure = {one.attack: one.excess for one in tried if one.shows and one.excess is not None}
    if not sure and all(one.shows is None for one in tried):
        return "No attack ran to its end, so nothing can be said."
    if not sure:
        return (
            f"No copy that was made {limit} surely agrees with the model more often than what needs no model. Other "
            "attacks, or more queries, may still copy it."
        )
    name, best = max(sure.items(), key=lambda pair: (RECORDS in pair[1].note, pair[1].surely or 0.0))
    (one,) = (one for one in tried if one.attack == name)
    fidelity = {risk.name: risk.value for risk in one.risks}["fidelity"]
    return (
        f"The model can be copied {limit}: the copy by {name} answers {fidelity:.1%} of held-out records as it does. "
        f"{best.note.rstrip('.')}, it surely agrees more often than what needs no model, by "
        f"{100 * (best.value or 0.0):.1f} points. This is a loss of the model, not by itself of its training "
        "records; but whoever holds a good copy can attack that unseen and without limit."
    )


def notes(game: ExtractionGame, weighed: bool) -> tuple[str, ...]:
    """What a reader must know of the figures."""
    close = f"quantities within {game.tolerance:.3g}, a tenth of the standard deviation of the true ones"
    found = [
        "Every point that an attack asks about counts as a query; one that is asked twice counts twice.",
        "Fidelity is the share of points where a copy answers as the model does: "
        f"{'the same class' if game.view.classes else close}. Uniform points are drawn evenly between the bounds of "
        "the pool's features; they show whether a copy is right where there are no records.",
        "What does best without the model is chosen on the very points that are judged, so that an excess is rather "
        "too small. Its interval holds for all budgets and both kinds of points together, of these copies: another "
        "training would give others.",
    ]
    if weighed and game.view.classes:
        found.append("Weights are compared as differences from those of the first class: no more can be seen of them.")
    return tuple(found)
