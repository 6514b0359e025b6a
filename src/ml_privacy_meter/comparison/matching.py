"""May two reports be compared, and which record of the one is which of the other?"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml_privacy_meter.comparison.reading import Audit
from ml_privacy_meter.report import others, words
from ml_privacy_meter.report.document import Document

PAIRED, INDEPENDENT, NOT = "paired", "independent", "not compared"
SETTINGS = {
    "version": "version of this program",
    "seed": "seed",
    "confidence": "confidence of intervals",
    "fpr": "false positive rates",
    "access": "kind of access to the model",
}


@dataclass(frozen=True)
class Match:
    """How the records of a report stand to those of the first.

    Args:
        how: paired: the same records; independent: others, or others in part; not compared: members have changed sides.
        rows: where they are paired, the place in the other report of each record of the first.
        says: what is to be said of it; empty where the records are the same.
    """

    how: str
    rows: np.ndarray | None = None
    says: str = ""


def match(first: Audit, other: Audit) -> Match:
    """Whether two reports are of the same records, by their names, sides and classes."""
    rows = _rows(first.id, other.id)
    if rows is None:
        return _partly(first, other)
    moved = int((first.member != other.member[rows]).sum())
    if moved:
        return Match(NOT, says=_moved(moved))
    if first.kind is not None and other.kind is not None:
        relabelled = int((first.kind != other.kind[rows]).sum())
        if relabelled:
            return Match(
                INDEPENDENT,
                says=f"The records have the same names, but {words.count(relabelled, 'record')} of {len(rows):,} "
                "another class: they are taken for other records. Intervals of differences are those of independent "
                "figures.",
            )
    return Match(PAIRED, rows)


def _rows(one: np.ndarray, other: np.ndarray) -> np.ndarray | None:
    """For each of ``one``, its place in ``other``; None unless both hold the same names, each once or in one order."""
    if len(one) == len(other) and bool((one == other).all()):
        return np.arange(len(one))
    place = {name: row for row, name in enumerate(other)}
    if len(place) < len(other) or len(one) != len(other) or set(one) != place.keys():
        return None
    return np.array([place[name] for name in one])


def _partly(first: Audit, other: Audit) -> Match:
    sides = [Counter(zip(audit.id, audit.member, strict=True)) for audit in (first, other)]
    names = [Counter(audit.id) for audit in (first, other)]
    shared, same = (sum((pair[0] & pair[1]).values()) for pair in (names, sides))
    if shared > same:
        return Match(NOT, says=_moved(shared - same))
    held = f"{len(first.id):,} and {len(other.id):,} records, {shared:,} of them in both"
    wider = " That is wider than needed where records stand in both." if shared else ""
    return Match(
        INDEPENDENT,
        says=f"The two are of other records: {held}. Differences also hold what chance made of the choice of records, "
        f"and their intervals are those of independent figures.{wider}",
    )


def _moved(count: int) -> str:
    which = f"{words.count(count, 'record')} {'is' if count == 1 else 'are'} in the training set of one model alone"
    return (
        f"{which}. With other training sets, no difference is given: audit both on records that had the same part in "
        "both trainings."
    )


def warnings(audits: Sequence[Audit], names: Sequence[str], matches: Sequence[Match]) -> list[Document]:
    """What speaks against reading these reports side by side, the gravest first."""
    found = [_warning(name, "Other records", m.says) for name, m in zip(names, matches, strict=True) if m.says]
    for audit, name, matched in zip(audits[1:], names[1:], matches[1:], strict=True):
        found += [_warning(name, title, says) for title, says in _settings(audits[0], audit, names[0])]
        if matched.how == PAIRED:
            found += [_warning(name, *one) for one in _content(audits[0], audit, names[0])]
    for audit, name in zip(audits, names, strict=True):
        found += [
            _warning(name, check["name"], check["says"], check["voids"]) for check in words.failing(audit.document)
        ]
        found += [
            _warning(name, f"The attack {one['attack']} failed", one["failed"])
            for one in audit.document["findings"]
            if one["failed"]
        ]
        if games := [f"“{others.title(game)}”" for game in audit.document.get("games") or ()]:
            says = f"What was found in {words.listed(games)} stands in the report alone."
            found.append(_warning(name, "Other secrets than membership are not compared.", says))
    return sorted(found, key=lambda one: not one["voids"])


def _warning(report: str, title: str, says: str, voids: bool = False) -> Document:
    return {"report": report, "title": title, "says": says, "voids": voids}


def _settings(first: Audit, other: Audit, name: str) -> Iterator[tuple[str, str]]:
    here, there = (audit.document["about"] for audit in (other, first))
    for key, what in SETTINGS.items():
        if here.get(key) != there.get(key):
            yield f"Another {what}", f"{_said(here.get(key))}; {name}: {_said(there.get(key))}."
    if references(other) != references(first):
        counts = f"{words.count(references(other), 'reference model')}; {name}: {references(first):,}."
        yield (
            "Another number of reference models",
            f"{counts} Attacks that look at them, and membership probabilities, are not compared: what they reach "
            "hangs on the number.",
        )
    elif here.get("references") != there.get("references"):
        yield (
            "Reference models trained in another way",
            f"That is right if the audited models were trained in two ways, too; if not, a difference to {name} may "
            "come from the reference models.",
        )
    sides = [{found["attack"] for found in audit.document["findings"]} for audit in (other, first)]
    for only, where in ((sides[0] - sides[1], "only here"), (sides[1] - sides[0], f"only in {name}")):
        if only:
            yield "Other attacks", f"Played {where}: {words.listed(sorted(only))}."


def _content(first: Audit, other: Audit, name: str) -> Iterator[tuple[str, str]]:
    keys = [_keys(audit) for audit in (first, other)]
    if all("records" in key for key in keys) and keys[0]["records"] != keys[1]["records"]:
        yield (
            "Is this the same content?",
            f"Names, classes and sides of all records are those of {name}, but a digest of their content is not. It "
            "differs where the records were prepared in another way, or hold saved outputs. If they are other records, "
            "nothing that is said here of a single record holds.",
        )
    if all("model" in key for key in keys) and keys[0]["model"] == keys[1]["model"]:
        yield "The same model", f"This and {name} are audits of one model: differences come from the settings alone."


def _keys(audit: Audit) -> dict[str, Any]:
    held = audit.document["about"].get("keys")
    return {key: value for key, value in held.items() if value} if isinstance(held, dict) else {}


def _said(value: Any) -> str:
    return ("–" if value is None else " ".join(str(value).split()))[:80]


def void(audit: Audit) -> bool:
    """Whether a check failed that voids the audit: its figures then measure something else than the model."""
    return any(check["voids"] for check in words.failing(audit.document))


def references(audit: Audit) -> int:
    """How many reference models the audit had."""
    return int(audit.document["about"].get("reference_models") or 0)


def incomparable(attack: str, first: Audit, other: Audit, how: str) -> str:
    """Why an attack's figures in two reports are not compared; empty where they are."""
    found = [audit.finding(attack) for audit in (first, other)]
    if None in found:
        return "played in one only"
    one, two = (finding or {} for finding in found)
    if one["failed"] or two["failed"]:
        return "failed"
    if how == NOT:
        return "other training sets"
    if (one["says"], one["sees"]) != (two["says"], two["sees"]):
        return "another attack of the same name"
    if references(first) != references(other) and "reference model" in one["sees"]:
        return "another number of reference models"
    return ""
