"""What a game of extraction found: figures of each attack against its queries, and a verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ml_privacy_meter.extraction import Attack, Copy, ExtractionGame, Judged, Linear, Stolen
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.games import Curve, Game, Line, Tried
from ml_privacy_meter.inferring.copies_words import FIGURES, NOISE, RECORDS, WITHOUT, Terms, knows, notes, verdict
from ml_privacy_meter.membership import describe
from ml_privacy_meter.membership.describe import told
from ml_privacy_meter.risk.rates import excess, success

Weights = tuple[Tensor, Tensor]
EXACT = 1e-17  # relative errors below are no errors


@dataclass(frozen=True)
class Played:
    """An attack, and what it came back with at each budget; or why it did not."""

    attack: Attack
    found: tuple[Stolen | str, ...]

    @property
    def stolen(self) -> dict[int, Stolen]:
        """By the place of the budget."""
        return {place: one for place, one in enumerate(self.found) if isinstance(one, Stolen)}


@dataclass(frozen=True)
class Learned:
    """A kind of model, trained on as many true labels as there are queries in each budget."""

    learner: str
    judged: tuple[Judged, ...]
    copies: tuple[Copy, ...]


@dataclass(frozen=True)
class _Without:
    """The strongest of what needs no model, for each figure and budget.

    Args:
        learned: models that were trained on true labels.
        constant: for each figure, hits of one answer for all: the one that is right most often.
    """

    learned: Sequence[Learned]
    constant: dict[str, Tensor]

    def best(self, figure: str, place: int) -> Tensor:
        """The hits of the strongest; chosen on the very points that are judged, which favours it."""
        found = [_hits(one.judged[place], figure) for one in self.learned] + [self.constant[figure]]
        return max(found, key=lambda hits: float(hits.double().mean()))


def told_of(
    game: ExtractionGame, played: Sequence[Played], learned: Sequence[Learned], weights: Weights | None, terms: Terms
) -> Game:
    """The game as a section of the report."""
    without = _Without(learned, {figure: _constant(game, figure) for figure in FIGURES})
    tried = [_tried(one, without, weights, terms, len(played)) for one in played]
    return Game(
        name="extraction",
        question="Can the model itself be copied by whoever may ask it?",
        knows=knows(game, terms),
        without=WITHOUT,
        baselines=(*(_baseline(one, without, weights, terms) for one in learned), _answer_for_all(without, terms)),
        tried=tuple(tried),
        verdict=verdict(tried, terms),
        curves=tuple(_curve(figure, played, without, terms) for figure in FIGURES),
        notes=notes(game, weights is not None),
        how={
            "budgets": [*terms.budgets],
            "answers": terms.answers,
            "decimals": terms.decimals,
            "learner": terms.learner,
            "features": game.view.pool.shape[1],
            "classes": game.view.classes,
            "pool": len(game.view.pool),
            "held out": len(game.held[RECORDS].points),
            "uniform points": len(game.held[NOISE].points),
            "queries": {describe(one.attack): [stolen.queries for stolen in one.stolen.values()] for one in played},
        },
    )


def _tried(one: Played, without: _Without, weights: Weights | None, terms: Terms, attacks: int) -> Tried:
    name, says, sees = told(one.attack)
    stolen = one.stolen
    failed = {most: why for most, why in zip(terms.budgets, one.found, strict=True) if isinstance(why, str)}
    if not stolen:
        return Tried(name, says, sees, failed=one.found[-1])  # type: ignore[arg-type]
    last = max(stolen)
    risks = _risks(stolen[last].judged, without, last, terms)
    gains = (_hits(stolen[last].judged, "accuracy"), without.best("accuracy", last))
    risks += [excess(*gains, name="accuracy excess", confidence=terms.confidence)]
    if weights is not None and isinstance(stolen[last].copy, Linear):
        risks += [_digits(stolen[last].copy, weights, _plain(without, weights, last))]
    note = f"Figures are those at {stolen[last].queries} queries, but for the excess, which says its own."
    if failed:
        why = next(iter(failed.values()))
        note += f" With {', '.join(map(str, failed))} queries it failed: {why}"
    return Tried(name, says, sees, tuple(risks), _surest(stolen, without, terms, attacks), note=note)


def _surest(stolen: dict[int, Stolen], without: _Without, terms: Terms, attacks: int) -> Risk:
    """The excess in fidelity where it is surest: on held-out records if it is sure there, else on uniform points too.

    Its interval holds for all budgets and both kinds of points together.
    """
    looks = 2 * len(terms.budgets)
    each, all_together = (1 - (1 - terms.confidence) / (count * looks) for count in (1, attacks))
    found = []
    for figure in list(FIGURES)[:2]:
        for place, one in stolen.items():
            pair = _hits(one.judged, figure), without.best(figure, place)
            sure = excess(*pair, confidence=all_together).low
            risk = excess(*pair, name="fidelity excess", confidence=each)
            found.append(replace(risk, surely=sure, note=f"On {FIGURES[figure]}, with {one.queries} queries."))
        best = max(found, key=lambda risk: -1.0 if risk.surely is None else risk.surely)
        if best.surely is not None and best.surely > 0:
            break
    return best


def _risks(judged: Judged, without: _Without, place: int, terms: Terms) -> list[Risk]:
    found = []
    for figure in FIGURES:
        best = float(without.best(figure, place).double().mean())
        hits = _hits(judged, figure)
        found.append(success(hits, baseline=best, name=figure, confidence=terms.confidence))
    return found


def _baseline(one: Learned, without: _Without, weights: Weights | None, terms: Terms) -> Tried:
    last = len(terms.budgets) - 1
    risks = []
    for figure in FIGURES:
        constant = float(without.constant[figure].double().mean())
        hits = _hits(one.judged[last], figure)
        risks.append(success(hits, baseline=constant, name=figure, confidence=terms.confidence))
    if weights is not None and isinstance(one.copies[last], Linear):
        risks.append(_digits(one.copies[last], weights, 0.0))
    says = f"A model of the kind `{one.learner}`, trained on {terms.budgets[last]} true labels, or all that there are."
    return Tried(f"true labels ({one.learner})", says, "Records with their true labels; not the model.", tuple(risks))


def _answer_for_all(without: _Without, terms: Terms) -> Tried:
    risks = tuple(
        success(hits, baseline=float(hits.double().mean()), name=figure, confidence=terms.confidence)
        for figure, hits in without.constant.items()
    )
    says = "One answer for all: the one that is right most often, which is given away."
    return Tried("one answer", says, "Which answer the model gives most often.", risks)


def _curve(figure: str, played: Sequence[Played], without: _Without, terms: Terms) -> Curve:
    lines = []
    for one in played:
        points = {
            max(1, stolen.queries): success(
                _hits(stolen.judged, figure),
                baseline=float(without.best(figure, place).double().mean()),
                name=figure,
                confidence=terms.confidence,
            )
            for place, stolen in one.stolen.items()
        }
        if points:
            lines.append(Line(describe(one.attack), tuple((float(x), risk) for x, risk in sorted(points.items()))))
    constant = float(without.constant[figure].double().mean())
    best = [
        success(without.best(figure, place), baseline=constant, name=figure, confidence=terms.confidence)
        for place in range(len(terms.budgets))
    ]
    lines.append(
        Line("as many true labels, without the model", tuple(zip(map(float, terms.budgets), best, strict=True)))
    )
    of = "share of answers that are right" if figure == "accuracy" else "share of answers that are the model's"
    return Curve(f"{figure.capitalize()} of copies", "queries", of, tuple(lines), log=True)


def _digits(copy: Any, weights: Weights, without: float) -> Risk:
    """How many decimal digits of the weights are right: minus log10 of the largest error over the largest weight.

    Of a classifier, weights are compared after those of its first class were taken from them: only differences count.
    """
    worst, largest, count = _errors(copy, weights)
    value = -math.log10(max(worst / largest, EXACT))
    note = f"The largest error of a weight or bias is {worst:.1e}, and the largest of them {largest:.3g}."
    return Risk("weights recovered (digits)", value, value, value, without, count, note=note)


def _errors(copy: Linear, weights: Weights) -> tuple[float, float, int]:
    mine, own = (torch.cat([weight, bias[None]]) for weight, bias in ((copy.weight, copy.bias), weights))
    if copy.classes:
        mine, own = mine - mine[:, :1], own - own[:, :1]
    return float((mine - own).abs().max()), max(float(own.abs().max()), 1e-300), own[:, copy.classes :].numel()


def _plain(without: _Without, weights: Weights, place: int) -> float:
    """The digits that true labels alone give."""
    (copy,) = (one.copies[place] for one in without.learned if isinstance(one.copies[place], Linear))
    return _digits(copy, weights, 0.0).value or 0.0


def _hits(judged: Judged, figure: str) -> Tensor:
    return (judged.right if figure == "accuracy" else judged.agrees)[FIGURES[figure]]


def _constant(game: ExtractionGame, figure: str) -> Tensor:
    """Hits of one answer for all: the commonest class, or the median quantity."""
    held = game.held[FIGURES[figure]]
    wanted = held.truth if figure == "accuracy" and held.truth is not None else held.answers
    if not game.view.classes:
        return ((wanted - wanted.median(0).values).abs() <= game.tolerance).all(1)
    label = wanted.argmax(1)
    return label == label.mode().values
