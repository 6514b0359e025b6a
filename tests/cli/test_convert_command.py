"""``privacy-meter convert``."""

import numpy as np
from typer.testing import CliRunner

from ml_privacy_meter.cli import app


def test_the_command_converts_and_never_writes_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("1,2;0\n3,4;1\n")
    done = CliRunner().invoke(app, ["convert", "a.txt", "a.npz"])
    assert (done.exit_code, done.output) == (0, "Records: a.npz\n")
    assert np.load("a.npz")["x"].tolist() == [[1, 2], [3, 4]]
    again = CliRunner().invoke(app, ["convert", "a.txt", "a.npz"])
    assert again.exit_code == 2
    assert "`a.npz` is there already" in again.output
