"""Reports that lie on disk, whole and broken."""

import json
from pathlib import Path
from typing import Any

import pytest
from gate.made import finding, report, risk
from report.fakes import fake

from ml_privacy_meter import InputError
from ml_privacy_meter.gate import read

WHOLE = report(finding("lira", risk("AUC", 0.5, 0.4, 0.6)))


def laid(folder: Path, content: Any) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "report.json").write_text(text, encoding="utf-8")
    return folder


def changed(place: str, value: Any) -> dict[str, Any]:
    found = json.loads(json.dumps(WHOLE))
    *above, last = place.split(".")
    here = found
    for key in above:
        here = here[int(key)] if isinstance(here, list) else here[key]
    here[last] = value
    return found


def test_a_report_that_was_saved_is_read_from_its_folder_and_its_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("ml_privacy_meter.report.page.page", lambda *given: "")
    folder = fake(records=400, references=4).save(tmp_path / "report")
    assert read(folder) == read(folder / "report.json")
    assert read(folder)["findings"][0]["attack"] == "threshold"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "must be JSON"),
        ("{", "must be JSON"),
        ("[" * 100_000, "must be JSON"),
        ('{"schema": "ml-privacy-meter/report", "about": NaN}', "NaN is no number"),
        ([], "no report of this program"),
        ("null", "no report of this program"),
        ({"schema": "other"}, "no report of this program"),
        (WHOLE | {"version": 2}, "version 2 of the format"),
        (WHOLE | {"version": {"a": "b" * 1_000}}, "of the format"),
        ({key: value for key, value in WHOLE.items() if key != "checks"}, "'checks' is a required property"),
        (WHOLE | {"findings": {}}, "at $.findings"),
        (WHOLE | {"findings": [None]}, "at $.findings[0]"),
        (changed("about.confidence", "high"), "at $.about.confidence"),
        (changed("about.confidence", 95), "at $.about.confidence"),
        (changed("findings.0.attack", 3), "at $.findings[0].attack"),
        (changed("findings.0.failed", False), "at $.findings[0].failed"),
        (changed("findings.0.risks.0.value", "0.5"), "at $.findings[0].risks[0].value"),
        (changed("findings.0.risks.0.value", True), "at $.findings[0].risks[0].value"),
        (changed("findings.0.risks.0.high", [0.6]), "at $.findings[0].risks[0].high"),
        (changed("findings.0.risks.0.high", 0.45), "cannot be right"),
        (changed("findings.0.risks.0.low", 0.55), "cannot be right"),
        (json.dumps(WHOLE).replace("0.6", "1e999"), "1e999 is no number"),
        (changed("findings.0.risks.0.baseline", 10**400), "is no number that a report holds"),
        (changed("findings.0.risks.0.high", 10**400), "is no number that a report holds"),
        (changed("findings.0.risks.0.trials", 10**400), "is no number that a report holds"),
        (
            changed("findings.0.groups", [{"column": "class", "value": "x", "risks": [{}]}]),
            "at $.findings[0].groups[0]",
        ),
    ],
)
def test_what_is_no_report_is_refused_in_a_sentence(tmp_path: Path, content: Any, says: str) -> None:
    with pytest.raises(InputError) as refused:
        read(laid(tmp_path, content))
    assert says in str(refused.value)
    assert len(str(refused.value)) < 500 + len(str(tmp_path))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes(b'{"schema": "\xff"}')
    with pytest.raises(InputError, match="must be JSON"):
        read(tmp_path)


def test_a_folder_without_a_report_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match=r"there is no .* Make one"):
            read(place)


def test_text_cannot_move_a_cursor_turn_what_stands_around_it_or_break_a_file(tmp_path: Path) -> None:
    names = ["\x1b[2Jred", "a\nb", "\u202eevil", "\ud800", "\x00", "\uffff", "اسم 🦔👩‍🔬 <script>"]
    found = read(laid(tmp_path, report(*(finding(name, risk("AUC", 0.5)) for name in names))))
    shown = [one["attack"] for one in found["findings"]]
    assert shown == ["\ufffd[2Jred", "a b", "\ufffdevil", "\ufffd", "\ufffd", "\ufffd", "اسم 🦔👩‍🔬 <script>"]
