"""The command `gate` at each of its exit statuses, and the section [gate] of a run file."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from cli.desk import RUN_FILE, Desk
from gate.made import check, finding, report, risk

GOOD, CLOSE, BAD = (finding("threshold", risk("AUC", value, value - 0.03, value + 0.03)) for value in (0.5, 0.59, 0.7))
BROKEN = finding("lira", failed="ValueError: no")
LIMIT = ("--max", "AUC<=0.6")


def lay(desk: Desk, *findings, **more) -> None:
    desk.write("report/report.json", json.dumps(report(*findings, **more)))


@pytest.mark.parametrize(
    ("findings", "more", "status", "says"),
    [
        ((GOOD,), {}, 0, "Passed"),
        ((GOOD, BAD), {}, 1, "Failed"),
        ((GOOD, CLOSE), {}, 3, "Not decidable"),
        ((GOOD, BROKEN), {}, 3, "the attack failed: ValueError: no"),
        ((), {}, 3, "no attack was played"),
        ((BAD,), {"checks": (check(voids=True),)}, 3, "does not measure the model"),
    ],
)
def test_the_exit_status_says_passed_failed_or_not_decidable(desk: Desk, findings, more, status, says) -> None:
    lay(desk, *findings, **more)
    said = desk.run("gate", "report", *LIMIT)
    assert (said.status, said.err) == (status, "")
    assert says in " ".join(said.out.split())
    assert max(map(len, said.out.splitlines())) <= 80
    quiet = desk.run("gate", "report", *LIMIT, "--quiet")
    assert (quiet.status, quiet.out) == (status, "")
    assert quiet.err.startswith("Gate: ") == (status != 0)
    printed = desk.run("gate", "report", *LIMIT, "--json")
    assert (printed.status, printed.err) == (status, "")
    assert json.loads(printed.out)["exit_status"] == status


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("report",), ("needs a limit",)),
        (("absent", *LIMIT), ("absent", "there is no")),
        (("report", "--max", "AUCC<=0.6"), ("Did you mean `AUC`?",)),
        (("report", "--max", "AUC>=0.6"), ("FIGURE<=NUMBER",)),
        (("report", "--max", "TPR@1%FPR<=0.1"), ("has no TPR@1%FPR", "--fpr")),
        (("report", *LIMIT, "--confidence", "0.99"), ("0.95", "0.99", "Run the audit")),
        (("report", *LIMIT, "--judge", "uper"), ("Did you mean `upper`?",)),
        (("report", *LIMIT, "--run-file", "absent.toml"), ("absent.toml", "does not exist")),
        (("report", *LIMIT, "--junit", "report/gate.xml"), ("report alone",)),
        (("report", *LIMIT, "--junit", "precious.txt"), ("precious.txt", "not written over")),
        (("report", *LIMIT, "--sarif", "precious.txt"), ("precious.txt", "not written over")),
        (("report", *LIMIT, "--junit", "one", "--sarif", "one"), ("named for both",)),
        (("report", *LIMIT, "--junit", "fine.xml", "--sarif", "precious.txt"), ("not written over",)),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(desk: Desk, arguments, says) -> None:
    lay(desk, GOOD)
    desk.write("precious.txt", "a thesis")
    desk.refuses("gate", *arguments, says=says)


def test_a_report_that_a_stranger_broke_is_refused(desk: Desk) -> None:
    desk.write("report/report.json", '{"schema": "ml-privacy-meter/report", "version": 1}')
    desk.refuses("gate", "report", *LIMIT, says=("no whole report",))


def test_junit_and_sarif_are_written_again_and_again_and_the_same(desk: Desk) -> None:
    lay(desk, CLOSE, BAD)
    asked = ("gate", "report", *LIMIT, "--junit", "gate.xml", "--sarif", "gate.sarif")
    assert desk.run(*asked).status == 1
    before = [Path(name).read_bytes() for name in ("gate.xml", "gate.sarif")]
    assert desk.run(*asked).status == 1
    assert before == [Path(name).read_bytes() for name in ("gate.xml", "gate.sarif")]
    assert [child.tag for child in ET.fromstring(before[0]).iter("testcase") for child in child] == ["error", "failure"]
    assert len(json.loads(before[1])["runs"][0]["results"]) == 2


def test_no_colour_goes_into_a_pipe(desk: Desk) -> None:
    lay(desk, GOOD, CLOSE, BAD)
    said = desk.run("gate", "report", *LIMIT)
    assert said.status == 1
    assert "\x1b" not in said.out
    assert "Failed" in said.out


def test_a_run_files_gate_gives_what_the_options_do_not(desk: Desk) -> None:
    lay(desk, CLOSE)
    desk.write("there/audit.toml", RUN_FILE + '[gate]\nmax = ["AUC<=0.6"]\njunit = "gate.xml"')
    asked = ("gate", "report", "--run-file", "there/audit.toml")
    assert desk.run(*asked).status == 3
    assert Path("there/gate.xml").is_file()
    assert desk.run(*asked, "--judge", "value").status == 0
    assert desk.run(*asked, "--max", "AUC<=0.65", "--sarif", "gate.sarif").status == 0
    assert desk.run(*asked, "--max", "AUC<=0.5", "--sarif", "gate.sarif").status == 1
    result = json.loads(Path("gate.sarif").read_text())["runs"][0]["results"][0]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "there/audit.toml"


@pytest.fixture
def ready(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk.bring("model.pt2", "train.npz", "test.npz")
    monkeypatch.setattr("ml_privacy_meter.report.page.page", lambda *given: "")
    return desk


@pytest.mark.parametrize(("most", "status", "says"), [("99.9%", 0, "Passed"), ("0.6", 1, "Failed")])
def test_a_gate_in_the_run_file_decides_the_exit_status_of_the_run(ready: Desk, most, status, says) -> None:
    ready.write("audit.toml", RUN_FILE + f'[gate]\nmax = ["AUC<={most}"]\njunit = "gate.xml"\nsarif = "gate.sarif"')
    said = ready.run("run", "audit.toml")
    assert (said.status, said.err) == (status, "")
    assert says in said.out
    assert "Report: " in said.out
    assert Path("gate.xml").is_file()
    assert Path("gate.sarif").is_file()
    said = ready.run("run", "audit.toml", "--json")
    assert said.status == status
    assert json.loads(said.out) == ready.report()
    assert said.err.startswith("Gate: Failed") == (status != 0)


def test_a_run_whose_attack_fails_is_not_decided_by_its_gate(ready: Desk) -> None:
    ready.write("mine.py", 'def mine(view):\n    """Mine."""\n    raise ValueError("no")\n')
    ready.write("audit.toml", RUN_FILE + '"mine:mine" = {}\n[gate]\nmax = ["AUC<=99.9%"]')
    said = ready.run("run", "audit.toml", "--quiet")
    assert (said.status, said.out) == (3, "")
    first, second, *warnings = said.err.splitlines()
    assert first == "mine failed: ValueError: no"
    assert second.startswith("Gate: Not decidable")
    assert any("were not played" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        ("", ("needs a limit",)),
        ('max = "AUC<=0.6"', ("`max` in [gate] must be a list of texts",)),
        ('maximum = ["AUC<=0.6"]', ("Did you mean `max`?",)),
        ('max = ["AUCC<=0.6"]', ("Did you mean `AUC`?",)),
        ('max = ["TPR@0.5%FPR<=0.6"]', ("TPR@0.5%FPR", "`fpr` in [figures]")),
        ('max = ["AUC<=0.6"]\nconfidence = 0.9', ("0.9", "0.95", "[figures]")),
        ('max = ["AUC<=0.6"]\njudge = "lower"', ("end to judge by",)),
        ('max = ["AUC<=0.6"]\njunit = "train.npz"', ("train.npz", "not written over")),
        ('max = ["AUC<=0.6"]\nsarif = "absent/gate.sarif"', ("not a folder",)),
    ],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_gate_that_could_not_judge_is_refused_before_the_audit(ready: Desk, gate, says, dry) -> None:
    ready.write("audit.toml", RUN_FILE + "[gate]\n" + gate)
    ready.refuses("run", "audit.toml", *dry, says=says)
    assert not Path(".privacy-meter").exists()


def test_rates_and_confidence_of_the_run_file_are_the_gates(ready: Desk) -> None:
    figures = "[figures]\nfpr = [0.05]\nconfidence = 0.8\n"
    ready.write("audit.toml", RUN_FILE + figures + '[gate]\nmax = ["TPR@5%FPR<=100%"]\nconfidence = 0.8')
    assert ready.run("run", "audit.toml").status == 0
