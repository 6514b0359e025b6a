"""The attribute game, measured: figures of each attack, checks, and what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from ml_privacy_meter._checks import why
from ml_privacy_meter.attribute import Attack, AttributeGame, Guesses, imputation, prior
from ml_privacy_meter.findings import Group, Risk
from ml_privacy_meter.games import Game, Tried
from ml_privacy_meter.inferring.attribute_checks import checks
from ml_privacy_meter.inferring.hidden_columns import Asked
from ml_privacy_meter.membership.describe import told
from ml_privacy_meter.report import numbers
from ml_privacy_meter.risk.guesses import area, area_excess, area_leak, fewer, leak, surest, surest_leak
from ml_privacy_meter.risk.rates import excess, success

RARE = 0.8  # where one value is commoner, naming it always is right so often that rates of right guesses hide a leak
GAIN = "accuracy over imputation's"
EXCESS = ", excess on members"
FIGURES = 3  # that a verdict may rest on
VOID = "These figures measure something else than the model: see the checks. Decide nothing by them."
FEWEST = 20  # members and non-members of a group


def measured(
    game: AttributeGame, asked: Asked, attacks: Sequence[Attack], *, games: int, top: float, confidence: float
) -> Game:
    """The attacks and two adversaries without the model, played and measured.

    Args:
        games: how many are played together: the luckiest attack of all of them is no leak.
    """
    plain, without = game.play(prior), game.play(imputation)
    figures = partial(_figures, asked=asked, top=top, confidence=confidence)
    blind = Guesses(torch.zeros_like(plain.score), plain.right)
    baselines = (Tried(*told(prior), figures(plain, blind)), Tried(*told(imputation), figures(without, plain)))
    rare = not asked.quantity and float(game.view.prior.exp().max()) > RARE
    shared = 1 - (1 - confidence) / (len(attacks) * games * FIGURES)
    tried: list[Tried] = []
    leaks: list[list[Risk]] = []
    for attack in attacks:
        try:
            found = game.play(attack)
        except Exception as failure:  # whatever a stranger's attack raises belongs in the report
            tried.append(Tried(*told(attack), failed=why(failure)))
            leaks.append([])
            continue
        risks = (*figures(found, without), *_gains(found, without, asked, confidence))
        tried.append(Tried(*told(attack), risks, groups=_groups(found, without, asked, confidence)))
        leaks.append(_leaks(found, without, asked, rare=rare, top=top, confidence=confidence, shared=shared))
    return _game(game, asked, baselines, judged(tried, leaks), rare=rare, top=top)


def judged(tried: Sequence[Tried], leaks: Sequence[Sequence[Risk]]) -> tuple[Tried, ...]:
    """The attacks, each with what the verdict rests on: the first of its leaks by which any attack surely shows one.

    Where none shows, the first that could be measured.
    """
    count = max((len(found) for found in leaks), default=0)
    shown = [
        any(found and replace(one, excess=found[of]).shows for one, found in zip(tried, leaks, strict=True))
        for of in range(count)
    ]
    known = [any(found and found[of].value is not None for found in leaks) for of in range(count)]
    chosen = next((of for which in (shown, known) for of in range(count) if which[of]), 0)
    return tuple(
        replace(one, excess=found[chosen], risks=(*one.risks, *found[:chosen], *found[chosen + 1 :])) if found else one
        for one, found in zip(tried, leaks, strict=True)
    )


def _figures(found: Guesses, without: Guesses, *, asked: Asked, top: float, confidence: float) -> tuple[Risk, ...]:
    """How often guesses are right of members and of non-members, all and the surest; how well they rank."""
    risks = []
    for side, of in asked.sides:
        hit, other = found.hit[of], without.hit[of]
        risks.append(success(hit, baseline=float(other.mean()), name=f"accuracy, {side}", confidence=confidence))
        if asked.quantity:
            far = asked.secret.distance(asked.table)[of]
            errors, others = ((guesses.named[of] * far).sum(1) for guesses in (found, without))
            risks.append(fewer(errors, others, name=f"mean absolute error, {side}", confidence=confidence))
        else:
            ranked = partial(area, right=found.right[of], name=f"AUC, {side}", confidence=confidence)
            base = ranked(without.odds[of], baseline=0.5).value
            risks.append(ranked(found.odds[of], baseline=0.5 if base is None else base))
        best = partial(surest, share=top, name=f"{_surest(top)}, {side}", confidence=confidence)
        plain = best(other, without.odds[of].amax(1), baseline=0.0).value
        risks.append(best(hit, found.odds[of].amax(1), baseline=plain or 0.0))
    return tuple(risks)


def _gains(found: Guesses, without: Guesses, asked: Asked, confidence: float) -> tuple[Risk, ...]:
    """How much more often guesses are right than those without the model, of either side."""
    risks = []
    for side, of in asked.sides:
        hits = found.hit[of], without.hit[of]
        risks.append(excess(*hits, name=f"{GAIN}, {side}", confidence=confidence))
        if not asked.quantity:
            odds = found.odds[of], without.odds[of], found.right[of]
            risks.append(area_excess(*odds, name=f"AUC over imputation's, {side}", confidence=confidence))
    return tuple(risks)


def _leaks(
    found: Guesses, without: Guesses, asked: Asked, *, rare: bool, top: float, confidence: float, shared: float
) -> list[Risk]:
    """What the verdict may rest on, the first first: all guesses, how they rank, and the surest of them."""
    hits, sure, member = (found.hit, without.hit), (found.odds.amax(1), without.odds.amax(1)), asked.member
    by_rate = partial(leak, *hits, member, name=f"accuracy{EXCESS}")
    by_area = partial(area_leak, found.odds, without.odds, found.right, member, name=f"AUC{EXCESS}")
    surest = partial(surest_leak, hits, sure, member, share=top, name=f"{_surest(top)}{EXCESS}")
    order = [by_rate, surest] if asked.quantity else [by_area, by_rate, surest] if rare else [by_rate, by_area, surest]
    return [replace(of(confidence=confidence), surely=of(confidence=shared).low) for of in order]


def _groups(found: Guesses, without: Guesses, asked: Asked, confidence: float) -> tuple[Group, ...]:
    """The same of the records that share a value, where there are enough."""
    groups = []
    for column, values in asked.groups.items():
        for value in np.unique(values):
            here = torch.from_numpy(values == value)
            inside, outside = (int((here & of).sum()) for _, of in asked.sides)
            if min(inside, outside) >= FEWEST:
                hit, other, member = found.hit[here], without.hit[here], asked.member[here]
                base = float(other[member].mean())
                risks = (
                    success(hit[member], baseline=base, name="accuracy, members", confidence=confidence),
                    leak(hit, other, member, name="excess on members", confidence=confidence),
                )
                groups.append(Group(column, str(value), inside, outside, risks))
    return tuple(groups)


def _game(
    game: AttributeGame,
    asked: Asked,
    baselines: tuple[Tried, Tried],
    tried: tuple[Tried, ...],
    *,
    rare: bool,
    top: float,
) -> Game:
    """All that was found of one secret, in words."""
    name, view = asked.secret.name, game.view
    looked = checks(view, asked, baselines)
    auxiliary, sizes = len(view.secret), [int(of.sum()) for _, of in asked.sides]
    whence = "given beside the others" if asked.own else "cut from the non-members; none of them is asked about"
    hidden = f"`{name}`" + (f" and, as they are dropped, {_listed(asked.dropped)}" if asked.dropped else "")
    knows = (
        f"The adversary knows all columns of a record but {hidden}, and its label. It has {auxiliary:,} records of its "
        f"own with the secret ({whence}), and asks the model about each record with each of {len(view.candidates)} "
        "candidates filled in."
    )
    figures = {one.attack: {risk.name: risk.value for risk in one.risks} for one in baselines}
    right = [f"{figures[one][f'accuracy, {side}']:.1%}" for one in figures for side, _ in asked.sides]
    without = (
        f"Imputation, learned from the same {auxiliary:,} records without the model, is right for {right[2]} of "
        f"members and {right[3]} of non-members. The commonest value is right for {right[0]} and {right[1]}."
    )
    return Game(
        name="attribute",
        secret=name,
        question=f"What does the hidden column `{name}` of a record hold?",
        knows=knows,
        without=without,
        baselines=baselines,
        tried=tried,
        verdict=VOID if any(one.voids and not one.passed for one in looked) else verdict(tried, baselines[1]),
        checks=looked,
        notes=_notes(game, asked, rare),
        how={
            "members": sizes[0],
            "non_members": sizes[1],
            "auxiliary": auxiliary,
            "auxiliary_given": asked.own,
            "candidates": list(view.candidates),
            "tolerance": asked.secret.tolerance if asked.quantity else None,
            "dropped": list(asked.dropped),
            "most_questions": len(view.candidates) * (len(asked.table) + auxiliary),
            "top": top,
            "seed": view.seed,
        },
    )


def verdict(tried: Sequence[Tried], imputed: Tried) -> str:
    """What the excess of each attack says, and what it does not."""
    by = {one.attack: {risk.name: risk for risk in one.risks} for one in tried if not one.failed}
    shown = [one for one in tried if one.shows and one.excess is not None]
    said = _shown(shown, by)
    if not said:
        said.append(
            "No leak of training records shown: no attack surely gains on imputation for members, and more than for "
            "non-members. Others might."
            if by
            else "No attack ran to its end: nothing can be said."
        )
    known = {risk.name: risk for risk in imputed.risks}["accuracy, members"].value or 0.0
    below = [name for name, risks in by.items() if risks[f"{GAIN}, members"].high < 0]
    if below:
        rates = ", ".join(f"`{name}` ({by[name]['accuracy, members'].value or 0.0:.1%})" for name in below)
        said.append(
            f"Less often right for members than imputation is without the model ({known:.1%}): {rates}. These rates "
            "are no leak."
        )
    general = [f"`{name}`" for name, risks in by.items() if risks[f"{GAIN}, non-members"].low > 0]
    if general:
        said.append(
            f"For non-members, too, imputation is beaten, by {', '.join(general)}: so much the model tells of records "
            "in general."
        )
    return " ".join(said)


def _shown(shown: Sequence[Tried], by: Mapping[str, Mapping[str, Risk]]) -> list[str]:
    """What is surely told of members; the verdict rests on one figure, the same for all that show."""
    if not shown or shown[0].excess is None:
        return []
    figure = shown[0].excess.name.removesuffix(EXCESS)
    sides = [[by[one.attack][f"{figure}, {side}"] for one in shown] for side in ("members", "non-members")]
    reached = [
        ", ".join(f"{_value(risk)} by `{one.attack}`" for one, risk in zip(shown, side, strict=True)) for side in sides
    ]
    return [
        f"The model tells of its training records. The {figure} on members is {reached[0]}; imputation, without the "
        f"model, reaches {numbers.value(figure, sides[0][0].baseline)}. On non-members it is {reached[1]}; imputation "
        f"reaches {numbers.value(figure, sides[1][0].baseline)}."
    ]


def _value(risk: Risk) -> str:
    return "not known" if risk.value is None else numbers.value(risk.name, risk.value)


def _surest(top: float) -> str:
    return f"accuracy of the surest {top:.0%}"


def _notes(game: AttributeGame, asked: Asked, rare: bool) -> tuple[str, ...]:
    notes = [
        "Excess over imputation is what the model adds to what the other columns tell anyway. Only what it adds for "
        "members beyond what it adds for non-members is about training records. An excess on members is the smaller of "
        "these two figures.",
        "The verdict rests on how often guesses are right; where that shows nothing, on how well they rank, and then "
        "on the surest of them. Its intervals hold for all attacks and all of these figures at once.",
    ]
    if asked.quantity:
        notes.append(
            f"A guess of a quantity is right where it lies within {asked.secret.tolerance:g} of the true value; the "
            "candidates are the middles of bins that hold equally many of the adversary's records."
        )
    if rare:
        notes.append(
            f"More than {RARE:.0%} of the adversary's records hold one value, so that naming it always is nearly "
            "always right. The verdict rests on how well guesses rank before it looks at how often they are right."
        )
    if asked.dropped:
        notes.append(
            f"Where the model takes {_listed(asked.dropped)}, it was handed what stands in the adversary's record "
            "that, with the same candidate, is most like the one asked about."
        )
    if asked.groups:
        notes.append("Each interval of a group stands by itself: of many groups, some lie above 0 by luck.")
    if lost := int((~game.right.any(1)).sum()):
        which = "lie near" if asked.quantity else "hold"
        notes.append(f"{lost:,} records {which} none of the candidates: no guess of them is right.")
    return tuple(notes)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
