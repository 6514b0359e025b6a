"""Reports as a gate reads them, made by hand."""

from typing import Any

Document = dict[str, Any]


def risk(name: str, value: float | None, low: float | None = 0.0, high: float | None = 1.0, **more: Any) -> Document:
    return {
        "name": name,
        "value": value,
        "low": low,
        "high": high,
        "baseline": 0.5 if name == "AUC" else 0.001,
        "trials": 2_000,
        "ceiling": None,
        "surely": None,
        "note": "",
        "chosen": False,
    } | more


def finding(
    attack: str,
    *risks: Document,
    failed: str = "",
    groups: list[Document] | None = None,
    sees: str = "Outputs, and reference models.",
) -> Document:
    return {"attack": attack, "sees": sees, "failed": failed, "risks": list(risks), "groups": groups or []}


def group(value: str, *risks: Document, column: str = "class") -> Document:
    return {"column": column, "value": value, "members": 100, "non_members": 100, "risks": list(risks)}


def check(*, passed: bool = False, voids: bool = False, name: str = "Do the sets differ?") -> Document:
    return {"name": name, "passed": passed, "voids": voids, "says": "They do.", "risk": None, "ids": []}


def report(*findings: Document, checks: tuple[Document, ...] = (), **about: Any) -> Document:
    return {
        "schema": "ml-privacy-meter/report",
        "version": 1,
        "about": {"confidence": 0.95, "reference_models": 16} | about,
        "checks": list(checks),
        "findings": list(findings),
    }
