"""How an audit was measured, as lines to read."""

from collections.abc import Iterator, Mapping
from typing import Any

from ml_privacy_meter.report.document import ASIDE, Document

TITLES = {
    "model": "Model",
    "members": "Training records (members)",
    "non_members": "Other records (non-members)",
    "member_accuracy": "Accuracy on members",
    "non_member_accuracy": "Accuracy on non-members",
    "member_loss": "Mean loss on members",
    "non_member_loss": "Mean loss on non-members",
    "reference_models": "Reference models",
    "confidence": "Confidence of the intervals",
    "seed": "Seed",
    "device": "Device",
    "sha256.model": "Model file, sha256",
    "sha256.weights": "Weights’ file, sha256",
    "sha256.members": "Members’ file, sha256",
    "sha256.non_members": "Non-members’ file, sha256",
    "keys.model": "Model, key of its content",
    "keys.records": "Records, key of their content",
    "keys.trace": "Trace, key of the rounds seen",
    "keys.snapshots": "Snapshots, keys of their content",
    "version": "ML Privacy Meter",
    "times.started": "Started",
    "times.seconds": "Duration",
    "times.training_seconds": "Training of the reference models",
}


def lines(document: Document) -> list[tuple[str, str]]:
    """What was set or counted, and its value; what is known comes first, in a fixed order."""
    shown_elsewhere = ("strongest", "assessment")  # a result, marked by ★; answers in the impact assessment
    counted = {key: value for key, value in document["about"].items() if key not in shown_elsewhere}
    given = dict(_flat(counted)) | dict(_flat({key: document[key] for key in ASIDE}))
    given.pop("paths.run_file", None)  # shown as it is written
    order = [key for key in TITLES if key in given] + [key for key in given if key not in TITLES]
    return [(TITLES.get(key, _title(key)), _text(key, given[key])) for key in order]


def _flat(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield above + key, value


def _title(key: str) -> str:
    *above, last = key.replace("_", " ").split(".")
    return ": ".join([*above, last])[:1].upper() + ": ".join([*above, last])[1:]


def _text(key: str, value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text("", inner) for inner in value) or "–"
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key.endswith("accuracy") or key == "confidence":
        return f"{100 * value:.4g}%"
    if key.startswith("times.") and isinstance(value, float):
        return f"{value:,.1f} s"
    if isinstance(value, int) and key in ("members", "non_members"):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
