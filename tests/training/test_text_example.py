"""The example that tunes a language model is run, on a made model and made speeches."""

import json
import lzma
import runpy
import subprocess
import sys
from pathlib import Path

import docs_files
import pytest
from text_folders import llama_with, saved
from texts import sentences
from typer.testing import CliRunner

from ml_privacy_meter.cli import app

EXAMPLE = Path(__file__).parents[2] / "examples" / "text_lora.py"


def test_an_adapter_on_speeches_is_audited(tmp_path, monkeypatch):
    data = tmp_path / "data"
    saved(data / "models" / "stories260k", lambda: llama_with(max_position_embeddings=256))
    with lzma.open(data / "shakespeare_speeches.jsonl.xz", "wt") as file:
        file.write(json.dumps({"speeches": sentences(80, words=18)}) + "\n")

    def call(command):
        done = CliRunner().invoke(app, [str(word) for word in command[1:]])
        assert Path(command[0]).name == "privacy-meter"
        assert done.exit_code == 0, done.stderr
        return done.exit_code

    docs_files.play_few_attacks(monkeypatch)
    docs_files.draw_nothing(monkeypatch)
    monkeypatch.setattr(subprocess, "call", call)
    words = [EXAMPLE, tmp_path / "made", "--data", data, "--texts", 30, "--epochs", 2, "--references", 2]
    monkeypatch.setattr(sys, "argv", list(map(str, words)))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert ended.value.code == 0
    report = json.loads((tmp_path / "made" / "report" / "report.json").read_text())
    assert report["about"]["reference_models"] == 2
    assert report["about"]["members"] == 30
