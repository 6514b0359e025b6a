"""A report that lies on disk, read as what a stranger may have written."""

import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.report.document import SCHEMA, VERSION, Document, parsed

_KNOWN = {"type": ["number", "null"]}
_TEXT = {"type": "string"}
_RISK = {
    "type": "object",
    "required": ["name", "value", "low", "high", "baseline", "trials", "surely", "note"],
    "properties": {
        **dict.fromkeys(("value", "low", "high", "baseline", "surely"), _KNOWN),
        **dict.fromkeys(("name", "note"), _TEXT),
        "trials": {"type": "integer"},
    },
}
_RISKS = {"type": "array", "items": _RISK}
_GROUP = {
    "type": "object",
    "required": ["column", "value", "risks"],
    "properties": {"column": _TEXT, "value": _TEXT, "risks": _RISKS},
}
_FINDING = {
    "type": "object",
    "required": ["attack", "failed", "risks", "groups"],
    "properties": {"attack": _TEXT, "failed": _TEXT, "risks": _RISKS, "groups": {"type": "array", "items": _GROUP}},
}
_CHECK = {
    "type": "object",
    "required": ["name", "passed", "voids", "says"],
    "properties": {"name": _TEXT, "passed": {"type": "boolean"}, "voids": {"type": "boolean"}, "says": _TEXT},
}
_GAME = {
    "type": "object",
    "required": ["name", "secret", "shows", "tried"],
    "properties": {
        "name": _TEXT,
        "secret": _TEXT,
        "shows": {"type": ["boolean", "null"]},
        "tried": {
            "type": "array",
            "items": {"type": "object", "required": ["failed"], "properties": {"failed": _TEXT}},
        },
    },
}
# What a gate reads and no more: a later program may write further entries.
READ = {
    "type": "object",
    "required": ["about", "checks", "findings"],
    "properties": {
        "about": {
            "type": "object",
            "required": ["confidence"],
            "properties": {"confidence": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}},
        },
        "checks": {"type": "array", "items": _CHECK},
        "findings": {"type": "array", "items": _FINDING},
        "games": {"type": "array", "items": _GAME},
    },
}
TURNED = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # they turn the text around them


def read(path: Path) -> Document:
    """The document of a report's folder, or of its ``report.json``; no text in it holds control characters.

    Raises:
        InputError: there is none, or it is not what this program writes.
    """
    file = path / "report.json" if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"A gate judges the folder of a report: there is no `{file}`. Make one with an audit's --out.")
    try:
        found = parsed(file.read_bytes(), object_hook=_readable)
    except (ValueError, RecursionError) as problem:
        raise InputError(f"`{file}` must be JSON as an audit writes it: {problem}. Run the audit again.") from problem
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise InputError(f"`{file}` is no report of this program: it does not say `schema`: `{SCHEMA}`.")
    if found.get("version") != VERSION:
        raise InputError(
            f"`{file}` is written in version {found.get('version')!s:.20} of the format, this program reads "
            f"{VERSION}. Audit and gate with the same version."
        )
    wrong = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(READ).iter_errors(found))
    if wrong is not None:
        raise InputError(f"`{file}` is no whole report: at {wrong.json_path}, {wrong.message:.100}. Audit again.")
    _check_order(found, file)
    return found


def _check_order(document: Document, file: Path) -> None:
    """An interval that does not hold its value would be judged by accident."""
    for finding in document["findings"]:
        of_groups = (risk for group in finding["groups"] for risk in group["risks"])
        for risk in (*finding["risks"], *of_groups):
            known = [risk[key] for key in ("low", "value", "high") if risk[key] is not None]
            if any(a > b + 1e-9 for a, b in pairwise(known)):
                raise InputError(
                    f"`{file}` cannot be right: {risk['name']} of {finding['attack']} is given as {risk['value']} with "
                    f"an interval from {risk['low']} to {risk['high']}. Run the audit again."
                )


def _readable(found: dict[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) if isinstance(value, str) else value for key, value in found.items()}


def _plain(text: str) -> str:
    """Without what moves a terminal's cursor, turns text around, or cannot be written in XML."""
    line = " ".join(text.split())
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs", "Cn") or c in TURNED else c for c in line)
