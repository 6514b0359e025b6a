"""What the strongest attack reaches against each model, and how surely two models differ in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ml_privacy_meter import risk
from ml_privacy_meter.comparison.matching import match, void
from ml_privacy_meter.comparison.reading import Audit
from ml_privacy_meter.defending.trial import Trial
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.report import words
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.risk.differences import auc_correlation, risk_difference, tpr_correlation
from ml_privacy_meter.risk.intervals import Interval, difference, wilson
from ml_privacy_meter.types import Scores

OUTPUTS, WEIGHTS = "outputs", "weights"  # what the adversary has: answers alone, or the model itself
BY_WEIGHTS = "the target model's weights"
RATE = 0.01  # the false positive rate that is shown beside the AUC, where so many records resolve it


@dataclass(frozen=True)
class Line:
    """What models are compared in: one figure of the strongest attack that sees so much."""

    sees: str
    figure: str

    @property
    def measure(self) -> Callable[..., Risk]:
        fpr = words.fpr_of(self.figure)
        return risk.auc if fpr is None else partial(risk.tpr_at_fpr, fpr=fpr)


@dataclass(frozen=True)
class Leak:
    """The strongest attack against one model.

    Args:
        chosen: on reference models, without the target; else for having the highest figure here.
        highest: the attack with the highest figure here, and that figure.
    """

    attack: str
    chosen: bool
    value: float
    baseline: float
    scores: Scores
    highest: tuple[str, float]


Leaks = dict[Line, Leak]


def lines_of(trials: Sequence[Trial]) -> list[Line]:
    """The AUC and one true positive rate, of attacks on answers, and of all attacks where some read weights."""
    found = [finding for trial in trials for finding in trial.audit.document["findings"] if not finding["failed"]]
    resolved = {one["name"] for finding in found for one in finding["risks"] if one["value"] is not None}
    rates = sorted((rate, name) for name in resolved if (rate := words.fpr_of(name)) is not None)
    near = min(rates, key=lambda rate: abs(np.log(rate[0] / RATE)), default=None)
    names = [name for name in ("AUC", near[1] if near else "") if name in resolved]
    kinds = [OUTPUTS] + ([WEIGHTS] if any(_reads_weights(finding) for finding in found) else [])
    return [Line(kind, name) for kind in kinds for name in names]


def leaks_of(trial: Trial, lines: Sequence[Line]) -> Leaks:
    """Of each line, the strongest attack; a line is missing where none that sees so much was played."""
    found = {line: _leak(trial, line) for line in lines}
    return {line: leak for line, leak in found.items() if leak is not None}


def _leak(trial: Trial, line: Line) -> Leak | None:
    document = trial.audit.document
    ran = [finding for finding in document["findings"] if not finding["failed"]]
    white = [finding for finding in ran if _reads_weights(finding)]
    if line.sees == WEIGHTS and (trial.entry.wraps or not white):
        return None  # who has the weights asks the model behind other answers
    candidates = ran if line.sees == WEIGHTS else [finding for finding in ran if finding not in white]
    known = {
        finding["attack"]: one
        for finding in candidates
        if (one := words.named(finding["risks"], line.figure)) is not None and one["value"] is not None
    }
    if not known:
        return None
    highest = max(known, key=lambda attack: known[attack]["value"])
    named = _chosen(document, line, bool(white))
    attack = named if named in known else highest
    held = known[attack]
    scores = trial.audit.scores[attack]
    return Leak(
        attack, attack == named, held["value"], held["baseline"], scores, (highest, float(known[highest]["value"]))
    )


def _chosen(document: Document, line: Line, white: bool) -> str:
    """The attack that was chosen on reference models, of those on answers or of all; empty where none was."""
    if white and line.sees == OUTPUTS:
        return next(
            (
                str(one["outputs"])
                for one in document["added"]
                if one["figure"] == line.figure and one["how"] == "rehearsals"
            ),
            "",
        )
    return str((document["about"].get("strongest") or {}).get(line.figure, ""))


def _reads_weights(finding: Document) -> bool:
    return bool(finding["sees"].lower().startswith(BY_WEIGHTS))


def interval(line: Line, leak: Leak, confidence: float) -> Interval:
    """Of a figure."""
    found = line.measure(leak.scores, confidence=confidence)
    return found.low, found.high


Apart = Callable[[float], Interval]  # of a difference, by the confidence


def apart(line: Line, first: Trial, other: Trial, leaks: Sequence[Leak]) -> Apart:
    """The second model's figure less the first's, paired record by record.

    Raises:
        InputError: the two were not asked about the same records.
    """
    rows = match(first.audit, other.audit).rows
    assert rows is not None  # all are audited on the same records
    one, two = leaks[0].scores, Scores(leaks[1].scores.score[rows], leaks[1].scores.truth[rows])
    fpr = words.fpr_of(line.figure)
    correlation = auc_correlation(one, two) if fpr is None else tpr_correlation(one, two, fpr=fpr)

    def at(confidence: float) -> Interval:
        ends = (line.measure(scores, confidence=confidence) for scores in (one, two))
        return risk_difference(*ends, correlation=correlation) or (-1.0, 1.0)

    return at


def accuracy(right: np.ndarray, confidence: float) -> Document:
    """The share of records that a model is right about, with Wilson's interval."""
    low, high = wilson(int(right.sum()), len(right), confidence)
    return {"value": float(right.mean()), "low": low, "high": high}


def accuracy_apart(first: np.ndarray, other: np.ndarray) -> Apart:
    """The second model's accuracy less the first's, on the same records.

    Source: Newcombe, Improved Confidence Intervals for the Difference between Binomial Proportions Based on Paired
    Data, 1998, method 10, without its correction for continuity.
    """
    varied = bool(first.std() and other.std())
    correlation = float(np.corrcoef(first, other)[0, 1]) if varied else 0.0

    def at(confidence: float) -> Interval:
        ends = [wilson(int(right.sum()), len(right), confidence) for right in (other, first)]
        return difference(ends[0], ends[1], (float(other.mean()), float(first.mean())), correlation=correlation)

    return at


def sign(ends: Interval) -> int:
    """-1 where the whole interval lies below 0, 1 where it lies above, else 0."""
    return int(ends[0] > 0) - int(ends[1] < 0)


def voided(audit: Audit) -> bool:
    """Whether a check failed that voids the audit: nothing is sure beside it."""
    return void(audit)


def document_of(leak: Leak, line: Line, confidences: tuple[float, float]) -> dict[str, Any]:
    """A line of a model, as JSON holds it; intervals alone, and for all of the grid together."""
    ends, wide = (interval(line, leak, at) for at in confidences)
    return {
        "sees": line.sees,
        "figure": line.figure,
        "attack": leak.attack,
        "chosen": leak.chosen,
        "value": leak.value,
        "low": ends[0],
        "high": ends[1],
        "joint_low": wide[0],
        "joint_high": wide[1],
        "baseline": leak.baseline,
        "highest": {"attack": leak.highest[0], "value": leak.highest[1]},
    }
