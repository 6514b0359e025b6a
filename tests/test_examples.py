"""Every example is run, on less data or for less long than by hand."""

import json
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docs_files
import numpy as np
import pytest
import torch
import worlds
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from ml_privacy_meter.cli import app

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
DATA = ROOT.parent / "shared" / "data"


def present(*names: str) -> pytest.MarkDecorator:
    missing = [name for name in names if not (DATA / name).is_file()]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)} in {DATA}, which is not there")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The reader stands in an empty folder; a command that an example starts is run in this process."""

    def call(command: list[object]) -> int:
        program, *words = map(str, command)
        assert Path(program).name == "privacy-meter"
        done = CliRunner().invoke(app, words)
        sys.stdout.write(done.stdout + done.stderr)
        return done.exit_code

    docs_files.play_few_attacks(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "call", call)
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.syspath_prepend(str(EXAMPLES))  # where a script lies, Python finds modules by itself
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)  # an example may want one


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No page, and no picture for each of a hundred classes: both have tests of their own."""
    docs_files.draw_nothing(monkeypatch)
    monkeypatch.setattr("ml_privacy_meter.attack.plots._by_class", lambda *found: {})


def run(name: str, *words: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs an example as a script, with these words behind its name."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_digits_writes_what_the_demo_audits(monkeypatch, capsys):
    module = runpy.run_path(str(EXAMPLES / "digits.py"))
    train = module["train"]
    scope = module["main"].__globals__
    monkeypatch.setitem(scope, "train", lambda x, y, epochs: train(x, y, min(epochs, 20)))
    module["main"](Path("demo"))
    assert {path.name for path in Path("demo").iterdir()} == {"long.pt2", "short.pt2", "train.npz", "test.npz"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = [
        line.split("privacy-meter ")[1].split() for line in makefile.splitlines() if "privacy-meter audit" in line
    ]
    assert len(commands) == 2
    for words in commands:
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.stderr
    assert Path("demo/long/index.html").is_file()
    assert Path("demo/short/index.html").is_file()


def test_own_attack_is_played_beside_ours(monkeypatch, capsys):
    run("own_attack.py", monkeypatch=monkeypatch)
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()] == ["threshold", "merlin", "merlin(spread=0.02)"]


def test_own_attack_goes_by_the_record_alone(monkeypatch):
    """What the tests of our attacks ask of each: nobody's score hangs on who else is asked about."""
    merlin = runpy.run_path(str(EXAMPLES / "own_attack.py"))["merlin"]
    game = worlds.leaky()
    whole = game.play(merlin).score
    some = type(game.view)(game.view.target, game.view.records.take(np.arange(0, 600, 7)), game.view.reader)
    assert whole[::7].equal(merlin(some))


def test_dp_digits_finds_both_mistakes(monkeypatch, capsys):
    module = runpy.run_path(str(EXAMPLES / "dp_digits.py"))
    train = module["train"]
    held = []
    for optimizer in (module["DPOptimizer"], module["NoNoise"], module["BatchClipping"]):
        watch = lambda opt, rate: held.append(module["GradientCanaries"](opt, sample_rate=rate, count=400))  # noqa: E731
        x, y = load_digits(return_X_y=True)
        train(x[:600] / 16, y[:600], 0, epochs=10, optimizer=optimizer, watch=watch)
    verdicts = [module["judge"](canaries.scores(), epsilon=2, delta=module["DELTA"]).verdict for canaries in held]
    assert verdicts == ["consistent", "refuted", "refuted"]


def test_black_box_asks_for_no_record_twice(monkeypatch, capsys):
    run("black_box.py", monkeypatch=monkeypatch)
    first, second, figure = capsys.readouterr().out.splitlines()
    assert first == second
    assert "for 1200 records" in first
    assert figure.startswith("AUC: 0.8")


