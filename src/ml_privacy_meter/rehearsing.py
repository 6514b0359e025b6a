"""What the same attacks find where the truth is known: reference models in the place of the target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from tqdm.auto import tqdm

from ml_privacy_meter._checks import InputError, why
from ml_privacy_meter.findings import Check, Finding
from ml_privacy_meter.membership import Attack, MembershipGame, as_rehearsed, rehearsals
from ml_privacy_meter.risk.carried import carried
from ml_privacy_meter.risk.records import Measure
from ml_privacy_meter.types import Scores, marked

MOST, FEW = 64, 2  # reference models that play the target; against attacks that learn


@dataclass(frozen=True)
class Rehearsed:
    """Attacks by name, and their scores against each reference model that played the target.

    Args:
        matched: their scores of the target itself, shown with as many reference models as the first of these was played
            with: thresholds and calibrations of rehearsals hold for these.
        failed: why an attack was not rehearsed, by name.
        none: why there were no rehearsals at all; empty where there were.
    """

    scores: Mapping[str, tuple[Scores, ...]]
    matched: Mapping[str, Scores]
    failed: Mapping[str, str]
    none: str = ""

    def check(self) -> Check:
        """Whether all that is chosen and calibrated in rehearsals was chosen among all attacks."""
        says = "Every attack was also played against reference models, where the truth is known."
        if self.failed:
            reasons = "; ".join(f"{name}: {why}" for name, why in self.failed.items())
            says = f"Not played against reference models, and so never chosen as the strongest: {reasons}"
        if self.none:
            says = f"None was: no attack is marked as the strongest, no threshold carried over. {self.none}"
        return Check("Was every attack rehearsed?", not (self.failed or self.none), says)


def rehearse(game: MembershipGame, attacks: Mapping[str, Attack]) -> Rehearsed:
    """Every attack in the same rehearsals; those that learn in the first few. None where there are no references."""
    if not game.view.references:
        return Rehearsed({}, {}, {})
    try:
        return _rehearsed(game, attacks)
    except InputError as problem:  # too few reference models, or the memberships in some tell those in another
        return Rehearsed({}, {}, {}, none=str(problem))


def _rehearsed(game: MembershipGame, attacks: Mapping[str, Attack]) -> Rehearsed:
    scores: dict[str, list[Scores]] = {name: [] for name in attacks}
    matched: dict[str, Scores] = {}
    shown = 0
    failed: dict[str, str] = {}
    count = min(MOST, len(game.view.references))
    with tqdm(total=count * len(attacks), desc="Rehearsing attacks", delay=2, leave=False, disable=None) as bar:
        for number, rehearsal in enumerate(islice(rehearsals(game.view), count)):
            shown = len(rehearsal.view.references) if number == 0 else shown
            if len(rehearsal.view.references) != shown:
                continue  # of an odd last model: its scores are of another scale than those with fewer models
            for name, attack in attacks.items():
                bar.set_postfix_str(name, refresh=False)
                bar.update()
                if name in failed or (number >= FEW and marked(attack, "learns")):
                    continue
                how = marked(attack, "rehearsed_by")
                try:
                    if not how and number == 0:
                        matched[name] = replace(game, view=as_rehearsed(game.view, rehearsal.view)).play(attack)
                    if not how:
                        scores[name].append(rehearsal.play(attack))
                    elif number == 0:
                        settings = attack.keywords if isinstance(attack, partial) else {}
                        scores[name] += how(game.view, few=FEW, **settings)
                except Exception as problem:  # whatever a stranger's attack raises must not cost the others
                    failed[name] = why(problem)
    kept = {name: tuple(found) for name, found in scores.items() if found and name not in failed}
    return Rehearsed(kept, matched, failed)


def with_rehearsals(
    finding: Finding,
    rehearsed: Rehearsed,
    *,
    chosen: Mapping[str, str],
    alone: Sequence[Measure],
    fpr: Sequence[float],
    confidence: float,
) -> Finding:
    """The finding, with what its attack does at thresholds of rehearsals, and the correction of what it is chosen for.

    Args:
        chosen: the attack for each figure.
        alone: these figures at a confidence that is shared out over them, and over no attacks.
    """
    scores = rehearsed.scores.get(finding.attack, ())
    if not scores or finding.scores is None:
        return finding
    target = rehearsed.matched.get(finding.attack, finding.scores)
    taken = [carried(target, scores, fpr=rate, confidence=confidence) for rate in fpr]
    lows = {risk.name: risk.low for risk in (measure(finding.scores) for measure in alone)}
    risks = [
        replace(risk, surely=lows[risk.name]) if risk.surely and chosen.get(risk.name) == finding.attack else risk
        for risk in finding.risks
    ]
    return replace(finding, risks=tuple(risks), rehearsed=scores, carried=tuple(taken))
