"""[references] in run files and options: where they come from, what is kept, and what is refused."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import worlds
from cli import makers
from cli.desk import AUDIT, RUN_FILE, Desk, figure

from ml_privacy_meter.training.split import balanced

TRAINING = """
import os, signal
from pathlib import Path
from sklearn.tree import DecisionTreeClassifier

HERE = Path(__file__).parent

def train(x, y, seed):
    with (HERE / "calls").open("a") as file:
        file.write(f"{seed}\\n")
    third = len((HERE / "calls").read_text().split()) == 3
    if third and (HERE / "kill").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    if third and (HERE / "interrupt").exists():
        raise KeyboardInterrupt
    return DecisionTreeClassifier(max_depth=5, random_state=seed).fit(x, y)

def fewest(view):
    \"\"\"As many models as there are in the audit.

    Sees: nothing.
    \"\"\"
    if len(view.references) < 4:
        raise RuntimeError("out of ideas")
    return view.signals(lambda model, x, y: x[:, 0]).target
"""
WHOLE = RUN_FILE + "difference = {}\n"
LIKE_TARGET = 'count = 4\nrecipe = { architecture = "like-target", epochs = 30, lr = 0.05 }'


@pytest.fixture
def ready(desk: Desk) -> Desk:
    """Where a function trains four reference models; its module has a name of its own."""
    desk.bring("model.pt2", "train.npz", "test.npz")
    desk.write(f"{module(desk)}.py", TRAINING)
    desk.write("calls", "")
    of(desk, f'count = 4\ntrain = "{module(desk)}:train"')
    return desk


def module(desk: Desk) -> str:
    return f"training_{desk.folder.name.replace('-', '_')}"


def of(desk: Desk, references: str, model: str = "model.pt2", more: str = "") -> None:
    desk.write("audit.toml", WHOLE.replace("model.pt2", model) + f"{more}\n[references]\n{references}\n")


def calls(desk: Desk) -> int:
    return len((desk.folder / "calls").read_text().split())


def trained(desk: Desk, *, alike: bool = False) -> dict[str, Any]:
    """The report of a run; where reference models are like the target, they show the leak too."""
    said = desk.run("run", "audit.toml", "--quiet")
    assert (said.status, said.out, said.err) == (0, "", "")
    report = desk.report()
    assert figure(report, "threshold", "AUC")["low"] > 0.6
    assert (figure(report, "difference", "AUC")["low"] > 0.6) == alike
    assert report["about"]["reference_models"] == 4
    return report


def test_a_second_run_trains_nothing(ready: Desk) -> None:
    first, second = trained(ready), trained(ready)
    assert calls(ready) == 4
    assert first["findings"] == second["findings"]


def test_the_options_and_the_run_file_train_the_same_models(ready: Desk) -> None:
    trained(ready)
    more = ("--attack", "difference", "--references", 4, "--train", f"{module(ready)}:train")
    said = ready.run(*AUDIT, "--model", "model.pt2", *more)
    assert (said.status, said.err) == (0, "")
    assert calls(ready) == 4


def test_a_dry_run_trains_one_group_says_how_long_the_others_take_and_writes_no_report(ready: Desk) -> None:
    said = ready.run("run", "audit.toml", "--dry-run")
    assert (said.status, said.err) == (0, "")
    for words in ("Reference models: 4, each trained on 60 records", ":train`", "On disk already: 0", "About 0:00:"):
        assert words in said.out, said.out
    assert "To be trained: 4, in groups: 4, of which at the same time: 1" in said.out
    assert calls(ready) == 1
    assert not (ready.folder / "report").exists()
    trained(ready)
    assert calls(ready) == 4
    said = ready.run("run", "audit.toml", "--dry-run")
    assert said.out.endswith("On disk already: 4\n")
    assert calls(ready) == 4


def test_a_dry_run_without_reference_models_says_so(ready: Desk) -> None:
    said = ready.run(*AUDIT, "--model", "model.pt2", "--dry-run")
    assert (said.status, said.out) == (0, "No reference models are to be trained.\n")
    assert not (ready.folder / "report").exists()


def test_a_run_that_is_killed_goes_on_where_it_was(ready: Desk) -> None:
    ready.write("kill", "")
    path = os.pathsep.join(part for part in sys.path if part)
    command = [sys.executable, "-c", "from ml_privacy_meter.cli import main; main()", "run", "audit.toml"]
    killed = subprocess.run(command, cwd=ready.folder, env=os.environ | {"PYTHONPATH": path}, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    (ready.folder / "kill").unlink()
    trained(ready)
    assert calls(ready) == 5  # the third twice: it was in training


def test_a_run_that_is_interrupted_keeps_what_was_finished(ready: Desk) -> None:
    ready.write("interrupt", "")
    said = ready.run("run", "audit.toml")
    assert (said.status, said.err) == (130, "Interrupted. The same command goes on where it was.\n")
    (ready.folder / "interrupt").unlink()
    trained(ready)
    assert calls(ready) == 5


def test_two_processes_train_what_one_does(ready: Desk) -> None:
    of(ready, f'count = 4\nengine = "joblib"\nworkers = 2\ntrain = "{module(ready)}:train"')
    parallel = trained(ready)
    of(ready, f'count = 4\ntrain = "{module(ready)}:train"')
    assert trained(ready)["findings"] == parallel["findings"]
    assert calls(ready) == 4


def test_a_recipe_starts_the_targets_architecture_anew(desk: Desk) -> None:
    desk.bring("model.safetensors", "my_factory.py", "train.npz", "test.npz")
    of(desk, LIKE_TARGET, model='my_factory:build"\nweights = "model.safetensors')
    assert "trained by a recipe" in trained(desk, alike=True)["about"]["references"]["trained"]


@pytest.mark.parametrize("model", ["model.pt2", "model.onnx", 'https://127.0.0.1:1/"\nrequest = \'"$records"\'\n#"'])
def test_a_target_without_an_architecture_to_start_anew_is_refused(desk: Desk, model: str) -> None:
    desk.bring("model.pt2", "model.onnx", "train.npz", "test.npz")
    of(desk, LIKE_TARGET, model=model)
    desk.refuses("run", "audit.toml", says=("architecture", "function that builds the mod"))


def test_public_records_train_offline_reference_models(desk: Desk) -> None:
    desk.bring("model.safetensors", "my_factory.py", "train.npz", "test.npz")
    x, y, _ = worlds.draw(7, n=120, width=makers.WIDTH)
    np.savez(desk.folder / "public.npz", x=x.numpy(), y=y.numpy())
    of(
        desk,
        LIKE_TARGET + '\npublic = { path = "public.npz" }',
        model='my_factory:build"\nweights = "model.safetensors',
    )
    report = trained(desk, alike=True)
    (check,) = [one for one in report["checks"] if one["name"].startswith("Is any public record")]
    assert check["passed"]


@pytest.fixture
def brought(desk: Desk) -> Desk:
    """Four models as files, what they were trained on, and what they and the target say."""
    desk.bring("model.pt2", "train.npz", "test.npz", "train_answered.npz", "test_answered.npz")
    x, y = (torch.cat([of[makers.MEMBER], of[~makers.MEMBER]]) for of in (makers.X, makers.Y))
    inside = balanced(120, 4, 0)
    models = [worlds.overfitted(x[here], y[here]) for here in inside.T]
    for number, model in enumerate(models):
        makers.export(model, x[:4], desk.folder / f"ref{number}.pt2")
    with torch.no_grad():
        said = torch.stack([model(x) for model in models]).numpy()
    np.savez(desk.folder / "refs.npz", logits=said, inside=inside.T.numpy())
    np.savez(desk.folder / "inside.npz", members=inside[:60].numpy(), non_members=inside[60:].numpy())
    return desk


def test_models_and_saved_outputs_are_brought_along(brought: Desk) -> None:
    models = ", ".join(f'"ref{number}.pt2"' for number in range(4))
    of(brought, f'models = [{models}]\ninside = "inside.npz"')
    by_models = trained(brought, alike=True)
    of(brought, 'outputs = "refs.npz"')
    by_outputs = trained(brought, alike=True)
    saved = WHOLE.replace('[model]\npath = "model.pt2"', "") + '[references]\noutputs = "refs.npz"\n'
    brought.write(
        "audit.toml", saved.replace("train.npz", "train_answered.npz").replace("test.npz", "test_answered.npz")
    )
    without_a_model = trained(brought, alike=True)
    for other in (by_outputs, without_a_model):
        for name in ("AUC", "TPR@10%FPR"):
            found, wanted = (figure(of, "difference", name)["value"] for of in (other, by_models))
            assert found == pytest.approx(wanted, abs=1e-3)


def test_an_attack_that_raises_in_rehearsals_alone_does_not_cost_the_others(ready: Desk) -> None:
    of(ready, f'count = 4\ntrain = "{module(ready)}:train"', more=f'"{module(ready)}:fewest" = {{}}')
    report = trained(ready)
    (check,) = [one for one in report["checks"] if one["name"] == "Was every attack rehearsed?"]
    assert not check["passed"]
    assert check["says"].endswith("fewest: RuntimeError: out of ideas")
    assert set(report["about"]["strongest"].values()) <= {"threshold", "difference"}


@pytest.mark.parametrize(
    ("references", "says"),
    [
        ("count = 4", ("one of `train`, `recipe`, `fine_tuning`, `outputs`, `models`", "none of them", "--train")),
        ('train = "a:b"\noutputs = "refs.npz"', ("found `train` and `outputs`",)),
        ('trian = "a:b"', ("[references] `trian`", "`train`")),
        ('train = "a:b"\ncuont = 3', ("`cuont`", "`count`")),
        ("train = 3", ("`train` in [references] must be text, found 3",)),
        ('train = "a:b"\ncount = "4"', ("`count` in [references] must be a whole number",)),
        ('train = "absent_module:train"', ("absent_module:train", "cannot be imported")),
        ('train = "cli.makers:nothing"', ("`cli.makers:nothing` names none",)),
        ('train = "cli.makers:names"\nengine = "jobib"', ("`jobib`", "`joblib`")),
        ('train = "cli.makers:names"\nworkers = 2', ('engine="joblib"',)),
        ('train = "cli.makers:names"\ninside = "x.npz"', ("`inside` is for `models`", "Leave it out")),
        ('train = "cli.makers:names"\npublic = "x.npz"', ("`public` in [references] must be a table",)),
        ('train = "cli.makers:names"\npublic = { pth = "x" }', ("`pth`", "`path`")),
        ('train = "cli.makers:names"\npublic = { label = "y" }', ("`public`", "must say `path`")),
        ('train = "cli.makers:names"\npublic = { path = "absent.npz" }', ("absent.npz",)),
        ("recipe = { architecure = 'like-target' }", ("`architecure`", "`architecture`")),
        ("recipe = { lr = 'fast' }", ("`lr` of `recipe` must be a number",)),
        ("recipe = { optimizer = 'sdg' }", ("`sdg`", "`sgd`")),
        ('outputs = "absent.npz"', ("absent.npz", "found nothing")),
        ('outputs = "train.npz"', ("`inside` and either `logits` or `probabilities`",)),
        ('outputs = "train.npz"\ncount = 3', ("`count` is for models that are trained here", "Leave it out")),
        ('models = ["a.pt2"]', ("need `inside`", "`members` and `non_members`")),
        ('models = "a.pt2"', ("`models` in [references] must be a list of texts",)),
        ('models = []\ninside = "train.npz"', ("must name a model or more",)),
        ('models = ["a.pt2"]\ninside = "absent.npz"', ("`inside` must be an .npz file", "absent.npz")),
        ('models = ["a.pt2"]\ninside = "train.npz"', ("`inside` must be an .npz file", "members")),
        ('models = ["a.pt2"]\ninside = "audit.toml"', ("`inside` must be an .npz file", "audit.toml")),
        ('models = ["a.pt2"]\ninside = "one.npy"', ("`inside` must be an .npz file", "one.npy")),
        ('models = ["a.pt2"]\ninside = "inside.npz"', ("a column for each of 1 models, found (60, 4)",)),
        ('models = ["a.pt2", "b.pt2", "c.pt2", "d.pt2"]\ninside = "inside.npz"', ("a.pt2` does not exist",)),
    ],
)
def test_what_makes_no_sense_is_a_sentence(desk: Desk, references: str, says: tuple[str, ...]) -> None:
    desk.bring("model.pt2", "train.npz", "test.npz")
    inside = balanced(120, 4, 0).numpy()
    np.savez(desk.folder / "inside.npz", members=inside[:60], non_members=inside[60:])
    np.save(desk.folder / "one.npy", inside)
    of(desk, references)
    desk.refuses("run", "audit.toml", says=says)


def test_paths_may_begin_at_home(brought: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(brought.folder))
    of(brought, 'outputs = "~/refs.npz"')
    trained(brought, alike=True)
    assert Path("~/refs.npz").expanduser().is_file()
