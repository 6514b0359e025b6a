"""Figures held against limits."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ml_privacy_meter._checks import InputError, one_of
from ml_privacy_meter.gate.limits import EXAMPLES, Limit, limit
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.report.others import title
from ml_privacy_meter.report.words import count, failing, listed

Status = Literal["passed", "failed", "not decidable"]
PASSED: Status = "passed"
FAILED: Status = "failed"
UNDECIDED: Status = "not decidable"
EXIT = {PASSED: 0, FAILED: 1, UNDECIDED: 3}
WORST_FIRST = (FAILED, UNDECIDED, PASSED)

# Checks that, once failed, say that the audit shows less of a leak than there is.
HIDE = ("Is any record both member and non-member?", "Is any public record a member or non-member?")


@dataclass(frozen=True)
class Judgement:
    """One limit, held against what one attack found.

    Args:
        group: of a limit on groups, the one that comes off worst: ``class: cat``.
        risk: the figure, as `report.json` holds it; None where there is none.
        why: what the status rests on; empty where it was passed.
    """

    limit: Limit
    attack: str
    status: Status
    why: str = ""
    risk: Document | None = None
    group: str = ""


@dataclass(frozen=True)
class Gate:
    """All limits, held against a report.

    Args:
        by: which end was judged, ``upper`` (of the interval) or ``value``.
        confidence: of the intervals.
        attacks: how many were held to a limit.
        warnings: the checks of the audit that failed, and what else tempers the result.
    """

    judgements: tuple[Judgement, ...]
    by: str
    confidence: float
    attacks: int
    warnings: tuple[str, ...]

    @property
    def status(self) -> Status:
        """The worst of all: one limit exceeded fails the gate, and all must be kept to pass it."""
        return next(status for status in WORST_FIRST if any(one.status == status for one in self.judgements))

    @property
    def exit_status(self) -> int:
        """0 where it is passed, 1 where it failed, 3 where it is not decidable."""
        return EXIT[self.status]


def judged(
    document: Document,
    *,
    max: Sequence[str] = (),
    max_group: Sequence[str] = (),
    judge: str = "upper",
    confidence: float | None = None,
) -> Gate:
    """What becomes of each limit at each attack.

    A limit is passed where the upper end of the figure's interval keeps to it, failed where the measured value does
    not, and not decidable in between, where the figure was not resolved, and where the attack or the audit failed.

    Args:
        document: a report, as `read` gives it.
        max: limits on figures of all records.
        max_group: limits on figures of each class and group.
        judge: ``upper``, or ``value``: the measured value decides alone, its uncertainty is left aside.
        confidence: that of the report, which is refused if it has another.

    Raises:
        InputError: no limit, a figure or groups that the report does not have, another confidence.
    """
    limits = asked(max=max, max_group=max_group, judge=judge)
    _check_confidence(document["about"]["confidence"], confidence)
    findings = document["findings"]
    ran = [finding for finding in findings if not finding["failed"]]
    _check_figures(limits, ran)
    void = [check["name"] for check in failing(document) if check["voids"]]
    found = [one for each in limits for finding in findings for one in _of_attack(each, finding, judge)]
    found = found or [Judgement(each, "–", UNDECIDED, "no attack was played") for each in limits]
    if void:
        why = f"the audit does not measure the model as it stands ({' '.join(void)})"
        found = [Judgement(one.limit, one.attack, UNDECIDED, why, one.risk, one.group) for one in found]
    found = [_unhidden(one, document) for one in found]
    warnings = [f"{check['name']} {check['says']}" for check in failing(document)]
    attacks = len({one.attack for one in found if one.risk is not None})
    warnings += [*_weak(ran), *_of_games(document)]
    return Gate(tuple(found), judge, document["about"]["confidence"], attacks, tuple(warnings))


def asked(*, max: Sequence[str] = (), max_group: Sequence[str] = (), judge: str = "upper") -> list[Limit]:
    """The limits, each once; an `InputError` where there is none, or one cannot be read."""
    one_of(judge, ("upper", "value"), "end to judge by")
    limits = [limit(text) for text in max] + [limit(text, of_groups=True) for text in max_group]
    if not limits:
        raise InputError(f"A gate needs a limit: give --max, or `max` in [gate] of the run file, such as {EXAMPLES}.")
    return list(dict.fromkeys(limits))


def _check_confidence(of_report: float, wanted: float | None) -> None:
    if wanted is not None and wanted != of_report:
        raise InputError(
            f"The report's intervals are at a confidence of {of_report:g}, and the gate asks for {wanted:g}. A report "
            f"does not hold what other intervals are made of. Run the audit with `confidence = {wanted:g}`."
        )


def _check_figures(limits: Iterable[Limit], ran: Sequence[Document]) -> None:
    if ran and any(each.of_groups for each in limits) and not any(finding["groups"] for finding in ran):
        raise InputError("A limit on groups needs a report with classes or groups, and this one has none.")
    for each in limits:
        risks = [risk for finding in ran for risk in _risks(each, finding)]
        names = list(dict.fromkeys(risk["name"] for _, risk in risks))
        if ran and each.figure not in names:
            rate = " Audit at that false positive rate (`--fpr`)." if each.figure.startswith("TPR@") else ""
            raise InputError(f"The report has no {each.figure}, it has {listed(names)}.{rate}")


def _risks(each: Limit, finding: Document) -> list[tuple[str, Document]]:
    if not each.of_groups:
        return [("", risk) for risk in finding["risks"]]
    return [(f"{group['column']}: {group['value']}", risk) for group in finding["groups"] for risk in group["risks"]]


def _of_attack(each: Limit, finding: Document, by: str) -> list[Judgement]:
    """One judgement; none of an attack without this figure."""
    attack = finding["attack"]
    if finding["failed"]:
        return [Judgement(each, attack, UNDECIDED, f"the attack failed: {finding['failed']}")]
    found = [
        Judgement(each, attack, *_held(each, risk, by), risk, group)
        for group, risk in _risks(each, finding)
        if risk["name"] == each.figure
    ]
    if len(found) < 2:
        return found
    worst = min(found, key=_first)
    return [worst if worst.status == PASSED else _among(worst, found)]


def _held(each: Limit, risk: Document, by: str) -> tuple[Status, str]:
    value, low, high, surely = (risk[key] for key in ("value", "low", "high", "surely"))
    if value is None:
        return UNDECIDED, f"not resolvable: {risk['note'] or 'no reason is given'}"
    if each.exceeded(value):
        if surely is not None and each.exceeded(surely):
            return FAILED, "it surely lies above the limit, even as one of the report's many figures"
        if low is not None and each.exceeded(low):
            return FAILED, "its whole interval lies above the limit"
        return FAILED, "its measured value lies above the limit; its interval also reaches below"
    if high is not None and risk["baseline"] is not None and high < risk["baseline"]:
        return UNDECIDED, "it lies below what is reached without the model: a sign is turned, or scores are tied"
    if by == "value":
        return PASSED, ""
    if high is None or each.exceeded(high):
        return UNDECIDED, "its measured value keeps to the limit, its interval does not: more records would narrow it"
    return PASSED, ""


def _first(one: Judgement) -> tuple[int, bool, float]:
    """Sorts the group first that matters most."""
    value = None if one.risk is None else one.risk["value"]
    return WORST_FIRST.index(one.status), value is None, -(value or 0.0)


def _among(worst: Judgement, found: Sequence[Judgement]) -> Judgement:
    counts = Counter(one.status for one in found)
    said = listed([f"{counts[status]} {status}" for status in WORST_FIRST if counts[status]])
    why = f"{worst.why} (of {count(len(found), 'group')}: {said})"
    return Judgement(worst.limit, worst.attack, worst.status, why, worst.risk, worst.group)


def _unhidden(one: Judgement, document: Document) -> Judgement:
    """No pass beside a check that says that a leak may be hidden."""
    names = (*HIDE, f"Are the scores of {one.attack} varied?")
    why = [check["name"] for check in failing(document) if check["name"] in names]
    if one.status != PASSED or not why:
        return one
    return replace(one, status=UNDECIDED, why=f"a leak may be hidden, as a check failed ({' '.join(why)})")


def _weak(ran: Iterable[Document]) -> list[str]:
    if any("reference model" in finding.get("sees", "") for finding in ran):
        return []
    return ["The strongest attacks, with reference models, were not played: what they find was not held to any limit."]


def _of_games(document: Document) -> list[str]:
    """That no limit is held against games beside membership, where one shows a leak or could not be played."""
    games = document.get("games", ())
    shown = listed([f"“{title(game)}”" for game in games if game["shows"]])
    broken = listed([f"“{title(game)}”" for game in games if any(one["failed"] for one in game["tried"])])
    found = f"No limit is held against other secrets, and more is surely reached with the model in {shown}."
    failed = f"Attacks on other secrets failed, in {broken}: what they would have found is not known."
    return [found] * bool(shown) + [failed] * bool(broken)
