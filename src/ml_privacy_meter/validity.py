"""Is this audit valid? What can be asked about it, in the order in which a report says it."""

from collections.abc import Sequence

import torch

from ml_privacy_meter import signals
from ml_privacy_meter.case import Case
from ml_privacy_meter.findings import Calibration, Check, Finding
from ml_privacy_meter.membership import MembershipGame
from ml_privacy_meter.rehearsing import Rehearsed
from ml_privacy_meter.risk import checks, texts
from ml_privacy_meter.signals.gradient_gap import cut_off, why_none
from ml_privacy_meter.signals.tokens import are_texts
from ml_privacy_meter.types import Scores
from ml_privacy_meter.watched import by_client

_NO_WEIGHTS = "none that is played here reads the weights of a language model"


def checks_of(
    case: Case,
    game: MembershipGame,
    findings: Sequence[Finding],
    blind: Scores | None,
    confidence: float,
    rehearsed: Rehearsed,
    calibration: Calibration | None,
) -> tuple[Check, ...]:
    """What can be asked of the validity of an audit, each answered.

    Args:
        blind: what a classifier makes of some records that never asks the model; None where there are no features.
        calibration: of the membership probabilities; None where there are none.
    """
    labels = case.everyone.labels
    found = [shifted(case, blind, confidence)]
    found.append(checks.duplicates(case.pairs, int((~case.member).sum())))
    if are_texts(labels):
        found += _of_texts(case, game, confidence)
    if labels.dtype == torch.int64 and not are_texts(labels):
        found.append(checks.class_mix(labels[case.member].numpy(), labels[~case.member].numpy()))
    if not labels.is_floating_point():
        right = game.view.reader.signal(signals.correct, case.target, game.view.records)
        found.append(checks.better_on_members(right, game.member))
    found.append(checks.repeatable(case.target.deterministic))
    read = any("the target model's weights" in found.sees.lower() for found in findings)
    why = _NO_WEIGHTS if are_texts(labels) else why_none(case.target, *case.few())
    if why and not read and case.target.access == "parameters":
        found.append(checks.weights_played(why))
    if read and not why:
        less, of = cut_off(case.target, case.few()[0])
        found += [checks.layers_reached(less, of)] * bool(less)
    found += [checks.varied_scores(f.attack, f.scores) for f in findings if f.scores is not None]
    if case.beside.models:
        inside = case.beside.inside
        if inside is not None and inside.any():
            found.append(checks.memberships(inside, game.member))
        if case.beside.public is not None:
            found.append(checks.public_apart(case.public, len(case.everyone)))
        found.append(rehearsed.check())
    if rehearsed.scores and calibration is not None:
        found.append(checks.calibrated(calibration))
    return (*found, *case.watched.checks, *by_client(case.dealt, found[0]))


def shifted(case: Case, blind: Scores | None, confidence: float) -> Check:
    """Whether members and non-members differ without the model."""
    most = texts.MOST_BLIND if are_texts(case.everyone.labels) else None
    return checks.shift(blind, confidence=confidence, most=most)


def _of_texts(case: Case, game: MembershipGame, confidence: float) -> list[Check]:
    found = [texts.repeated(case.features.x, case.member)]
    if game.view.base is not None:
        loss = game.view.reader.signal(signals.loss, game.view.base, game.view.records)
        found.append(texts.base_alone(Scores(-loss, case.member), confidence=confidence))
    return found
