"""`privacy-meter defend`: from a run file to a folder, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.desk import RUN_FILE, Desk

from ml_privacy_meter import Defense, InputError, defenses
from ml_privacy_meter.cli.defending import allowed, defenses_from
from ml_privacy_meter.cli.runfile import check_settings

REFERENCES = """
[references]
count = 4
recipe = { architecture = "own_net:net", epochs = 3, lr = 0.05, precision = "fp32" }
"""
DEFENSES = """
[defenses]
rounding = { digits = 1 }
"""


@pytest.fixture
def ready(desk: Desk) -> Desk:
    desk.bring("model.pt2", "train.npz", "test.npz")
    with np.load(desk.folder / "train.npz") as held:
        shape = held["x"].shape[1], len(np.unique(held["y"]))
    desk.write("own_net.py", f"import torch\n\ndef net():\n    return torch.nn.Linear{shape}\n")
    return desk


def write(desk: Desk, more: str) -> None:
    desk.write("audit.toml", f"{RUN_FILE}difference = {{}}\n[figures]\nfpr = [0.1]\n{more}")


def _with_public(*, public: Any, often: int = 1) -> Defense:
    """Nothing, but for its settings."""
    return Defense("with_public", {"rows": len(public[0]), "labels": str(public[1][:2]), "often": often})


def test_lists_are_a_grid(tmp_path: Path) -> None:
    found = defenses_from({"relaxloss": {"alpha": [0.5, 1], "upper": [0.5, 0.9]}, "rounding": {}}, tmp_path)
    said = [(one.settings["alpha"], one.settings["upper"]) for one in found[:4]]
    assert said == [(0.5, 0.5), (0.5, 0.9), (1, 0.5), (1, 0.9)]
    assert [str(one) for one in found[4:]] == ["rounding(digits=2)"]
    some = defenses_from({"relaxloss": [{"alpha": 0.5}, {"upper": 0.5}]}, tmp_path)
    assert [one.settings for one in some] == [{"alpha": 0.5, "upper": 1.0}, {"alpha": 1.0, "upper": 0.5}]


def test_public_records_are_a_pair(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(defenses, "with_public", _with_public, raising=False)
    monkeypatch.setattr(defenses, "__all__", ["with_public"])
    np.savez(tmp_path / "public.npz", x=np.ones((5, 2), np.float32), y=np.arange(5))
    given = {"with_public": {"public": {"path": "public.npz"}, "often": [1, 2]}}
    found = defenses_from(given, tmp_path)
    assert [one.settings["rows"] for one in found] == [5, 5]
    assert [one.settings["often"] for one in found] == [1, 2]
    for wrong, says in (({"path": 1}, "`path` of"), ({}, "must say `path`"), ([1], "must be a table")):
        with pytest.raises(InputError, match=says):
            defenses_from({"with_public": {"public": wrong}}, tmp_path)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"roundin": {}}, r"no defense `roundin`\. Did you mean `rounding`"),
        ({"rounding": {"digit": 1}}, "Did you mean `digits`"),
        ({"rounding": {"digits": "one"}}, r"`digits` in \[defenses\] rounding must be a whole number, found 'one'"),
        ({"rounding": {"digits": [1, "two"]}}, "must be a whole number, found 'two'"),
        ({"rounding": {"digits": []}}, "must list a value or more"),
        ({"rounding": 1}, r"\[defenses\] rounding must be a table"),
        ({"early_stopping": {}}, r"\[defenses\] early_stopping must say `epochs`"),
    ],
)
def test_what_nobody_can_try_is_refused(section: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says):
        defenses_from(section, tmp_path)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (DEFENSES, ("[references] must say how the model was trained",)),
        (f"{REFERENCES}[defend]\nlimits = 0.5\n", ("no setting in [defend] `limits`", "`limit`")),
        ('[references]\noutputs = "answers.npz"\n', ("must say how models are trained", "found `outputs`")),
        (f'{REFERENCES}[defend]\nout = "."\n', ("Name a new folder",)),
        (f'{REFERENCES}[trace]\npath = "trace"\n', ("not watched while they train, found [trace]", "use `run`")),
        (f"{REFERENCES}[defenses]\nearly_stopping = {{ epochs = 7 }}\n", ("at most the recipe's 3",)),
    ],
)
def test_a_run_file_that_cannot_be_followed_is_refused(ready: Desk, more: str, says: tuple[str, ...]) -> None:
    write(ready, more)
    ready.refuses("defend", ready.folder / "audit.toml", says=says)


def test_snapshots_of_one_model_are_not_those_of_others(ready: Desk) -> None:
    write(ready, REFERENCES)
    said = (ready.folder / "audit.toml").read_text()
    ready.write("audit.toml", said.replace('"model.pt2"', '"model.pt2"\nsnapshots = ["model.pt2"]'))
    ready.refuses("defend", ready.folder / "audit.toml", says=("found `snapshots` in [model]",))


def test_the_settings_are_known_to_every_run_file() -> None:
    assert allowed().keys() == {"count", "limit", "out"}
    check_settings({"out": "r", "members": {}, "non_members": {}, "defend": {"limit": 0.5}, "defenses": {"a": {}}})


def test_a_run_file_becomes_a_folder_which_is_never_replaced(ready: Desk) -> None:
    write(ready, REFERENCES + DEFENSES)
    file, place = ready.folder / "audit.toml", ready.folder / "defenses"
    planned = ready.run("defend", file, "--dry-run")
    assert planned.status == 0, planned.err
    assert "Models that are trained and attacked: 4 (none; none, trained again; your model; rounding" in planned.out
    assert "Reference models: 4, on disk already: 0" in planned.out
    assert "Training takes about 0:" in planned.out
    assert not place.exists()
    said = ready.run("defend", file)
    assert said.status == 0, said.err
    assert "on disk already: 4" in said.out
    assert "Result: " in said.out
    held = json.loads((place / "defenses.json").read_text())
    assert [row["name"] for row in held["rows"]][3:] == ["rounding(digits=1)"]
    ready.refuses("defend", file, says=("Name a new folder",))
    again = ready.run("defend", file, "--json", "--out", ready.folder / "elsewhere")
    assert again.err == ""
    assert json.loads(again.out) == held
