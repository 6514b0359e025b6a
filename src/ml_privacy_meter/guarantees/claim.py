"""A guarantee beside the figures of an audit: what it allows each, and whether they keep to it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np

from ml_privacy_meter.findings import ABOVE, Check, Claim, Finding, Risk, fpr_of
from ml_privacy_meter.guarantees.guarantee import Guarantee
from ml_privacy_meter.risk import advantage, auc, tpr_at_fpr
from ml_privacy_meter.types import Scores

KEPT = "Does the measured risk stay under what the guarantee allows?"
BOUNDS = (
    "The ceilings are the most that any attack can reach on average, over training runs with a record and without it, "
    "whatever else it knows, if the claim is true of the code that was run. They do not bound what is learned about "
    "somebody with several records, of a training whose batches were drawn in another way than the claim assumes, from "
    "hyper-parameters or preprocessing that were chosen by looking at the training records, or from earlier models "
    "trained on them."
)


def claimed(guarantee: Guarantee) -> Claim:
    """The guarantee as a report shows it, with points of its curve of largest true positive rates."""
    fpr = np.union1d(np.geomspace(1e-6, 1, 121), np.linspace(0, 1, 101))
    return Claim(guarantee.says, BOUNDS, tuple(fpr.tolist()), tuple(guarantee.tprs(fpr).tolist()))


def ceilings(guarantee: Guarantee, names: Iterable[str]) -> dict[str, float]:
    """The most that each of these figures can be, of those that a guarantee bounds: power and error alone are not."""
    apart = guarantee.advantage()
    fixed = {"AUC": guarantee.auc(), "balanced accuracy": (1 + apart) / 2, "advantage": apart}
    rates = {name: guarantee.tpr(rate) for name in names if (rate := fpr_of(name)) is not None}
    return {name: most for name, most in (fixed | rates).items() if name in names}


def held(
    guarantee: Guarantee | None, findings: tuple[Finding, ...], checks: Sequence[Check], *, confidence: float
) -> tuple[tuple[Finding, ...], tuple[Check, ...]]:
    """The findings with the ceilings of the guarantee, and the check whether they keep to it; nothing without one.

    Each figure of each attack is asked once whether it lies above its ceiling, at a significance that is shared out
    over all of them. Balanced accuracy answers as the advantage does, which it follows from. Groups are not asked.

    Args:
        checks: those made before: where one voids the audit, the figures say nothing of the guarantee.
        confidence: of all answers together.
    """
    if guarantee is None:
        return findings, ()
    most = ceilings(guarantee, dict.fromkeys(risk.name for finding in findings for risk in finding.risks))
    asked = [name for name in most if name != "balanced accuracy"]
    each = 1 - 2 * (1 - confidence) / max(len(findings) * len(asked), 1)  # only one end of an interval is looked at
    void = any(check.voids and not check.passed for check in checks)
    told, above, taken = [], [], 0
    for finding in findings:
        sure = [] if finding.scores is None else [_measured(name, finding.scores, each) for name in asked]
        over = {} if void else {risk.name: risk for risk in sure if risk.low > most[risk.name]}
        taken += sum(risk.value is not None for risk in sure)
        above += [(finding.attack, risk, most[name]) for name, risk in over.items()]
        told.append(_under(finding, most, {*over, *(["balanced accuracy"] if "advantage" in over else [])}))
    return tuple(told), (_check(guarantee, above, void=void, taken=taken, share=1 - confidence),)


def _measured(name: str, scores: Scores, confidence: float) -> Risk:
    rate = fpr_of(name)
    if rate is not None:
        return tpr_at_fpr(scores, fpr=rate, confidence=confidence)
    return (auc if name == "AUC" else advantage)(scores, confidence=confidence)


def _under(finding: Finding, most: dict[str, float], over: Collection[str]) -> Finding:
    def ceiled(risk: Risk) -> Risk:
        return replace(risk, ceiling=most.get(risk.name))

    noted = [replace(r, note=f"{ABOVE} {r.note}".strip()) if r.name in over else r for r in finding.risks]
    groups = tuple(replace(group, risks=tuple(map(ceiled, group.risks))) for group in finding.groups)
    return replace(finding, risks=tuple(map(ceiled, noted)), groups=groups)


def _check(
    guarantee: Guarantee, above: list[tuple[str, Risk, float]], *, void: bool, taken: int, share: float
) -> Check:
    claim = f"Claimed: {guarantee.says}. It allows an AUC of up to {guarantee.auc():.4f}."
    if void:
        why = "another check says that the figures measure something else than the model"
        return Check(KEPT, False, f"Not checked: {why}. {claim}")
    if not taken:
        return Check(KEPT, False, f"Not checked: no figure that it bounds could be taken of so few records. {claim}")
    if not above:
        said = "No figure lies surely above its ceiling. That is no proof: an attack that was not run may lie above."
        return Check(KEPT, True, f"{said} {claim}")
    attack, risk, most = max(above, key=lambda one: one[1].low - one[2])
    others = f" So do other figures ({len(above) - 1})." if len(above) > 1 else ""
    said = (
        f"No. The claim allows {risk.name} {most:.4f} at most, and the attack {attack} reaches {risk.value:.4f}, "
        f"surely more than {risk.low:.4f}.{others} Either the claim does not hold for this model (noise left out, "
        "gradients clipped for a whole batch, batches drawn otherwise), or the audit is wrong (members that are not "
        f"its training records). A claim that holds is so refuted in at most {100 * share:.3g}% of audits, of "
        f"records that do not depend on each other. {claim}"
    )
    return Check(KEPT, False, said)
