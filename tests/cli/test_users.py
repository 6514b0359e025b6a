"""Figures by user from the command line and from a run file: the column is named once."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner
from user_worlds import world

from ml_privacy_meter.cli import app


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and tables whose column ``customer`` says whose a record is."""
    folder = tmp_path_factory.mktemp("users")
    model, members, others, _ = world(users=60)
    torch.export.save(
        torch.export.export(model, (members.x[:3],), dynamic_shapes=({0: torch.export.Dim.AUTO},)), folder / "model.pt2"
    )
    for name, side in (("train", members), ("test", others)):
        frame = pd.DataFrame(np.asarray(side.x), columns=[f"x{i}" for i in range(side.x.shape[1])])
        frame.assign(label=np.asarray(side.y), customer=side.groups["customer"]).to_csv(
            folder / f"{name}.csv", index=False
        )
    return folder


AUDIT = ("audit", "--model", "model.pt2", "--members", "train.csv", "--non-members", "test.csv", "--fpr", "0.1")
RUN_FILE = """
out = "from-file"
[model]
path = "model.pt2"
[members]
path = "train.csv"
[non_members]
path = "test.csv"
[attacks]
threshold = {}
[figures]
users = "customer"
fpr = [0.1]
"""


def test_a_column_says_whose_records_are_and_no_model_takes_it(folder, monkeypatch):
    monkeypatch.chdir(folder)
    said = CliRunner().invoke(app, [*AUDIT, "--attack", "threshold", "--users", "customer", "--out", "report"])
    assert said.exit_code == 0, said.output
    assert "Whose records the model was trained on" in said.output
    found = json.loads(Path("report/report.json").read_text())["by_user"]
    assert (found["column"], found["inside"], found["outside"], found["held_out"]) == ("customer", 30, 30, True)
    assert [row["known"] for row in found["findings"][0]["rows"]] == [1, 4]
    Path("audit.toml").write_text(RUN_FILE)
    assert CliRunner().invoke(app, ["run", "audit.toml"]).exit_code == 0
    assert json.loads(Path("from-file/report.json").read_text())["by_user"] == found


def test_a_column_that_is_not_there_is_bad_input(folder, monkeypatch):
    monkeypatch.chdir(folder)
    said = CliRunner().invoke(app, [*AUDIT, "--users", "author", "--out", "other"])
    assert said.exit_code == 2
    assert "`author`" in said.output
