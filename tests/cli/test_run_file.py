"""Run files: what `init` writes, what `run` reads, and what is refused in them."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.desk import AUDIT, RUN_FILE, Desk, lasting

OWN = '''
import time


def failing(view):
    """Nothing.

    Sees: nothing.
    """
    raise RuntimeError("out of ideas")


def too_few(view):
    """A score for the first record alone."""
    return view.signals(lambda model, x, y: x[:, 0]).target[:1]


def first(view, *, column: int = 0):
    """The record's own number in a column."""
    return view.signals(lambda model, x, y: x[:, column]).target
'''
COLUMNS = ("--label", "tree", "--id", "plot", "--group", "region", "--drop", "region")
WHOLE = RUN_FILE + "[figures]\nfpr = [0.1]\n[run]\nseed = 0\n"


@pytest.fixture
def ready(desk: Desk) -> Desk:
    desk.bring("model.pt2", "train.npz", "test.npz")
    desk.write("audit.toml", WHOLE)
    return desk


def test_paths_are_relative_to_the_run_file(desk: Desk) -> None:
    desk.bring("model.pt2", "train.npz", "test.npz", to="project")
    desk.write("project/audit.toml", WHOLE)
    desk.reports("run", "project/audit.toml", folder="project/report")
    assert (desk.folder / "project" / ".privacy-meter").is_dir()
    assert not (desk.folder / ".privacy-meter").exists()
    desk.reports("run", "project/audit.toml", "--out", "here", folder="here")


@pytest.mark.parametrize("place", ["project", "."])
def test_a_factory_lies_beside_the_run_file_or_where_the_user_stands(desk: Desk, place: str) -> None:
    desk.bring("model.safetensors", "train.npz", "test.npz", to="project")
    module = f"factory_in_{'the_project' if place == 'project' else 'the_folder'}"
    desk.write(f"{place}/{module}.py", (desk.shelf.path("my_factory.py")).read_text())
    model = f'path = "{module}:build"\nweights = "model.safetensors"\npreprocess = "{module}:same"'
    desk.write(f"{place}/{module}.py", desk.shelf.path("my_factory.py").read_text() + "\n\ndef same(x): return x\n")
    desk.write("project/audit.toml", WHOLE.replace('path = "model.pt2"', model))
    desk.reports("run", "project/audit.toml", folder="project/report")


def test_the_run_file_and_the_options_give_one_report(ready: Desk) -> None:
    from_file = ready.reports("run", "audit.toml", "--out", "file", folder="file")
    from_options = ready.reports(*AUDIT, "--model", "model.pt2", "--fpr", 0.1)
    assert lasting(from_file) == lasting(from_options)


@pytest.mark.parametrize(
    "arguments",
    [
        ("model.pt2", "train.npz", "test.npz"),
        (
            "model.skops",
            "train.csv",
            "test.csv",
            "--label",
            "tree",
            "--id",
            "plot",
            "--group",
            "region",
            "--drop",
            "region",
        ),
        ("train_answers.npz", "test_answers.npz"),
        ("images.pt2", "train_images", "test_images", "--classes", "sorted", "--size", "6", "6"),
        ("regressor.skops", "train_quantity.npz", "test_quantity.npz"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_init_writes_runs_unchanged(desk: Desk, arguments: tuple[str, ...]) -> None:
    desk.bring(*[name for name in arguments[:3] if "." in name or "images" in name])
    said = desk.run("init", *arguments)
    assert (said.status, said.err) == (0, "")
    desk.write("audit.toml", said.out)
    report = desk.reports("run", "audit.toml")
    assert {"out", "members", "non_members", "attacks", "figures", "run"} <= tomllib.loads(said.out).keys()
    others = [f"threshold(signal={name})" for name in ("modified_entropy", "entropy", "margin")]
    expected = ["threshold", "quantile"] if "regressor" in arguments[0] else ["threshold", *others, "gap", "quantile"]
    norms = ["threshold(signal=gradient_norm)", "influence"] if arguments[0].endswith(".pt2") else []
    assert sorted(finding["attack"] for finding in report["findings"]) == sorted([*expected, *norms])


def test_init_says_what_it_detected(desk: Desk) -> None:
    desk.bring("model.skops", "train.csv", "test.csv")
    said = desk.run("init", "model.skops", "train.csv", "test.csv", *COLUMNS).out
    comments = "\n".join(line for line in said.splitlines() if "#" in line)
    for words in (
        "LogisticRegression",
        "ash, birch, cedar",
        "probabilities",
        "60 records",
        "108",
        "3 classes",
        "region",
    ):
        assert words in comments, words
    assert not (desk.folder / "report").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("model.pt2",), ("[MODEL] MEMBERS NON_MEMBERS",)),
        (("model.pt2", "train.npz", "test.npz", "more.npz"), ("found 4",)),
        (("absent.pt2", "train.npz", "test.npz"), ("absent.pt2",)),
        (("train.npz", "test.npz"), ("no model", "no saved outputs")),
    ],
)
def test_init_refuses_what_it_cannot_look_at(ready: Desk, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    ready.refuses("init", *arguments, says=words)


@pytest.mark.parametrize(
    ("instead", "of", "words"),
    [
        ("[modle]", "[model]", ("`modle`", "`model`")),
        ("[non-members]", "[non_members]", ("`non-members`", "`non_members`")),
        ("outt =", "out =", ("`outt`", "`out`")),
        ("pth =", "path =", ("`pth`", "[model]", "`path`")),
        ('path = "train.npz"\nlable = "y"', 'path = "train.npz"', ("`lable`", "[members]", "`label`")),
        ("treshold =", "threshold =", ("attack `treshold`", "`threshold`")),
        ("threshold = { sginal = 'loss' }", "threshold = {}", ("`sginal`", "[attacks] threshold", "`signal`")),
        ("threshold = { signal = 'entrpy' }", "threshold = {}", ("signal `entrpy`", "`entropy`")),
        ("threshold = 'entropy'", "threshold = {}", ("[attacks] threshold", "a table", "'entropy'")),
        ("quantile = { most = 'all' }", "threshold = {}", ("`most`", "[attacks] quantile", "a whole number")),
        ("fprs =", "fpr =", ("`fprs`", "[figures]", "`fpr`")),
        ("fpr = 0.1", "fpr = [0.1]", ("`fpr` in [figures]", "a list of numbers", "0.1")),
        ("fpr = [1.5]", "fpr = [0.1]", ("fpr", "between 0 and 1", "1.5")),
        ("sede =", "seed =", ("`sede`", "[run]", "`seed`")),
        ("seed = '0'", "seed = 0", ("`seed` in [run]", "a whole number", "'0'")),
        ("batch_size = true", "seed = 0", ("`batch_size` in [run]", "a whole number", "True")),
        ('path = "train.npz"\nname = "x"', 'path = "train.npz"', ("`name`", "[members]")),
        ('path = "model.pt2"\nanswers = {}', 'path = "model.pt2"', ("`answers`", "[model]")),
        ('path = "model.pt2"\nheaders = "secret"', 'path = "model.pt2"', ("`headers`", "a table")),
        ("members = 'train.npz'", '[members]\npath = "train.npz"', ("`members`",)),
        ("seed = ", "seed = 0", ("audit.toml", "TOML", "line")),
        ("seed = ${", "seed = 0", ("audit.toml", "TOML", "line")),
    ],
)
def test_a_slip_in_a_run_file_is_named_with_the_nearest(
    ready: Desk, instead: str, of: str, words: tuple[str, ...]
) -> None:
    assert of in WHOLE
    ready.write("audit.toml", WHOLE.replace(of, instead, 1))
    ready.refuses("run", "audit.toml", says=words)


@pytest.mark.parametrize("missing", ["out", "members", "non_members"])
def test_what_a_run_file_must_say_is_named(ready: Desk, missing: str) -> None:
    lines = {"out": 'out = "report"\n', "members": '[members]\npath = "train.npz"\n'}
    lines["non_members"] = '[non_members]\npath = "test.npz"\n'
    ready.write("audit.toml", WHOLE.replace(lines[missing], ""))
    ready.refuses("run", "audit.toml", says=(f"must say `{missing}`", "init"))


def test_a_section_without_its_path_is_named(ready: Desk) -> None:
    ready.write("audit.toml", WHOLE.replace('path = "train.npz"', ""))
    ready.refuses("run", "audit.toml", says=("[members] must say `path`",))
    ready.write("audit.toml", WHOLE.replace('path = "model.pt2"', 'task = "classes"'))
    ready.refuses("run", "audit.toml", says=("There is no model, and the members hold no saved outputs",))


@pytest.mark.parametrize(
    ("name", "words"), [("absent.toml", "does not exist"), (".", "is a folder"), ("model.pt2", "TOML")]
)
def test_what_is_no_run_file_is_refused(ready: Desk, name: str, words: str) -> None:
    ready.refuses("run", name, says=(f"`{name}`", words))


def test_variables_come_from_the_environment(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.write("audit.toml", WHOLE.replace('"train.npz"', '"${PLACE}/${NAME}.npz"'))
    monkeypatch.delenv("PLACE", raising=False)
    ready.refuses("run", "audit.toml", says=("`PLACE`", "not set"))
    monkeypatch.setenv("PLACE", str(ready.folder))
    monkeypatch.setenv("NAME", "train")
    ready.reports("run", "audit.toml")


def test_an_attack_that_fails_is_in_the_report_beside_the_others(ready: Desk) -> None:
    ready.write("own_failing.py", OWN)
    ready.write("audit.toml", WHOLE.replace("threshold = {}", '"own_failing:failing" = {}\nthreshold = {}'))
    said = ready.run("run", "audit.toml")
    assert said.status == 1
    assert said.err == "failing failed: RuntimeError: out of ideas\n"
    failed, other = ready.report()["findings"]
    assert (failed["attack"], failed["failed"], failed["risks"]) == ("failing", "RuntimeError: out of ideas", [])
    assert (other["attack"], other["failed"]) == ("threshold", "")
    assert other["risks"]
    assert ready.run("run", "audit.toml", "--quiet").out == ""


def test_an_attack_of_ones_own_lies_beside_the_run_file_and_takes_settings(desk: Desk) -> None:
    desk.bring("model.pt2", "train.npz", "test.npz", to="project")
    desk.write("project/own_settings.py", OWN)
    attacks = 'threshold = {}\n"own_settings:first" = [{}, { column = 2 }]'
    desk.write("project/audit.toml", WHOLE.replace("threshold = {}", attacks))
    report = desk.reports("run", "project/audit.toml", folder="project/report")
    assert [finding["attack"] for finding in report["findings"]] == ["threshold", "first", "first(column=2)"]
    desk.write("project/audit.toml", WHOLE.replace("threshold = {}", '"own_settings:first" = { colunm = 2 }'))
    desk.refuses("run", "project/audit.toml", says=("`colunm`", "own_settings:first", "`column`"))


def test_each_line_of_settings_is_an_attack(ready: Desk) -> None:
    several = "threshold = [{}, { signal = 'entropy' }, { signal = 'margin' }]"
    ready.write("audit.toml", WHOLE.replace("threshold = {}", several))
    report = ready.reports("run", "audit.toml")
    attacks = [finding["attack"] for finding in report["findings"]]
    assert attacks == ["threshold", "threshold(signal=entropy)", "threshold(signal=margin)"]


def test_names_of_columns_may_differ_between_the_sets(ready: Desk) -> None:
    with np.load("test.npz") as content:
        renamed: dict[str, Any] = {"rows": content["x"], "answers": content["y"]}
    np.savez("test.npz", **renamed)
    own = 'path = "test.npz"\nfeatures = "rows"\nlabel = "answers"'
    ready.write("audit.toml", WHOLE.replace('path = "test.npz"', own))
    ready.reports("run", "audit.toml")


def test_a_home_folder_is_understood(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(ready.folder))
    ready.write("audit.toml", WHOLE.replace('"train.npz"', '"~/train.npz"'))
    ready.reports("run", "audit.toml")
    assert Path("report").is_dir()
