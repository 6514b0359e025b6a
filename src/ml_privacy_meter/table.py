"""How exposed each record is: the table of an audit."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter import signals
from ml_privacy_meter.findings import Finding
from ml_privacy_meter.membership import Attack, MembershipGame
from ml_privacy_meter.rehearsing import Rehearsed
from ml_privacy_meter.risk import auc
from ml_privacy_meter.risk.memorization import memorization
from ml_privacy_meter.risk.probability import cross_fitted, membership_probability
from ml_privacy_meter.risk.records import vulnerability
from ml_privacy_meter.types import Records, Scores, marked

OWN_COLUMNS = (
    *("id", "member", "class", "membership_probability", "attack", "score"),
    *("memorization", "memorization_se", "vulnerability"),
)


def table(
    everyone: Records,
    game: MembershipGame,
    groups: Mapping[str, np.ndarray],
    findings: Sequence[Finding],
    attacks: Sequence[Attack],
    rehearsed: Rehearsed,
) -> pd.DataFrame:
    """One row a record: who it is, how exposed it is, and what every attack said of it.

    The probability of membership comes from `stacked` where it was played, whose scores are log-odds; else from the
    attack that did best in rehearsals, calibrated there; without rehearsals, from the attack with the highest AUC,
    calibrated on these same records.
    """
    columns: dict[str, Any] = {"id": everyone.id.astype(str), "member": game.member.numpy(), **groups}
    ran = _ran(findings, attacks)
    scores = {finding.attack: finding.scores for finding, _ in ran if finding.scores is not None}
    if not scores:
        return pd.DataFrame(columns | {"membership_probability": np.nan, "attack": "", "score": np.nan})
    odds = _giving_log_odds(ran)
    found = list(scores.values())
    if odds:
        best = max(odds, key=lambda place: _mean_auc(ran[place][0].rehearsed))
        probability, which = found[best].score.sigmoid(), np.full(len(everyone), best)
    else:
        judged = [rehearsed.matched.get(name, scores[name]) for name in scores]
        probability, which = membership_probability(judged, [finding.rehearsed for finding, _ in ran])
    columns["membership_probability"] = probability.numpy()
    columns["attack"] = pd.Categorical.from_codes(which, pd.Index(list(scores)))
    columns["score"] = np.empty(len(which))
    for k, one in enumerate(found):
        columns["score"][which == k] = one.score.numpy()[which == k]
    columns |= _by_references(game, [finding.rehearsed for finding, _ in ran])
    return pd.DataFrame(columns | {f"score: {attack}": s.score.numpy() for attack, s in scores.items()})


def learned_apart(findings: Sequence[Finding], attacks: Sequence[Attack]) -> Float[Tensor, " records"] | None:
    """Probabilities of the same records, learned from others than each; None where those of the table already are."""
    ran = _ran(findings, attacks)
    if not ran or _giving_log_odds(ran) or any(finding.rehearsed for finding, _ in ran):
        return None
    return cross_fitted([finding.scores for finding, _ in ran if finding.scores is not None])


def _ran(findings: Sequence[Finding], attacks: Sequence[Attack]) -> list[tuple[Finding, Attack]]:
    return [(finding, attack) for finding, attack in zip(findings, attacks, strict=True) if not finding.failed]


def _giving_log_odds(ran: Sequence[tuple[Finding, Attack]]) -> list[int]:
    return [place for place, (_, attack) in enumerate(ran) if marked(attack, "gives_log_odds")]


def _by_references(game: MembershipGame, rehearsed: Sequence[tuple[Scores, ...]]) -> dict[str, np.ndarray]:
    """What reference models tell of each record, whatever the target does."""
    view, columns = game.view, {}
    if view.inside is None or not view.inside.any():
        return {}
    if not view.records.labels.is_floating_point():
        seen = view.signals(signals.correct)
        value, error = memorization(seen.reference, seen.inside)
        columns = {"memorization": value.numpy(), "memorization_se": error.numpy()}
    most = max(map(len, rehearsed))
    if most > 1:
        whole = [games for games in rehearsed if len(games) == most]
        of = max(whole, key=_mean_auc)
        columns["vulnerability"] = vulnerability(of).numpy()
    return columns


def _mean_auc(games: Sequence[Scores]) -> float:
    return float(np.mean([auc(game).value or 0.0 for game in games])) if games else 0.0
