"""One attack, played and measured."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ml_privacy_meter._checks import why
from ml_privacy_meter.findings import Finding, Risk
from ml_privacy_meter.membership import Attack, MembershipGame, access, describe, watches_of, weights_read
from ml_privacy_meter.risk import advantage, auc, balanced_accuracy, error, power, tpr_at_fpr
from ml_privacy_meter.risk.records import Measure, by_group
from ml_privacy_meter.types import Scores, marked

OUTPUTS = "the target model's output for each record"
WEIGHTS = "the target model's weights"
SNAPSHOTS = "the target model, and the same model at earlier moments of its training (snapshots). At each, it sees"
UPDATES = {
    "clients": "The updates are each client's own.",
    "average": "The updates are averages over all clients of a round.",
    "differences": "The updates are how the whole model changed from one moment to the next.",
}


def play(
    game: MembershipGame,
    attack: Attack,
    measures: Sequence[Measure],
    *,
    joint: Sequence[Measure] = (),
    groups: Mapping[str, np.ndarray] | None = None,
    blind: Scores | None = None,
    viewer: str = "",
    updates: str = "none",
) -> Finding:
    """What the attack finds: its figures, in all and by group. An attack that fails is a finding that says so.

    Args:
        measures: the figures to take.
        joint: the same figures at a confidence that is shared out over all that the report holds.
        groups: columns, in the order of the game's records.
        blind: scores of an adversary without the model, where it beats chance: its figures are the baselines then.
        viewer: who watched the target's training, in words.
        updates: what it saw to change: one of `UPDATES`, or "none".
    """
    documented = attack.func if isinstance(attack, partial) else attack
    says, sees = _docstring(documented.__doc__ or "", "Sees from outside: " * (access(attack) == "outputs"))
    for value in attack.keywords.values() if isinstance(attack, partial) else ():
        text = (value.func if isinstance(value, partial) else value).__doc__
        if callable(value) and text:
            says += f" Here, {describe(value)}: {_docstring(text)[0]}"
    sees = _by_weights(attack, _by_signal(attack, sees))
    if watches_of(attack) == "snapshots" and not marked(attack, "watches"):
        sees = f"{SNAPSHOTS} {sees[0].lower()}{sees[1:]}"
    if viewer and watches_of(attack):
        sees = f"{sees} Here that is {viewer}."
        sees += f" {UPDATES[updates]}" if marked(attack, "watches") == "updates" and updates in UPDATES else ""
    name = describe(attack)
    try:
        scores = game.play(attack)
    except Exception as failure:  # whatever a stranger's attack raises belongs in the report
        return Finding(name, says, sees, None, failed=why(failure))
    risks = [measure(scores) for measure in measures]
    if joint:
        risks = [replace(r, surely=measure(scores).low) for r, measure in zip(risks, joint, strict=True)]
    found = by_group(scores, groups or {}, measures)
    if blind is not None:
        without = [measure(blind) for measure in measures]
        risks = beside_blind(risks, without)
        found = tuple(replace(group, risks=tuple(beside_blind(group.risks, without))) for group in found)
    return Finding(name, says, sees, scores, tuple(risks), found)


def beside_blind(risks: Sequence[Risk], without: Sequence[Risk]) -> list[Risk]:
    """The risks, with what is reached without the model as their baselines where it is more than chance."""
    unknown = "what is reached without the model is not resolvable here"
    return [
        replace(risk, surely=0.0, note=risk.note or unknown)
        if blind.value is None
        else replace(risk, baseline=max(risk.baseline, blind.value))
        for risk, blind in zip(risks, without, strict=False)
    ]


def measures_of(fpr: Sequence[float], confidence: float) -> list[Measure]:
    """The figures that every report has; true positive rates at falling false positive rates."""
    measures: list[Measure] = [partial(auc, confidence=confidence)]
    measures += [partial(tpr_at_fpr, fpr=rate, confidence=confidence) for rate in sorted(fpr, reverse=True)]
    return measures + [partial(m, confidence=confidence) for m in (balanced_accuracy, advantage, power, error)]


def _by_signal(attack: Attack, sees: str) -> str:
    """What is seen by an attack on outputs whose signal says that it reads less of them."""
    said = marked(attack.keywords.get("signal"), "sees", "") if isinstance(attack, partial) else ""
    return sees.replace(OUTPUTS, said, 1) if said and sees.startswith(OUTPUTS) else sees


def _by_weights(attack: Attack, sees: str) -> str:
    """What is seen by an attack on outputs that was given a signal, or another attack, that reads the weights."""
    read = weights_read(attack)
    if not read or access(attack) != "parameters" or sees.lower().startswith(WEIGHTS):
        return sees
    if marked(attack, "watches"):
        return f"{sees} Of the weights, {read} are read."
    rest = sees.removeprefix(OUTPUTS) if sees.startswith(OUTPUTS) else f", and what else it sees: {sees}"
    return f"{WEIGHTS}, of which {read} are read{rest}"


def _docstring(text: str, first: str = "") -> tuple[str, str]:
    """An attack's first line, and what follows ``first``, where that is there, else ``Sees:``."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")]
    marks = [mark for mark in (first, "Sees: ") if mark]
    sees = [one.removeprefix(mark) for mark in marks for one in paragraphs if one.startswith(mark)]
    return paragraphs[0], sees[0] if sees else "Not said: the attack's docstring has no `Sees:`."
