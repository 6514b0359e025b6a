"""Who contributed to the training: every attack on records, and one on authors, held against users."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter import signals
from ml_privacy_meter._checks import InputError, why
from ml_privacy_meter.by_user import ByUser, ExposedUser, Known, OfShare, UserFinding
from ml_privacy_meter.case import BLIND_WIDTH, LARGE, Case
from ml_privacy_meter.findings import Check, Finding, Risk
from ml_privacy_meter.membership import Attack, MembershipGame, UserView, View, mean_by_user
from ml_privacy_meter.membership.rank_histogram import rank_histogram
from ml_privacy_meter.playing import beside_blind, measures_of
from ml_privacy_meter.risk import auc
from ml_privacy_meter.risk.records import Measure
from ml_privacy_meter.risk.roc import FEWEST
from ml_privacy_meter.risk.users import users_alike, without_model
from ml_privacy_meter.signals.store import content_key
from ml_privacy_meter.signals.tokens import are_texts
from ml_privacy_meter.types import Scores, marked
from ml_privacy_meter.user_trials import Trials, is_held_out, shadows, trials

KNOWN = (1, 4, 10, 20)  # records of each user that the adversary has
PARTS = 3  # by the users' shares of the training data
EXPOSED = 20

ByKnown = Mapping[int, Scores]  # of users, by the number of their records that are known


@dataclass(frozen=True)
class _Figures:
    """How figures are taken: ``joint`` at a confidence that is shared out over all of them."""

    measures: Sequence[Measure]
    joint: Sequence[Measure]
    confidence: float
    blind: Mapping[int, Risk]


def without_outsiders(case: Case, game: MembershipGame) -> tuple[tuple[Case, MembershipGame], Case, MembershipGame]:
    """The whole, for `by_user`; and what is asked about single records: where users inside have records that were not
    trained on, these alone are set against the members, and no records of users outside, who may differ.
    """
    if case.user is None or not is_held_out(case.user, case.member):
        return (case, game), case, game
    inside = np.isin(case.user.astype(str), case.user[case.member.numpy()].astype(str))
    rows = np.flatnonzero(inside)
    here = None if case.beside.inside is None else case.beside.inside[torch.from_numpy(rows)]
    asked = None if case.asked is None else case.asked[rows]
    key = content_key(case.features.key, rows) if case.features.key else ""
    part = replace(
        case,
        everyone=case.everyone.take(rows),
        features=replace(case.features.take(rows), key=key),
        member=case.member[torch.from_numpy(rows)],
        beside=replace(case.beside, inside=here),
        asked=asked,
        user=case.user[rows],
    )
    view = replace(game.view, records=game.view.records.take(rows), inside=here, client=asked)
    return (case, game), part, MembershipGame(view, part.member)


def by_user(
    case: Case,
    game: MembershipGame,
    attacks: Sequence[Attack],
    findings: Sequence[Finding],
    *,
    fpr: Sequence[float],
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[ByUser | None, tuple[Check, ...]]:
    """How well each attack tells users with records among the members from others; None where no users are named.

    A user is asked about by records that were not trained on, where enough users inside have some, and by as many
    records of each: were users outside to have more, their means would spread less, and that is no leak. Attacks are
    played anew, in folds that no user is in two of; `stacked`, those that watched the training, and those that know
    other records' truth, which may be the same user's, are left out.
    """
    if case.user is None:
        return None, ()
    held = trials(case.user, game, most=max(KNOWN), seed=seed)
    numbers = _resolvable(held)
    played = [(f, attack) for f, attack in zip(findings, attacks, strict=True) if not f.failed and _asks(attack)]
    blind, check = _blind(case, held, numbers, confidence, seed)
    joint = 1 - (1 - confidence) / ((len(played) + 1) * len(numbers) * (1 + len(fpr)))
    beaten = {} if check.passed or not check.voids else blind
    taken = [measures_of(fpr, at)[: 1 + len(fpr)] for at in (confidence, joint)]
    figures = _Figures(taken[0], taken[1], confidence, beaten)
    asked = held.game(game.view)
    found = [_of_records(f, attack, asked, held, numbers, figures) for f, attack in played]
    found += _of_authors(case.user, game, asked.view, held, numbers, figures, seed)
    best = _best([scores for _, scores in found])
    report = ByUser(
        column=case.users,
        held_out=held.held_out,
        inside=int(held.inside.sum()),
        outside=int((~held.inside).sum()),
        left_out=int((held.inside & (held.count == 0)).sum()),
        findings=tuple(finding for finding, _ in found),
        blind=tuple(blind.items()),
        exposed=() if best is None else _exposed(held, found[best][1], numbers[-1]),
        exposed_by=("", 0) if best is None else (found[best][0].attack, numbers[-1]),
        note=held.note,
    )
    return report, (check,)


def _asks(attack: Attack) -> bool:
    return not any(marked(attack, mark) for mark in ("gives_log_odds", "watches", "needs_known"))


def _resolvable(held: Trials) -> list[int]:
    """Numbers of records that enough users of either kind have; the least one, where none is."""
    found = [n for n in KNOWN if all((held.count[side] >= n).sum() >= FEWEST for side in (held.inside, ~held.inside))]
    if found:
        return found
    if not (held.inside & (held.count > 0)).any() or not (~held.inside & (held.count > 0)).any():
        raise InputError(
            "Users need to be of two kinds, those with records among the members and those without, found "
            f"{int(held.inside.sum())} and {int((~held.inside).sum())}. Leave all records of some users out of the "
            "training, and give them with the non-members."
        )
    return [KNOWN[0]]


def _of_records(
    finding: Finding, attack: Attack, game: MembershipGame, held: Trials, numbers: Sequence[int], figures: _Figures
) -> tuple[UserFinding, ByKnown]:
    """An attack on records, whose scores are averaged for each user."""
    try:
        score = game.play(attack, dealt=held.dealt).score
        scores = {n: held.scores(mean_by_user(score[held.first(n)], n), n) for n in numbers}
    except Exception as failure:  # as in `playing.play`
        return _failed(finding.attack, finding.says, failure), {}
    return _finding(finding.attack, finding.says, scores, held, figures), scores


def _of_authors(
    user: np.ndarray,
    game: MembershipGame,
    view: View,
    held: Trials,
    numbers: Sequence[int],
    figures: _Figures,
    seed: int,
) -> list[tuple[UserFinding, ByKnown]]:
    """An attack that takes all texts of an author together, where reference models have authors of their own."""
    if not are_texts(game.view.records.labels) or not view.references:
        return []
    name, says = rank_histogram.__name__, (inspect.getdoc(rank_histogram) or "").splitlines()[0]
    scores = {}
    for n in numbers:
        beside = shadows(user, game.view, known=n, held_out=held.held_out, seed=seed)
        if not beside:
            return []
        part = replace(view, records=view.records.take(held.first(n)), inside=None)
        try:
            scores[n] = held.scores(rank_histogram(UserView(part, n, beside)), n)
        except Exception as failure:  # as in `playing.play`
            return [(_failed(name, says, failure), {})]
    return [(_finding(name, says, scores, held, figures), scores)]


def _failed(name: str, says: str, failure: Exception) -> UserFinding:
    return UserFinding(name, says, failed=why(failure))


def _finding(name: str, says: str, scores: ByKnown, held: Trials, figures: _Figures) -> UserFinding:
    most = max(scores)
    rows = []
    for n, one in scores.items():
        risks = [
            replace(measure(one), surely=joint(one).low)
            for measure, joint in zip(figures.measures, figures.joint, strict=True)
        ]
        same = auc(one.where(held.among(n, most)), confidence=figures.confidence)
        if (blind := figures.blind.get(n)) is not None:
            without = [blind, *(replace(risk, value=None) for risk in risks[1:])]
            risks, (same,) = beside_blind(risks, without), beside_blind([same], [blind])
        inside = int(one.truth.sum())
        rows.append(Known(n, inside, len(one.truth) - inside, tuple(risks), same))
    return UserFinding(name, says, tuple(rows), _by_share(scores[most], held.share_of(most), figures))


def _by_share(scores: Scores, share: Float[Tensor, " users"], figures: _Figures) -> tuple[OfShare, ...]:
    """Users inside in parts of about one size, by their share of the training data; none where these are too few."""
    edges = share[scores.truth].quantile(torch.linspace(0, 1, PARTS + 1, dtype=share.dtype)[1:-1])
    part = torch.bucketize(share, edges)  # users with the same share stay together
    found = []
    for number in range(PARTS):
        here = scores.truth & (part == number)
        if int(here.sum()) >= FEWEST:
            of, risk = share[here], auc(scores.where(here | ~scores.truth), confidence=figures.confidence)
            found.append(OfShare(float(of.min()), float(of.max()), len(of), risk))
    return tuple(found) if len(found) > 1 else ()


def _best(found: Sequence[ByKnown]) -> int | None:
    """Of these attacks, the one with the highest AUC where most records are known."""
    values = [auc(scores[max(scores)]).value if scores else None for scores in found]
    reached = [-1.0 if value is None else value for value in values]
    return int(np.argmax(reached)) if reached and max(reached) >= 0 else None


def _exposed(held: Trials, scores: ByKnown, known: int) -> tuple[ExposedUser, ...]:
    one, which = scores[known], held.users(known)
    others = one.others
    order = one.score.argsort(descending=True, stable=True)
    return tuple(
        ExposedUser(
            user=str(held.names[which[row]]),
            trained=int(held.trained[which[row]]),
            share=float(held.share_of(known)[row]),
            score=float(one.score[row]),
            above=float((others < one.score[row]).double().mean()),
        )
        for row in order.tolist()
        if one.truth[row]
    )[:EXPOSED]


def _blind(
    case: Case, held: Trials, numbers: Sequence[int], confidence: float, seed: int
) -> tuple[dict[int, Risk], Check]:
    """What is reached without the model, by the number of records known, and whether that is more than chance."""
    score, judged = without_model(_content(case, held), held.of, torch.from_numpy(held.inside), seed=seed)
    found, sure = {}, {}
    for n in numbers:
        rows = judged[held.users(n)]
        truth = torch.from_numpy(held.inside[held.users(n)])[rows]
        if truth.any() and not truth.all():
            one = Scores(mean_by_user(score[held.first(n)], n)[rows], truth)
            found[n], sure[n] = (auc(one, confidence=at) for at in (confidence, max(confidence, 0.99)))
    most = max((n for n in found if found[n].value is not None), default=numbers[0])
    return found, users_alike(found.get(most), sure.get(most), most)


def _content(case: Case, held: Trials) -> list[str] | np.ndarray:
    """The words of the records asked about, or their numbers."""
    batch = case.features.x[held.rows]
    if isinstance(batch, pd.DataFrame) and "text" in batch and are_texts(case.everyone.labels):
        before = batch["prefix"].astype(str) + " " if "prefix" in batch else ""
        return list(before + batch["text"].astype(str))
    stride = -(-max(1, int(np.prod(batch.shape[1:]))) // BLIND_WIDTH)
    width = int(np.prod(batch.shape[1:]))
    found = signals.inputs(case.target, batch, case.features.labels[torch.from_numpy(held.rows)], width=max(1, width))
    return found[:, ::stride].clamp(-LARGE, LARGE).numpy()
