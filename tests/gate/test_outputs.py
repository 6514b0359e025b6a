"""What a gate prints and writes: table, JSON, JUnit and SARIF."""

import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest
from gate.made import check, finding, group, report, risk
from rich.console import Console

from ml_privacy_meter import InputError
from ml_privacy_meter.gate import JUNIT, SARIF, Gate, check_file, judged, junit, sarif, table, told, verdict, write

HOSTILE = "<script>\"'&]]> [click](http://x) {0} %s"
OFFICIAL = json.loads(Path(__file__).with_name("sarif-schema-2.1.0.json").read_text(encoding="utf-8"))  # of OASIS


def mixed() -> Gate:
    """Two limits; one attack passes both, one fails, one cannot be decided, one broke."""
    risks = {
        "gap": (risk("AUC", 0.50, 0.48, 0.52), risk("TPR@1%FPR", 0.01, 0.004, 0.02)),
        HOSTILE: (risk("AUC", 0.71, 0.69, 0.73, surely=0.68), risk("TPR@1%FPR", 0.02, 0.01, 0.06)),
        "lira": (risk("AUC", 0.59, 0.57, 0.61), risk("TPR@1%FPR", None, note="needs 100 non-members")),
    }
    broken = finding("mine", failed="ValueError: [red]no[/red]")
    return judged(
        report(*(finding(name, *of, sees="Outputs.") for name, of in risks.items()), broken, checks=(check(),)),
        max=["AUC<=0.6", "TPR@1%FPR<=5%"],
    )


def printed(gate: Gate, *, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(table(gate))
    return out.getvalue()


def test_the_table_shows_each_limit_and_attack_the_reasons_and_the_verdict_in_80_columns() -> None:
    shown = printed(mixed())
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown
    words = " ".join(shown.split())
    for said in ("AUC<=0.6", "TPR@1%FPR<=5%", "0.590", "not decidable", "passed", "failed", "! Do the sets differ?"):
        assert said in words
    assert "the attack failed: ValueError: [red]no[/red]" in words
    assert "not resolvable: needs 100 non-members" in words
    assert "Failed: of 8 figures held to a limit, 1 lies above." in words
    assert "were not played" in words


def test_a_pass_says_what_it_does_not_prove() -> None:
    found = report(finding("lira", risk("AUC", 0.5, 0.48, 0.52)), finding("rmia", risk("AUC", 0.5, 0.48, 0.52)))
    said = verdict(judged(found, max=["AUC<=0.6"]))
    assert said == "Passed: the 95% intervals of 2 attacks keep to every limit. Other attacks may find more."
    said = verdict(judged(found, max=["AUC<=0.6"], judge="value"))
    assert "uncertainty left aside" in said


def test_json_holds_everything_and_nothing_that_json_has_not() -> None:
    found = told(mixed())
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["status"], found["exit_status"], len(found["judgements"])) == ("failed", 1, 8)
    assert found["judgements"][2]["high"] == 0.61
    assert found["judgements"][3] | {"why": ""} == {
        "limit": "AUC<=0.6",
        "figure": "AUC",
        "most": 0.6,
        "below": False,
        "attack": "mine",
        "group": None,
        **dict.fromkeys(("value", "low", "high", "surely", "baseline", "trials")),
        "status": "not decidable",
        "why": "",
    }


def test_junit_has_one_case_a_limit_and_attack_and_skips_none() -> None:
    root = ET.fromstring(junit(mixed()))
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8",
        "failures": "1",
        "errors": "5",
        "skipped": "0",
    }
    cases = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert len(cases) == 8
    assert cases["AUC<=0.6: gap"] == ["system-out"]
    assert cases[f"AUC<=0.6: {HOSTILE}"] == ["failure"]
    assert cases["TPR@1%FPR<=5%: lira"] == cases["AUC<=0.6: mine"] == ["error"]
    failure = root.find(".//failure")
    assert failure is not None
    assert "0.710 [0.690, 0.730]; it surely lies above" in (failure.get("message") or "")


@pytest.mark.parametrize("place", [Path("audit.toml"), Path("a b/ä%.toml"), Path("/elsewhere/report.json")])
def test_sarif_is_what_its_official_schema_asks_for(place: Path) -> None:
    content = json.loads(sarif(mixed(), file=place, version="0.1.0"))
    jsonschema.Draft4Validator(OFFICIAL).validate(content)
    run = content["runs"][0]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["AUC<=0.6", "TPR@1%FPR<=5%"]
    levels = [(one["ruleIndex"], one["level"], one["properties"]["attack"]) for one in run["results"]]
    assert levels == [
        (0, "error", HOSTILE),
        *[(0, "warning", attack) for attack in ("lira", "mine")],
        *[(1, "warning", attack) for attack in (HOSTILE, "lira", "mine")],
    ]
    assert run["properties"]["status"] == "failed"


def test_sarif_points_to_a_file_in_the_source_by_its_path_there(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place, uri in (("audits/a b.toml", "audits/a%20b.toml"), ("/x/r.json", "file:///x/r.json")):
        result = json.loads(sarif(mixed(), file=Path(place), version="0"))["runs"][0]["results"][0]
        location = result["locations"][0]["physicalLocation"]["artifactLocation"]
        assert location["uri"] == uri
        assert ("uriBaseId" in location) == (not place.startswith("/"))


def test_sarif_takes_no_text_for_a_link_or_a_placeholder() -> None:
    said = json.loads(sarif(mixed(), file=Path("x"), version="0"))["runs"][0]["results"][0]["message"]["text"]
    assert "[click] (http://x) {{0}}" in said


def test_a_group_is_named_wherever_a_figure_is() -> None:
    groups = [group(name, risk("AUC", value, 0.4, 0.9)) for name, value in (("cat", 0.5), ("dog", 0.8))]
    found = judged(report(finding("lira", risk("AUC", 0.5), groups=groups)), max_group=["AUC<=0.6"])
    for text in (printed(found), junit(found), sarif(found, file=Path("x"), version="0"), json.dumps(told(found))):
        assert "class: dog" in text


@pytest.mark.parametrize("mark", [JUNIT, SARIF])
def test_only_its_own_earlier_results_are_written_over(tmp_path: Path, mark: str) -> None:
    made = {JUNIT: junit(mixed()), SARIF: sarif(mixed(), file=Path("audit.toml"), version="0.1.0")}
    place = tmp_path / "gate.out"
    write(place, made[mark], mark)
    write(place, made[mark] + " ", mark)
    assert place.read_text(encoding="utf-8") == made[mark] + " "
    other = SARIF if mark == JUNIT else JUNIT
    for content in (made[other], "my thesis", ""):
        place.write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match="not written over"):
            write(place, made[mark], mark)
        assert place.read_text(encoding="utf-8") == content
    assert [one.name for one in tmp_path.iterdir()] == ["gate.out"]


def test_a_result_goes_neither_into_a_report_nor_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    (tmp_path / "folder").mkdir()
    for place, says in (("gate.xml", "report alone"), ("absent/gate.xml", "not a folder")):
        with pytest.raises(InputError, match=says):
            check_file(tmp_path / place, JUNIT)
    (tmp_path / "report.json").unlink()
    with pytest.raises(InputError, match="not written over"):
        check_file(tmp_path / "folder", JUNIT)
