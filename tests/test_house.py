"""The shape of the house: who imports whom, how much must be read, how long a function may be."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import ml_privacy_meter

ROOT = Path(ml_privacy_meter.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
EXAMPLES = sorted((ROOT.parents[1] / "examples").glob("*.py"))
PACKAGE = "ml_privacy_meter"

GAMES = {"membership"}
OTHER_GAMES = {
    "source",
    "property",
    "reconstruction",
    "attribute",
    "extraction",
    "synthetic",
}  # rooms of their own play them
OF_ATTACKS = {"stacked", "usage", "ranges"}  # made of other attacks, which must be read with them
# A network must be read with what it is fed.
WHITE_BOX = {"whitebox", "whitebox_by_references", "networks", "parts", "clusters"}
ROOMS = {"signals", "risk", "report", "targets", "records", "training", "findings", "types", "_checks"}
PREPARED = {"case", "beside", "defaults", "playing", "rehearsing", "rounds", "table", "users"}
MAY_IMPORT = {
    "_checks": set(),
    "_extras": {"_checks"},
    "_numbers": {"_checks"},
    "types": {"_checks"},
    "findings": {"types"},
    "signals": {"types", "_checks"},
    "membership": {"signals", "types", "_checks"},
    "reconstruction": {"_checks"},
    "reconstructing": {"reconstruction", "membership", "risk", "findings", "report", "_checks", "_extras"},
    "recitation": {"canaries", "records", "risk", "report", "targets", "findings", "_checks", "_extras"},
    "risk": {"findings", "types", "_checks"},
    "guarantees": {"risk", "findings", "types", "_checks", "_extras"},
    "by_user": {"findings"},
    "games": {"findings"},
    "attribute": {"types", "_checks"},
    "extraction": {"types", "_checks"},
    "encoding": {"types", "_checks"},
    "synthetic": {"types", "_checks"},
    "inferring": {
        *("attribute", "property", "reconstruction", "extraction", "encoding", "membership", "games", "beside", "case"),
        "synthetic",
        *("report", "training", "targets", "signals", "records", "risk", "findings", "types", "_checks", "_extras"),
    },
    "report": {"by_user", "games", "findings", "types", "_checks", "_extras"},
    "comparison": {"report", "risk", "findings", "types", "_checks"},
    "targets": {"types", "_checks", "_extras"},
    "records": {"types", "_checks", "_extras"},
    "traces": {"_checks"},
    "training": {"targets", "records", "types", "_checks", "_extras"},
    "defenses": {"guarantees", "training", "targets", "records", "types", "_checks", "_extras"},
    "federated": {"traces", "training", "guarantees", "targets", "records", "types", "_checks", "_extras"},
    "source": {"signals", "types", "_checks"},
    "property": {"types", "_checks"},
    "clients": {
        *("source", "property", "federated", "membership", "case", "beside", "traces", "signals", "risk", "report"),
        *("targets", "training", "records", "findings", "types", "_checks"),
    },
    "beside": {"training", "targets", "signals", "types", "_checks"},
    "watched": {"beside", *GAMES, "signals", "targets", "traces", "findings", "types", "_checks"},
    "rounds": {"playing", "watched", *GAMES, "signals", "risk", "traces", "findings", "types"},
    "user_trials": {*GAMES, "risk", "types"},
    "users": {
        *("by_user", "case", "playing", "user_trials"),
        *GAMES,
        *("signals", "risk", "findings", "types", "_checks"),
    },
    "case": {*("beside", "training", "signals", "risk", "targets", "records", "traces", "watched", "types", "_checks")},
    "rehearsing": {*GAMES, "risk", "findings", "types", "_checks"},
    "validity": {"case", *GAMES, "rehearsing", "watched", "risk", "signals", "findings", "types"},
    "shading": {"case", "signals", "targets"},
    "table": {*GAMES, "rehearsing", "risk", "signals", "findings", "types"},
    "defaults": {*GAMES, "signals", "types"},
    "playing": {*GAMES, "risk", "findings", "types", "_checks"},
    "audit": {
        *(*PREPARED, *GAMES, *ROOMS, "by_user", "guarantees", "shading", "traces", "user_trials", "validity", "watched")
    },
    "gate": {"report", "risk", "_checks"},
    "canaries": {"types", "_checks"},
    "claims": {
        *("canaries", "training", "signals", "risk", "report", "targets", "records", "findings", "types", "_checks")
    },
    "defending": {"audit", "case", "comparison", "defenses", "guarantees", *GAMES, *ROOMS},
    "monitoring": {"records", "report", "types", "_checks", "_extras"},
    "usage": {"case", *GAMES, "signals", "training"},
    "trackers": {"report", "_checks", "_extras"},
    "utils": {"records", "types", "_checks"},
    "cli": {
        *("__version__", "audit", "canaries", "case", "claims", "games", "inferring", "traces"),
        *("comparison", "defending", "defenses", "gate", "guarantees", "monitoring", "recitation", "trackers", "utils"),
        *(GAMES | ROOMS) - {"findings", "risk"},
    },
    "attack": {*("audit", "case", *GAMES, "signals", "targets", "report", "trackers", "utils", "types", "_checks")},
    "__init__": {
        *("encoding", "games", "inferring"),
        *("attack", "audit", "canaries", "claims", "clients", "comparison", "defending", "defenses", "federated"),
        *("guarantees", "monitoring", "recitation", "reconstructing", "traces", "trackers", "usage", "utils"),
        "inferring",
        *(GAMES | OTHER_GAMES | ROOMS),
    },
}
PUBLIC = {
    *(
        "attack",
        "utils",
        "audit",
        "compare",
        "open_model",
        "load_records",
        "as_records",
        "federated",
        "guarantees",
        "membership",
        "monitoring",
        "traces",
        "recitation",
        "recite",
        "exposure",
        "reconstruct",
        *("reconstruct_classes", "reconstruct_records"),
        "reconstruction",
        "risk",
        "signals",
        "trackers",
    ),
    *(
        "train_references",
        "train_model",
        "defend",
        "Defended",
        "Defense",
        "defenses",
        "own_references",
        "load_outputs",
        "dataset_usage",
        "Recipe",
        "References",
        "FineTuning",
        "fine_tune",
    ),
    *("audit_dp", "canaries", "claims"),
    *("Game", "attribute", "audit_synthetic", "encoding", "extract_model", "extraction", "find_encoded"),
    *("infer_attributes", "infer_properties", "memorized", "property", "report_games", "synthetic"),
    *("clients", "source"),
    *("Check", "Comparison", "Finding", "Group", "InputError", "Records", "Report", "Risk", "Scores", "Signals"),
}


def imported(file: Path) -> list[str]:
    """Modules of this project that a file imports, by their full names."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name} imports relatively"
            if node.module == PACKAGE:
                found += [f"{PACKAGE}.{name.name}" for name in node.names]
            elif (node.module or "").startswith(f"{PACKAGE}."):
                found.append(str(node.module))
        elif isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name.startswith(f"{PACKAGE}.")]
    return found


