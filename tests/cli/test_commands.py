"""What the commands print, where, and with which exit status."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli.desk import AUDIT, COMMAND, Desk, lasting, terminal

import ml_privacy_meter
from ml_privacy_meter.cli import runfile
from ml_privacy_meter.report import Report
from ml_privacy_meter.targets import Target

MODEL = ("--model", "model.pt2")
SLOW = """
import pathlib, time, torch


class Slow(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(108, 3)
        torch.nn.init.eye_(self.linear.weight)
        torch.nn.init.zeros_(self.linear.bias)

    def forward(self, x):
        with open("asked.txt", "a") as file:
            print(len(x), file=file)
        time.sleep(0 if pathlib.Path("fast").exists() else 0.3)
        return self.linear(x)
"""


@pytest.fixture
def ready(desk: Desk) -> Desk:
    desk.bring("model.pt2", "train.npz", "test.npz")
    return desk


def test_the_table_shows_each_attack_the_figures_the_verdict_and_the_report(ready: Desk) -> None:
    said = ready.run(*AUDIT, *MODEL, "--attack", "gap")
    assert (said.status, said.err) == (0, "")
    auc = next(risk for risk in ready.report()["findings"][0]["risks"] if risk["name"] == "AUC")
    shown = " ".join(said.out.split())
    for words in (
        "threshold",
        "gap",
        "TPR@10%FPR",
        f"{auc['value']:.3f}",
        "without the model",
        "Report: report/index.html",
    ):
        assert words in shown
    assert max(map(len, said.out.splitlines())) <= 80


def test_all_attacks_and_rates_by_default_fit_into_80_columns_uncut(ready: Desk) -> None:
    out = ready.run(*AUDIT[:-2], *MODEL).out
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out
    for name in ("threshold", "gap", "quantile", "AUC", "TPR@10%FPR", "TPR@1%FPR", "TPR@0.1%FPR"):
        assert name in out


def test_json_prints_the_report_and_nothing_else(ready: Desk) -> None:
    said = ready.run(*AUDIT, *MODEL, "--json")
    assert (said.status, said.err) == (0, "")
    assert said.out == Path("report/report.json").read_text(encoding="utf-8")
    assert json.loads(said.out)["schema"] == "ml-privacy-meter/report"


def test_quiet_prints_errors_alone(ready: Desk) -> None:
    said = ready.run(*AUDIT, *MODEL, "--quiet")
    assert (said.status, said.out, said.err) == (0, "", "")
    assert Path("report/index.html").is_file()
    ready.refuses(*AUDIT, "--quiet", "--model", "absent.pt2", says=("absent.pt2",))


def test_the_same_audit_gives_the_same_report_and_asks_the_model_nothing_new(
    ready: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ready.reports(*AUDIT, *MODEL, "--attack", "gap")
    kept = sorted((path.name, path.stat().st_mtime_ns) for path in Path(".privacy-meter").glob("*.rows"))
    asked: list[int] = []
    forward = Target.forward
    monkeypatch.setattr(Target, "forward", lambda self, x: asked.append(len(x)) or forward(self, x))
    again = ready.reports(*AUDIT, *MODEL, "--attack", "gap")
    assert lasting(first) == lasting(again)
    assert kept == sorted((path.name, path.stat().st_mtime_ns) for path in Path(".privacy-meter").glob("*.rows"))
    tried = 24  # to see whether it has gradients
    assert sum(asked) <= 32 + tried  # to see that what is kept is still what the model says


def test_another_seed_changes_no_figure_of_an_attack_without_chance(ready: Desk) -> None:
    first, second = (ready.reports(*AUDIT, *MODEL, "--seed", seed) for seed in (0, 1))
    figures = [
        [r for r in report["findings"][0]["risks"] if r["name"].startswith(("AUC", "TPR"))]
        for report in (first, second)
    ]
    assert figures[0] == figures[1]


def test_the_version_is_printed(desk: Desk) -> None:
    said = desk.run("--version")
    assert (said.status, said.out) == (0, f"privacy-meter {ml_privacy_meter.__version__}\n")


@pytest.mark.parametrize("command", [(), ("audit",), ("run",), ("init",), ("gate",)])
def test_the_help_names_every_option_within_80_columns(desk: Desk, command: tuple[str, ...]) -> None:
    said = desk.run(*command, "--help")
    assert said.status == 0
    assert max(map(len, said.out.splitlines())) <= 80
    if command == ("audit",):
        for setting in (*runfile.RUN, *runfile.FIGURES, "model", "members", "classes", "trusted"):
            assert f"--{setting.replace('_', '-')} " in said.out


def test_without_a_command_the_commands_are_listed(desk: Desk) -> None:
    said = desk.run()
    for command in ("audit", "run", "init"):
        assert command in said.out + said.err


def test_debug_shows_the_traceback_of_bad_input_and_keeps_the_status(ready: Desk) -> None:
    said = ready.run(*AUDIT, "--debug", "--model", "absent.pt2")
    assert said.status == 2
    assert "Traceback" in said.err
    assert said.err.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize(
    ("failure", "status", "words"),
    [
        (RuntimeError("a bug"), 70, "RuntimeError('a bug')"),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (PermissionError(13, "Permission denied", "report"), 2, "Permission denied: 'report'"),
    ],
)
def test_what_is_no_bad_input_has_a_status_of_its_own(
    ready: Desk, monkeypatch: pytest.MonkeyPatch, failure: BaseException, status: int, words: str
) -> None:
    def fail(*args: object, **named: object) -> None:
        raise failure

    monkeypatch.setattr(Report, "save", fail)
    said = ready.refuses(*AUDIT, *MODEL, status=status, says=(words,))
    assert ("--debug" in said) == (status == 70)
    debugged = ready.run(*AUDIT, *MODEL, "--debug")
    assert debugged.status == status
    assert "Traceback" in debugged.err


def _alone(folder: Path) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder), "COLUMNS": "80"}


def test_progress_goes_to_the_terminal_and_not_into_the_output(ready: Desk) -> None:
    """stdout is a pipe, stderr a terminal, as in `privacy-meter audit ... --json > report.json`."""
    ready.write("slow.py", SLOW)
    slow = (*AUDIT, "--model", "slow:Slow", "--json", "--batch-size", "8", "--debug")
    with (
        terminal(columns=80) as (theirs, shown),
        subprocess.Popen((*COMMAND, *slow), stdout=subprocess.PIPE, stderr=theirs, env=_alone(ready.folder)) as process,
    ):
        bars = shown()
        assert process.stdout is not None
        out = process.stdout.read()
    assert process.returncode == 0, bars
    assert json.loads(out)["schema"] == "ml-privacy-meter/report"
    assert b"Asking the model" in bars
    text = re.sub(rb"\x1b\[[0-9;]*[A-Za-z]", b"", bars).replace(b"\n", b"\r")
    assert not [
        line for line in text.split(b"\r") if line.strip() and not re.match(rb"Asking the model|Attacks? ", line)
    ]


def test_an_interrupted_audit_says_so_and_goes_on_where_it_was(ready: Desk) -> None:
    ready.write("slow.py", SLOW)
    slow = ("--model", "slow:Slow", "--batch-size", "4", "--store", "store")
    arguments = [str(argument) for argument in (*AUDIT, *slow)]
    with subprocess.Popen(
        (*COMMAND, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_alone(ready.folder),
        text=True,
        # what runs in the background of a shell ignores it, and hands that down
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        rows = Path("store")
        while not (any(rows.glob("*.rows")) and sum(path.stat().st_size for path in rows.glob("*.rows")) > 100):
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, err) == ("", "Interrupted. The same command goes on where it was.\n")
    assert not Path("report").exists()
    kept = sum(path.stat().st_size for path in rows.glob("*.rows")) // (3 * 4)
    assert 0 < kept < 120
    ready.write("fast", "")
    before = len(Path("asked.txt").read_text().split())
    assert ready.run(*arguments).status == 0
    asked = [int(count) for count in Path("asked.txt").read_text().split()[before:]]
    looked_at = 4 * 32 + 4 + 24  # how the model is fed, if it has gradients, and if what was kept is still so
    assert sum(asked) <= 120 - kept + looked_at
