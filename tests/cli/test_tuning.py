"""Language models in run files and options: an adapter beside its base, references that are tuned, a target too."""

import json

import pandas as pd
import pytest
from cli.desk import Desk, figure, lasting
from text_folders import saved
from texts import sentences

import ml_privacy_meter as pm

SIDES = ("--members", "a.jsonl", "--non-members", "b.jsonl", "--out", "report")
TUNING = {"rank": 8, "epochs": 60, "lr": 2e-2}
FILE = """
out = "report"
members = {{ path = "a.jsonl" }}
non_members = {{ path = "b.jsonl" }}
[attacks]
threshold = {{}}
base_difference = {{}}
difference = {{}}
[model]
base = "base"
{model}
[references]
{references}
"""
SAID = "fine_tuning = { rank = 8, epochs = 60, lr = 2e-2 }"


@pytest.fixture
def ready(desk: Desk) -> Desk:
    texts = sentences(60, words=6)
    for name, side in (("a.jsonl", texts[:30]), ("b.jsonl", texts[30:])):
        pd.DataFrame({"text": side}).to_json(desk.folder / name, orient="records", lines=True)
    saved(desk.folder / "base")
    return desk


@pytest.fixture
def adapter(ready: Desk) -> Desk:
    pm.fine_tune(pm.FineTuning(ready.folder / "base", **TUNING), ready.folder / "a.jsonl", to=ready.folder / "adapter")
    note = ready.folder / "adapter" / "adapter_config.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"base_model_name_or_path": "somebody/model"}))
    return ready


def test_an_adapter_is_audited_beside_its_base(adapter: Desk) -> None:
    attacks = ("--attack", "threshold", "--attack", "base_difference")
    said = adapter.run("audit", "--model", "adapter", *SIDES, *attacks)
    assert said.status == 2
    assert "which it calls `somebody/model`" in said.err
    report = adapter.reports("audit", "--model", "adapter", "--base", "base", *SIDES, *attacks)
    assert figure(report, "base_difference", "AUC")["low"] > 0.5
    assert "with an adapter" in report["about"]["model"]


def test_references_are_tuned_as_the_adapters_note_says(adapter: Desk) -> None:
    words = ("--model", "adapter", "--base", "base", *SIDES, "--attack", "threshold", "--references", 2)
    said = adapter.run("audit", *words, "--dry-run")
    assert (said.status, said.err) == (0, "")
    assert "Reference models: 2, each trained on 30 records" in said.out
    assert "rank 8" in said.out
    adapter.reports("audit", *words)
    assert adapter.run("audit", *words, "--dry-run").out.count("On disk already: 2") == 1


def test_a_run_file_tunes_the_model_and_its_references(ready: Desk) -> None:
    ready.write("audit.toml", FILE.format(model=SAID, references="count = 4\nfine_tuning = {}"))
    planned = ready.run("run", "audit.toml", "--dry-run")
    assert (planned.status, planned.err) == (0, "")
    assert "The model itself is tuned first" in planned.out
    assert "epochs 60" in planned.out
    first = ready.reports("run", "audit.toml")
    assert figure(first, "base_difference", "AUC")["low"] > 0.5
    assert figure(first, "difference", "AUC")["low"] > 0.5
    assert first["about"]["reference_models"] == 4
    again = ready.reports("run", "audit.toml", "--out", "again", folder="again")
    assert lasting(first) == lasting(again)


@pytest.mark.parametrize(
    ("model", "references", "says"),
    [
        ('path = "base"\n' + SAID, SAID, "names a finished model as `path`"),
        ("fine_tuning = { rnak = 8 }", SAID, "no setting of `fine_tuning` `rnak`. Did you mean `rank`"),
        ('fine_tuning = { rank = "8" }', SAID, "`rank` of `fine_tuning` in [model] must be a whole number"),
        (SAID, "fine_tuning = { batch = 8 }", "no setting of `fine_tuning` `batch`. Did you mean `batch_size`"),
        (SAID, 'fine_tuning = "lora"', "`fine_tuning` in [references] must be a table"),
        (SAID, "fine_tuning = {}\ntrain = 'a:b'", "must say one of"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused(ready: Desk, model: str, references: str, says: str) -> None:
    ready.write("audit.toml", FILE.format(model=model, references=references))
    said = ready.run("run", "audit.toml")
    assert said.status == 2
    assert says in said.err


def test_a_tuning_without_a_base_is_refused(ready: Desk) -> None:
    ready.write("audit.toml", FILE.format(model=SAID, references=SAID).replace('base = "base"\n', ""))
    assert "in [model] needs `base`" in ready.run("run", "audit.toml").err
    text = FILE.format(model='path = "base"', references=SAID)
    ready.write("audit.toml", text.replace('base = "base"\n', ""))
    assert "name its folder as `base` in [model]" in ready.run("run", "audit.toml").err
