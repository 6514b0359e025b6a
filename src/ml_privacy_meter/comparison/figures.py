"""Figures of several reports side by side, and how far each lies from that of the first."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from ml_privacy_meter import risk
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.comparison.matching import PAIRED, Match, incomparable, void
from ml_privacy_meter.comparison.reading import AGAIN, Audit
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.report import words
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.risk.differences import auc_correlation, risk_difference, tpr_correlation
from ml_privacy_meter.risk.intervals import clopper_pearson
from ml_privacy_meter.types import Scores

KNOWN = ("name", "value", "low", "high", "baseline", "trials", "note", "chosen")


def figures(audits: Sequence[Audit], matches: Sequence[Match], confidence: float) -> list[Document]:
    """A row for each attack and figure: the figure of every report, and its difference to the first report's.

    A difference is ``surely`` one where its interval leaves out 0 even when the confidence is shared out over all of
    them, and neither audit is void.
    """
    rows = list(_rows(audits))
    asked = [
        _difference(*row, audits[0], audit, matched, confidence)
        for row in rows
        for audit, matched in zip(audits[1:], matches[1:], strict=True)
    ]
    many = sum("interval" in one for one in asked)
    made = iter(_sure(one, 1 - (1 - confidence) / max(many, 1)) for one in asked)
    return [
        {
            "attack": attack,
            "figure": name,
            "risks": [_risk(audit, attack, name) for audit in audits],
            "differences": [None, *(next(made) for _ in audits[1:])],
        }
        for attack, name in rows
    ]


def _rows(audits: Sequence[Audit]) -> Iterator[tuple[str, str]]:
    findings = [found for audit in audits for found in audit.document["findings"]]
    names = words.headline(findings)
    for attack in dict.fromkeys(found["attack"] for found in findings):
        held = {risk["name"] for found in findings if found["attack"] == attack for risk in found["risks"]}
        yield from ((attack, name) for name in names if name in held)


def _risk(audit: Audit, attack: str, name: str) -> Document | None:
    found = words.named((audit.finding(attack) or {"risks": ()})["risks"], name)
    return None if found is None else {key: found[key] for key in KNOWN}


def _difference(
    attack: str, name: str, first: Audit, other: Audit, matched: Match, confidence: float
) -> dict[str, Any]:
    """What is said of a difference; with ``interval``, a function of the confidence, where there can be one."""
    said: dict[str, Any] = {
        "value": None,
        "low": None,
        "high": None,
        "surely": False,
        "how": "not compared",
        "note": "",
    }
    risks = [_risk(audit, attack, name) for audit in (first, other)]
    if reason := incomparable(attack, first, other, matched.how) or _why_none(name, risks):
        return said | {"note": reason}
    fpr = words.fpr_of(name)
    one, two = first.scores[attack], other.scores[attack]
    measure: Callable[..., Risk] = risk.auc if fpr is None else partial(risk.tpr_at_fpr, fpr=fpr)
    for audit, scores, held in zip((first, other), (one, two), risks, strict=True):
        _check(audit, attack, measure(scores, confidence=confidence), held or {})
    correlation = 0.0
    if matched.how == PAIRED and matched.rows is not None:
        paired = Scores(two.score[matched.rows], two.truth[matched.rows])
        correlation = auc_correlation(one, paired) if fpr is None else tpr_correlation(one, paired, fpr=fpr)

    def interval(at: float) -> tuple[float, float]:
        ends = risk_difference(measure(one, confidence=at), measure(two, confidence=at), correlation=correlation)
        assert ends is not None  # both are resolved
        return ends

    low, high = interval(confidence)
    value = (risks[1] or {})["value"] - (risks[0] or {})["value"]
    return said | {
        "value": value,
        "low": low,
        "high": high,
        "how": matched.how,
        "interval": interval,
        "void": void(first) or void(other),
    }


def _why_none(name: str, risks: Sequence[Document | None]) -> str:
    """Why these figures, of one attack in two reports, have no difference; empty where they have one."""
    if name != "AUC" and words.fpr_of(name) is None:
        return "no interval is known for the difference of two such figures"
    return "not resolvable" if any(one is None or one["value"] is None for one in risks) else ""


def _check(audit: Audit, attack: str, found: Risk, held: Document) -> None:
    if found.value is None or abs(found.value - held["value"]) > 1e-6:
        raise InputError(
            f"`{audit.folder}`: report.json says {held['name']} {held['value']:.6g} of {attack:.80}, the scores in "
            f"records.parquet give {found.value}: they are of two audits. {AGAIN}"
        )


def _sure(said: dict[str, Any], confidence: float) -> Document:
    interval, voided = said.pop("interval", None), said.pop("void", False)
    if interval is None:
        return said
    low, high = interval(confidence)
    return said | {"surely": not voided and bool(low > 0 or high < 0)}


def quality(audit: Audit, confidence: float) -> Document:
    """How well the model does on either side: its accuracy, or its mean loss; with an interval where it is a share."""
    about = audit.document["about"]
    of = "accuracy" if _number(about.get("non_member_accuracy")) is not None else "loss"
    found: Document = {"of": of}
    for side in ("members", "non_members"):
        value, n = _number(about.get(f"{side[:-1]}_{of}")), about[side]
        ends: tuple[float | None, float | None] = (None, None)
        hits = round(value * n) if of == "accuracy" and value is not None else None
        if hits is not None and value is not None and n and 0 <= hits <= n and abs(value * n - hits) < 1e-3:
            ends = clopper_pearson(hits, n, confidence)
        found[side] = {"value": value, "low": ends[0], "high": ends[1]}
    return found


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def calibration(audit: Audit) -> Document | None:
    """How near the membership probabilities come to the shares found, and what chance alone would make of it."""
    held = audit.document["calibration"]
    return None if held is None else {key: held[key] for key in ("error", "luck")}


def leading(rows: Sequence[Document], strongest: str | None) -> str | None:
    """The attack by which models are compared: that chosen on reference models, or the one with the highest AUC."""
    whole = {
        row["attack"]: max(one["value"] for one in row["risks"])
        for row in rows
        if row["figure"] == "AUC"
        and all(one is not None and one["value"] is not None for one in row["risks"])
        and all(one["how"] != "not compared" for one in row["differences"][1:])
    }
    return strongest if strongest in whole else max(whole, key=lambda attack: whole[attack], default=None)
