"""What the help teaches: its examples are run; words are completed; a terminal of any width shows all."""

import json
import os
import re
import shlex
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docs_files
import numpy as np
import pandas as pd
import pytest
from cli import makers
from cli.desk import AUDIT, Desk, terminal
from text_folders import saved
from texts import sentences
from typer.testing import CliRunner

from ml_privacy_meter import FineTuning, fine_tune, membership
from ml_privacy_meter.cli import app

COMMANDS = ((), ("audit",), ("run",), ("init",))
BARS = re.compile(r"(Attacks?|Asking|Reading) ")


def examples(command: tuple[str, ...]) -> list[str]:
    """The commands that its help shows, each in one line."""
    said = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "80"}).stdout
    joined = re.sub(r"\\\s*\n\s*", "", said)
    return [line.strip() for line in joined.splitlines() if re.match(r" +privacy-meter \w+ .*[\w.]\s*$", line)]


def lay_out(desk: Desk) -> None:
    """The files that the examples speak of."""
    desk.bring("model.pt2")
    shutil.copy("model.pt2", "epoch5.pt2")
    desk.write("my_training.py", docs_files.TRAINING)
    rng = np.random.default_rng(0)
    for side in ("train", "test"):
        np.savez(f"{side}.npz", **makers.arrays(side, site=rng.choice(["north", "south"], 60)))
        share = rng.random(60)
        table = pd.DataFrame({"p_cat": share, "p_dog": 1 - share, "label": np.arange(60) % 2})
        table.to_csv(f"{side}.csv", index=False)
        texts = sentences(30, seed=len(side), words=4)
        Path(f"{side}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    fine_tune(FineTuning(saved(Path("base")), epochs=1), "train.jsonl", to="adapter")


def test_every_example_of_the_help_runs(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(desk)
    docs_files.play_few_attacks(monkeypatch)
    docs_files.draw_nothing(monkeypatch)
    monkeypatch.setattr("ml_privacy_meter.trackers.pictures.pictures", lambda found: iter(()))
    lines = [line for command in ((), ("init",), ("audit",), ("run",)) for line in examples(command)]
    assert len(lines) >= 12
    for line in lines:
        words = shlex.split(line)[1:]
        into = words[words.index(">") + 1] if ">" in words else ""
        words = words[: words.index(">")] if into else words
        if words[0] == "run" and "--out" not in words:
            Path("audit.toml").write_text(docs_files.LEAST, encoding="utf-8")
        said = desk.run(*words)
        assert said.status == 0, (line, said.err)
        if into:
            Path(into).write_text(said.out, encoding="utf-8")
            assert said.out


def test_the_help_says_where_to_start_and_what_an_exit_status_means(desk: Desk) -> None:
    said = desk.run("--help").out
    assert said.index("Start here:") < said.index("privacy-meter audit --model") < said.index("index.html")
    for command in ((), ("audit",), ("run",)):
        words = " ".join(desk.run(*command, "--help").out.split())
        for status in ("0, the report was written", "1, it was, but an attack failed", "2, ", "70, ", "130, "):
            assert status in words


@pytest.mark.parametrize(
    ("line", "finds"),
    [
        ("audit --attack ", [n for n in membership.__all__ if "Sees: " in (getattr(membership, n).__doc__ or "")]),
        ("audit --attack li", ["lira"]),
        ("audit --device c", ["cpu"]),
        ("audit --task cl", ["classes"]),
        ("audit --outputs pr", ["probabilities"]),
        ("audit --refer", ["--references"]),
        ("in", ["init"]),
    ],
)
def test_words_are_completed(line: str, finds: list[str]) -> None:
    words = ["privacy-meter", *line.split(" ")]
    asked = {
        "_PRIVACY_METER_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    said = CliRunner().invoke(app, [], prog_name="privacy-meter", env=asked)
    assert set(finds) <= set(said.stdout.split())
    assert all(word.startswith(words[-1]) for word in said.stdout.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_the_shell_is_shown(monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda *a, **k: (shell, f"/bin/{shell}"))
    said = CliRunner().invoke(app, ["--show-completion"], prog_name="privacy-meter")
    assert said.exit_code == 0
    assert f"_PRIVACY_METER_COMPLETE=complete_{shell}" in said.stdout


def in_terminal(*words: str, columns: int = 80, **environment: str) -> tuple[int, str]:
    """The status of the command, and all that it writes to a terminal of so many columns."""
    with (
        terminal(columns=columns) as (theirs, shown),
        ThreadPoolExecutor(1) as beside,
        pytest.MonkeyPatch.context() as here,
    ):
        for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
            here.delenv(name, raising=False)
        for name, value in {"TERM": "xterm-256color", **environment}.items():
            here.setenv(name, value)
        with open(os.dup(theirs), "w", encoding="utf-8") as screen:
            said = beside.submit(shown)
            here.setattr("sys.stdout", screen)
            here.setattr("sys.stderr", screen)
            with pytest.raises(SystemExit) as end:
                app(words, prog_name="privacy-meter")
        return int(end.value.code or 0), said.result().decode().replace("\r\n", "\n")


@pytest.fixture
def ready(desk: Desk) -> Desk:
    desk.bring("model.pt2", "train.npz", "test.npz")
    return desk


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_which_attack_of_how_many_and_then_the_table_uncut(ready: Desk, columns: int) -> None:
    attacks = ("--attack", "gap", "--model", "model.pt2")
    status, shown = in_terminal(*AUDIT, *attacks, columns=columns)
    assert status == 0, shown
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", shown)
    bars, left = plain.split("\r")[:-1], plain.split("\r")[-1]
    assert any(bar.startswith("Attack 1 of 2: threshold |") for bar in bars)
    assert any(bar.startswith("Attack 2 of 2: gap |") for bar in bars)
    assert all(not bar.strip() or BARS.match(bar) for bar in bars)
    assert max(map(len, [*bars, *left.splitlines()])) <= columns
    assert "…" not in left
    assert "Attack 1 of" not in left
    assert "TPR@0.1%FPR" in left
    assert left.endswith("Report: report/index.html\n")


@pytest.mark.parametrize(("environment", "styles"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_stay_away_where_they_are_not_wanted(ready: Desk, environment: dict[str, str], styles: bool) -> None:
    _, shown = in_terminal("audit", "--help", **environment)
    assert bool(re.search(r"\x1b\[(\d+;)*(3\d|9\d|38)", shown)) == styles


def test_an_audit_is_without_colours_and_bars_in_a_dumb_terminal(ready: Desk) -> None:
    _, shown = in_terminal(*AUDIT, "--model", "model.pt2", TERM="dumb")
    assert "Report: report/index.html" in shown
    assert "\x1b" not in shown
    assert "\r" not in shown


def test_quiet_shows_nothing_even_in_a_terminal_but_errors(ready: Desk) -> None:
    assert in_terminal(*AUDIT, "--model", "model.pt2", "--quiet") == (0, "")
    status, shown = in_terminal(*AUDIT, "--model", "absent.pt2", "--quiet")
    assert status == 2
    assert shown.startswith("Error: ")


def test_a_pipe_gets_neither_bars_nor_styles(ready: Desk) -> None:
    said = ready.run(*AUDIT, "--model", "model.pt2")
    assert said.status == 0
    assert said.err == ""
    assert "\x1b" not in said.out
    assert "\r" not in said.out
    assert max(map(len, said.out.splitlines())) <= 80