def room(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_every_room_only_imports_what_it_may(file):
    rooms = {name.split(".")[1] for name in imported(file)} - {room(file), "_numbers"}
    assert rooms <= MAY_IMPORT[room(file)]


def reading(file: Path) -> set[Path]:
    """The files that must be read with this one: all that it imports of this project, and what they import.

    A signal is read for what it is, and not for how it is computed: what stands behind it does not count.
    """
    seen, todo = set(), [file]
    while todo:
        here = todo.pop()
        if here not in seen:
            seen.add(here)
            ends = file.stem in WHITE_BOX or room(here) == "signals"
            names = [name for name in imported(here) if not ends or name.split(".")[1] != "signals"]
            todo += [ROOT.joinpath(*name.split(".")[1:]).with_suffix(".py") for name in names]
    return seen


@pytest.mark.parametrize(
    "file",
    [f for game in sorted(GAMES | OTHER_GAMES) for f in sorted((ROOT / game).glob("[a-z]*.py"))],
    ids=lambda f: f.stem,
)
def test_an_attack_is_understood_by_reading_little(file):
    files = reading(file)
    most_files, most_lines = (10, 1_000) if file.stem in OF_ATTACKS | WHITE_BOX else (8, 800)
    assert all(f.is_file() for f in files)
    assert len(files) <= most_files
    assert sum(len(f.read_text().splitlines()) for f in files) <= most_lines


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_functions_and_files_are_short(file):
    text = file.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = text.splitlines()[body[0].lineno - 1 : node.end_lineno] if body else []
            code = [line for line in lines if line.strip() and not line.strip().startswith("#")]
            assert len(code) <= 40, f"{node.name} has {len(code)} code lines"


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.name)
def test_examples_are_short(file):
    assert len(file.read_text().splitlines()) <= 80


def test_the_public_names_are_these():
    assert set(ml_privacy_meter.__all__) == PUBLIC
    assert all(hasattr(ml_privacy_meter, name) for name in PUBLIC)


@pytest.mark.parametrize("name", sorted(MAY_IMPORT.keys() - {"__init__", "_checks", "_extras", "_numbers", "cli"}))
def test_every_public_thing_is_documented(name):
    module = importlib.import_module(f"{PACKAGE}.{name}")
    assert inspect.getdoc(module)
    for exported in getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")]):
        thing = getattr(module, exported)
        if getattr(thing, "__module__", "") == module.__name__ and callable(thing):
            assert inspect.getdoc(thing), exported


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_nothing_that_a_stranger_wrote_is_unpickled(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {name.name for name in node.names} | {getattr(node, "module", "")}
            assert not names & {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"}
        if isinstance(node, ast.Call):
            settings = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert settings.get("allow_pickle", "False") == "False"
            if ast.unparse(node.func) == "torch.load":
                assert settings.get("weights_only") == "True"
            assert ast.unparse(node.func) not in {"joblib.load", "eval", "exec"}