@present("location_bangkok.npz")
def test_tables_trains_a_network_and_audits_it(monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        run("tables.py", "location", "out", "--data", DATA, "--epochs", 2, monkeypatch=monkeypatch)
    assert end.value.code == 0, capsys.readouterr().out
    assert Path("out/location/report/index.html").is_file()


@present("cifar10_lossless10k.npz", "models/resnet20_cifar10_akamaster.safetensors")
def test_cifar10_audits_a_network_that_somebody_else_trained(monkeypatch, capsys, tmp_path):
    fewer_images(DATA / "cifar10_lossless10k.npz", tmp_path / "cifar10_lossless10k.npz", each=100)
    (tmp_path / "models").symlink_to(DATA / "models")
    with pytest.raises(SystemExit) as end:
        run("cifar10_resnet20.py", "out", "--data", tmp_path, monkeypatch=monkeypatch)
    assert end.value.code == 0, capsys.readouterr().out
    assert Path("out/resnet20/index.html").is_file()


@present("cifar10_jpeg.npz")
def test_cifar10_references_trains_a_pool_and_audits_one_of_it(monkeypatch, capsys, tmp_path):
    fewer_images(DATA / "cifar10_jpeg.npz", tmp_path / "cifar10_jpeg.npz", each=120)
    words = ("out", "--data", tmp_path, "--records", 120, "--epochs", 1, "--count", 4)
    run("cifar10_references.py", *words, monkeypatch=monkeypatch)
    assert "lira(queries=2)" in Path("out/cifar10/report/report.md").read_text()
    assert len(list(Path("out/cifar10/store/references").glob("*.safetensors"))) == 6


@present("cifar100_jpeg90.npz")
def test_alexnet_is_attacked_three_ways(undrawn, monkeypatch):
    words = ("out", "--data", DATA, "--records", 100, "--epochs", 1, "--width", 4, "--attack-epochs", 1)
    run("alexnet_cifar100.py", *words, monkeypatch=monkeypatch)
    assert plays("out/alexnet_cifar100/logs/comparison") >= {"whitebox1", "outputs1", "blackbox1"}


@present("tafeng_basket100.npz")
def test_a_fully_connected_network_is_attacked_with_its_weights_and_without(undrawn, monkeypatch):
    words = ("out", "--data", DATA, "--records", 200, "--epochs", 1, "--attack-epochs", 1)
    run("fcn_tafeng.py", *words, monkeypatch=monkeypatch)
    assert plays("out/fcn_tafeng/logs/comparison") >= {"whitebox1", "blackbox1"}


@present("tafeng_basket100.npz")
def test_what_is_learned_on_model_a_is_played_against_model_b(undrawn, monkeypatch):
    words = ("out", "--data", DATA, "--records", 200, "--epochs", 1, "--attack-epochs", 1)
    run("model_a_to_b.py", *words, monkeypatch=monkeypatch)
    assert plays("out/model_a_to_b/logs/comparison") >= {"white_from_a", "black_from_a", "white_from_b"}


@present("adult.csv.gz")
def test_a_model_of_a_k_anonymous_table_is_attacked(monkeypatch, capsys):
    run("k_anonymity.py", "--data", DATA, "--records", 150, "--epochs", 50, monkeypatch=monkeypatch)
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == ["1", "2", "5", "20", "100"]
    assert all(int(reached) >= int(asked) for asked, reached, *_ in rows)
    assert all(row[5].startswith("AUC: 0.") for row in rows)


def test_what_clients_send_under_encryption_adds_up_and_the_model_leaks_all_the_same(monkeypatch, capsys):
    run("homomorphic_aggregation.py", 3, monkeypatch=monkeypatch)
    cost, _, plain, encrypted = capsys.readouterr().out.splitlines()
    assert float(cost.split()[-1]) < 1e-6
    values = [float(line.split("AUC: ")[1].split()[0]) for line in (plain, encrypted)]
    assert values[0] == pytest.approx(values[1], abs=0.01)


def plays(folder: str) -> set[str]:
    """The attacks of a report that were not without a figure."""
    document = json.loads((Path(folder) / "report" / "report.json").read_text(encoding="utf-8"))
    return {finding["attack"] for finding in document["findings"] if not finding["failed"]}


def fewer_images(source: Path, target: Path, *, each: int) -> None:
    """The first ``each`` train and test images, in the same form."""
    z = np.load(source)
    test, begins, data = z["is_test"].astype(bool), z["offsets"], z["data"]
    rows = np.sort(np.concatenate([np.flatnonzero(side)[:each] for side in (test, ~test)]))
    pieces = [data[begins[row] : begins[row + 1]] for row in rows]
    header = {"header": z["header"]} if "header" in z else {}
    ends = np.cumsum([0, *map(len, pieces)])
    np.savez(
        target, data=np.concatenate(pieces), offsets=ends, is_test=z["is_test"][rows], label=z["label"][rows], **header
    )


def test_every_example_is_run_here():
    """An example that nobody runs stops working, and nobody knows."""
    text = "".join(file.read_text(encoding="utf-8") for file in Path(__file__).parent.rglob("test_*example*.py"))
    assert all(f'"{path.name}"' in text for path in EXAMPLES.glob("*.py"))
