"""What a report says of the guarantee that was claimed for the training."""

from collections.abc import Sequence

from ml_privacy_meter.report import words
from ml_privacy_meter.report.document import Document

TITLE = "What the claimed guarantee allows"
ROW = "Ceiling of the guarantee"
LINE = "The dotted line is the most that the claimed guarantee allows."


def said(document: Document) -> list[str]:
    """The claim, what its ceilings bound and what not, and how to read them; empty where nothing is claimed."""
    claim = document["guarantee"]
    if claim is None:
        return []
    read = (
        "A figure below its ceiling does not show that the guarantee holds: an attack that was not run may lie above. "
        "A figure surely above its ceiling shows that it does not hold, or that the audit is wrong."
    )
    return [f"Claimed for the training: {claim['says']}.", claim["bounds"], read]


def row(document: Document, names: Sequence[str]) -> list[str]:
    """The ceiling of each figure, after the row's name; empty where nothing is claimed."""
    if document["guarantee"] is None:
        return []
    risks = [risk for finding in document["findings"] for risk in finding["risks"]]
    found = [words.named(risks, name) for name in names]
    return [ROW, *("–" if risk is None else words.stated(risk["name"], risk["ceiling"]) for risk in found)]


def captioned(text: str, document: Document) -> str:
    """What stands under a chart with ROC curves, and what the line of the guarantee is, where there is one."""
    return text if document["guarantee"] is None else f"{text} {LINE}"
