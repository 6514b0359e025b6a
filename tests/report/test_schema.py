"""The schema and the document say the same, and go on saying what they promised."""

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from report.fakes import claiming, failed, fake, game, watching, with_users

from ml_privacy_meter.findings import Check, Risk
from ml_privacy_meter.guarantees import approximate
from ml_privacy_meter.report import Report
from ml_privacy_meter.report.document import VERSION, dump

SCHEMA: dict[str, Any] = json.loads(files("ml_privacy_meter.report").joinpath("schema.json").read_text())
PROMISED = Path(__file__).with_name("version_1.json")
FREE = ("about", "times", "paths")  # what a report's maker may add to
DOCS = Path(__file__).parents[2] / "docs" / "report-json.md"


def described(part: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each field that the schema names, as `findings[].risks[].low`, and what the schema says of it."""
    part = resolved(part)
    for one in part.get("oneOf", ()):
        yield from described(one, above)
    if "items" in part:
        yield from described(part["items"], f"{above}[]")
    for name, inner in part.get("properties", {}).items():
        path = f"{above}.{name}" if above else name
        yield path, inner
        yield from described(inner, path)


def resolved(part: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in part:
        return part
    return {**SCHEMA["$defs"][part["$ref"].removeprefix("#/$defs/")], **part}


def kinds(part: Mapping[str, Any]) -> list[str]:
    """The JSON types that a field may have."""
    part = resolved(part)
    if "const" in part:
        return [f"const {part['const']}"]
    if "oneOf" in part:
        return sorted(kind for one in part["oneOf"] for kind in kinds(one))
    return sorted([part["type"]] if isinstance(part["type"], str) else part["type"])


def held(content: Any, above: str = "") -> Iterator[str]:
    """The fields that a document holds, as `described` names them."""
    if isinstance(content, list):
        for one in content:
            yield from held(one, f"{above}[]")
    elif isinstance(content, dict):
        for name, inner in content.items():
            path = f"{above}.{name}" if above else name
            yield path
            yield from held(inner, path)


def reports() -> Iterator[Report]:
    """Reports that hold, between them, every field that an audit writes."""
    risk = Risk("AUC", 0.5, 0.4, 0.6, 0.5, 100)
    audited = {
        "access": "parameters",
        "fpr": [0.1],
        "keys": {"model": "a", "records": None, "trace": "b", "snapshots": ["c", None]},
        "packages": {"numpy": "2"},
        "assessment": {},
        "sha256": {},
        "times": {"started": "2026-01-01T00:00:00+00:00", "seconds": 1.0, "training_seconds": 1.0},
        "paths": {"run_file": ""},
    }
    yield fake(400, references=4, shifted=True, **audited)
    quantity = {"member_accuracy": None, "non_member_accuracy": None, "member_loss": 0.1, "non_member_loss": 0.2}
    made = fake(100, classes=None, also=(failed(),), **quantity)
    checks = (*made.checks, Check("Is it?", True, "Yes.", risk=risk))
    yield Report(made.findings, checks, made.records, made.about, made.calibration)
    yield fake(100).with_games(game(checks=checks[-1:], baselines=game().tried))
    yield with_users(watching(claiming(fake(400, weights=True), approximate(epsilon=1, delta=1e-5))))


def is_free(path: str) -> bool:
    return path.split(".")[0] in FREE or path.startswith("games[].how.")


def test_every_field_is_described() -> None:
    bare = [path for path, part in described(SCHEMA) if not part.get("description")]
    assert not bare


def test_a_field_that_the_document_gains_or_loses_changes_the_schema() -> None:
    documents = [json.loads(dump(report._document)) for report in reports()]
    written = {path for document in documents for path in held(document)}
    named = {path for path, _ in described(SCHEMA)}
    assert {path for path in written if not is_free(path)} == {path for path in named if not is_free(path)}
    assert named <= written


def test_every_object_but_those_that_are_free_is_closed_and_complete() -> None:
    for path, part in [("", SCHEMA), *described(SCHEMA)]:
        for one in [resolved(part), *map(resolved, resolved(part).get("oneOf", ()))]:
            if "properties" in one and not is_free(path):
                assert one["additionalProperties"] is False, path
                assert set(one["required"]) == set(one["properties"]), path


def test_what_version_1_promised_is_still_there() -> None:
    """A field may come within a version; one that goes, or that takes another kind, asks for a new version."""
    promised = json.loads(PROMISED.read_text())
    now = {path: kinds(part) for path, part in described(SCHEMA)}
    assert VERSION == 1
    assert {path: now.get(path) for path in promised} == promised


@pytest.mark.parametrize("name", ["const", "$id", "title"])
def test_the_schema_and_the_document_have_one_version(name: str) -> None:
    said = {
        "const": SCHEMA["properties"]["version"]["const"],
        "$id": int(SCHEMA["$id"].rsplit(":", 1)[1]),
        "title": int(SCHEMA["title"].rsplit(" ", 1)[1]),
    }
    assert said[name] == VERSION


def test_the_page_about_the_document_names_all_its_parts_and_no_other() -> None:
    text = DOCS.read_text()
    parts = re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)
    assert parts == list(SCHEMA["properties"])
    assert f"`version` is {VERSION}" in text
