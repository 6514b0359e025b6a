"""Games beside membership, from the command line and from a run file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from ml_privacy_meter.cli import app, games

RUN_FILE = """
out = "{out}"
games = {games}
[model]
path = "model.skops"
[members]
path = "train.csv"
label = "label"
[non_members]
path = "test.csv"
label = "label"
[attacks]
threshold = {{}}
[figures]
fpr = [0.1]
{more}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nearest neighbour that has learned its records by heart, whose label is a coin but for the column ``ill``."""
    folder, rng = tmp_path_factory.mktemp("games"), np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(900, 4)).round(2), columns=["a", "b", "c", "d"])
    x["ill"] = (rng.random(900) < 0.4).astype(int)
    y = (rng.random(900) < 0.3 + 0.4 * x["ill"]).astype(int)
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(1, algorithm="brute")).fit(x[:300], y[:300])
    skops.io.dump(model, folder / "model.skops")
    for name, rows in (("train", slice(0, 300)), ("test", slice(300, 900)), ("synthetic", slice(0, 300))):
        x[rows].assign(label=y[rows]).to_csv(folder / f"{name}.csv", index=False)
    return folder


def run(folder: Path, out: str, played: list[str], more: str = "") -> tuple[int, str, dict[str, Any]]:
    (folder / "audit.toml").write_text(RUN_FILE.format(out=out, games=played, more=more))
    said = CliRunner().invoke(app, ["run", str(folder / "audit.toml"), "--quiet"])
    report = folder / out / "report.json"
    return said.exit_code, said.output, json.loads(report.read_text()) if report.exists() else {}


def test_a_column_that_is_named_is_guessed(folder, monkeypatch):
    monkeypatch.chdir(folder)
    records = ["--members", "train.csv", "--non-members", "test.csv", "--label", "label"]
    options = ["--secret-column", "ill", "--attack", "threshold", "--fpr", "0.1", "--out", "by-option"]
    said = CliRunner().invoke(app, ["audit", "--model", "model.skops", *records, *options])
    assert said.exit_code == 0, said.output
    assert "Hidden attributes: ill" in said.output
    found = json.loads(Path("by-option/report.json").read_text())
    assert [(game["name"], game["secret"]) for game in found["games"]] == [("attribute", "ill")]
    assert [finding["attack"] for finding in found["findings"]] == ["threshold"]
    status, _, same = run(folder, "by-file", ["membership", "attribute"], '[attribute]\ncolumns = ["ill"]')
    assert status == 0
    assert same["games"] == found["games"]


def test_a_run_file_plays_any_set_of_games_without_membership(folder):
    more = '[synthetic]\npath = "synthetic.csv"\ntries = 200\nrisks = ["inference"]\n'
    more += '[extraction]\nbudgets = [40]\nattacks = ["random_records"]'
    status, output, found = run(folder, "others", ["extraction", "synthetic"], more)
    assert status == 0, output
    assert found["findings"] == []
    assert [game["name"] for game in found["games"]] == ["extraction", "synthetic"]
    assert "## Synthetic records" in (folder / "others" / "report.md").read_text()


def test_a_game_that_cannot_be_played_says_so_and_costs_no_other(folder):
    status, output, found = run(folder, "failing", ["membership", "attribute"], '[attribute]\ncolumns = ["height"]')
    assert status == 1
    assert "height" in output
    assert found["findings"][0]["attack"] == "threshold"
    assert "height" in found["games"][0]["tried"][0]["failed"]


def test_a_gate_that_is_passed_hides_no_game_that_failed_and_passes_no_report_without_membership(folder):
    kept = '[attribute]\ncolumns = ["height"]\n[gate]\nmax = ["AUC<=1"]'
    assert run(folder, "gated", ["membership", "attribute"], kept)[0] == 1
    status, output, _ = run(folder, "gated", ["attribute"], kept.replace("height", "ill"))
    assert status == 3
    assert "Not decidable" in output


@pytest.mark.parametrize(
    ("played", "more", "words"),
    [
        (["atribute"], "", "attribute"),
        ([], "", "one game or more"),
        (["membership", "membership"], "", "each once"),
        (["memorization"], "", "needs reference models"),
        (["synthetic"], "", "must say `path`"),
        (["synthetic"], '[synthetic]\npath = "none.csv"', "`none.csv` does not exist"),
        (["attribute"], "[attribute]\ncolumns = 3", "must be a list"),
        (["attribute"], "", "must say `columns`"),
        (["membership", "property"], "", "must say `column`"),
        (["attribute"], "[attribute]\ncolums = []", "`columns`"),
    ],
)
def test_what_cannot_be_followed_is_refused_before_anything_is_played(folder, played, more, words):
    status, output, found = run(folder, "refused", played, more)
    assert status == 2
    assert words in output
    assert not found


def test_sections_play_membership_too_unless_games_are_named():
    assert games.asked({"attribute": {}, "extraction": {}}) == ["membership", "attribute", "extraction"]
    assert games.asked({"attribute": {}, "games": ["extraction"]}) == ["extraction"]


def test_every_section_is_a_function_whose_settings_a_run_file_can_hold():
    for section in games.PLAYS:
        assert games.allowed(section)
        assert not games.allowed(section).keys() & {*games.ELSEWHERE}
