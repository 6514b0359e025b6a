"""Which records are more exposed by one model than by another."""

from typing import Any

import numpy as np

from ml_privacy_meter.comparison.matching import Match, references
from ml_privacy_meter.comparison.reading import Audit
from ml_privacy_meter.report.document import Document

SHOWN = 20
POINTS = 0.1  # of membership probability: what counts as a rise or a fall
ALSO = ("memorization", "memorization_se", "vulnerability")


def changes(first: Audit, other: Audit, matched: Match) -> Document:
    """How the membership probability of each record changed, in counts; and the members of whom it rose most.

    Nothing but the reason where records are not the same, or where their probabilities were made in two ways.
    """
    none: Document = {"why_not": "", "members": None, "non_members": None, "rose_most": [], "other_attack": 0}
    if matched.rows is None:
        return none | {"why_not": "The two reports are not of the same records."}
    if references(first) != references(other):
        return none | {"why_not": "Membership probabilities were made beside other numbers of reference models."}
    before = first.known["membership_probability"]
    after = other.known["membership_probability"][matched.rows]
    change = after - before
    if not np.isfinite(change).any():
        return none | {"why_not": "No attack gave membership probabilities in both."}
    sides = {"members": first.member, "non_members": ~first.member}
    rising = np.flatnonzero(first.member & (change > 0))
    ranked = rising[np.argsort(-change[rising], kind="stable")][:SHOWN]
    return {
        "why_not": "",
        **{side: _counts(change[here]) for side, here in sides.items()},
        "rose_most": [_record(first, other, int(row), int(matched.rows[row])) for row in ranked],
        "other_attack": int((np.isfinite(change) & (first.attack != other.attack[matched.rows])).sum()),
    }


def _counts(change: np.ndarray) -> Document:
    known = change[np.isfinite(change)]
    beyond = POINTS + 1e-9  # what is 10 points but for rounding is not more
    return {
        "records": len(known),
        "rose": int((known > beyond).sum()),
        "fell": int((known < -beyond).sum()),
        "mean": float(known.mean()) if len(known) else None,
    }


def _record(first: Audit, other: Audit, row: int, there: int) -> Document:
    probability = [float(a.known["membership_probability"][r]) for a, r in ((first, row), (other, there))]
    also: dict[str, Any] = {
        name: [_known(audit, name, place) for audit, place in ((first, row), (other, there))] for name in ALSO
    }
    return {
        "id": str(first.id[row]),
        "class": None if first.kind is None else str(first.kind[row]),
        "membership_probability": probability,
        "change": probability[1] - probability[0],
        "attack": [str(first.attack[row]), str(other.attack[there])],
        **also,
    }


def _known(audit: Audit, name: str, row: int) -> float | None:
    value = audit.known[name][row] if name in audit.known else np.nan
    return float(value) if np.isfinite(value) else None
