"""How the risk went while the target was trained, moment by moment."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ml_privacy_meter import signals
from ml_privacy_meter.findings import ByRound, Finding, Moment, Risk
from ml_privacy_meter.membership import MembershipGame, Update, threshold, update_dot
from ml_privacy_meter.playing import beside_blind
from ml_privacy_meter.risk import auc
from ml_privacy_meter.types import Model, Scores
from ml_privacy_meter.watched import Watched

MOST = 40  # moments in a report


def by_round(
    watched: Watched,
    game: MembershipGame,
    findings: Sequence[Finding],
    *,
    confidence: float = 0.95,
    blind: Scores | None = None,
) -> ByRound | None:
    """The AUC of the loss at each moment, of each moment's updates, and the accuracy; None where nobody watched.

    Of more than 40 moments, 40 that are spread evenly, the first and the last among them. Updates are left out where
    the attack `update_dot` was not played, or failed: its finding says why.

    Args:
        blind: scores of an adversary without the model, where it beats chance: its figure is the baseline then.
    """
    if not watched.moments:
        return None
    ran = {finding.attack for finding in findings if not finding.failed}
    updates = watched.updates if update_dot.__name__ in ran else ()
    points: list[tuple[int, Model]] = [(moment.number, moment.model) for moment in watched.moments]
    points.append((watched.ends, game.view.target))
    shown = np.unique(np.linspace(0, len(points) - 1, min(MOST, len(points))).round().astype(int))
    quality = "loss" if game.view.records.labels.is_floating_point() else "accuracy"
    apart = _apart(game, updates)
    moments = []
    for number, model in (points[k] for k in shown):
        here = tuple(update for update in updates if update.round == number)
        view = replace(game.view, target=model, updates=here)
        moments.append(_moment(MembershipGame(view, game.member), number, quality, apart, confidence))
    if blind is not None:
        without = [auc(blind, confidence=confidence)]
        for k, one in enumerate(moments):
            loss, *rest = (beside_blind([risk], without)[0] for risk in (one.loss, one.update) if risk is not None)
            moments[k] = replace(one, loss=loss, update=next(iter(rest), None))
    return ByRound(watched.unit, watched.viewer, quality, len(points), tuple(moments), watched.kind)


def _apart(game: MembershipGame, updates: Sequence[Update]) -> bool:
    """Whether each record is held against the updates of the client that is asked about, as over all rounds."""
    return game.view.client is not None and bool({update.client for update in updates} & {*game.view.client})


def _moment(game: MembershipGame, number: int, quality: str, apart: bool, confidence: float) -> Moment:
    value = game.view.of_target(signals.loss if quality == "loss" else signals.correct)
    means = (float(value[side].mean()) for side in (game.member, ~game.member))
    update = _update(game, apart, confidence)
    return Moment(number, auc(game.play(threshold), confidence=confidence), update, *means)


def _update(game: MembershipGame, apart: bool, confidence: float) -> Risk | None:
    """Of the records whose client sent an update here; None where these are too few."""
    sent = {update.client for update in game.view.updates}
    asked = np.ones(len(game.member), bool) if not apart else np.isin(np.asarray(game.view.client), list(sent))
    rows = torch.from_numpy(asked)
    if not sent or not (game.member & rows).any() or not (~game.member & rows).any():
        return None
    scores = game.play(update_dot)
    found = auc(Scores(scores.score[rows], scores.truth[rows]), confidence=confidence)
    return None if found.value is None else found
