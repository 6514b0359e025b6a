"""A claimed guarantee in run files and options, and the noise for a risk."""

import json
import sys

import pytest
from cli.desk import AUDIT, RUN_FILE, Desk

from ml_privacy_meter import guarantees

PLAN = ("--sample-rate", "0.01", "--steps", "1000")


@pytest.fixture
def ready(desk: Desk) -> Desk:
    desk.bring("model.pt2", "train.npz", "test.npz")
    return desk


def test_options_and_the_run_file_declare_one_guarantee(ready: Desk) -> None:
    assert ready.run(*AUDIT, "--model", "model.pt2", "--epsilon", "1", "--delta", "1e-5").status == 0
    options = json.loads((ready.folder / "report" / "report.json").read_text())
    ready.write("audit.toml", RUN_FILE + "[guarantee]\nepsilon = 1\ndelta = 1e-5\n")
    assert ready.run("run", "audit.toml", "--out", "other").status == 0
    written = json.loads((ready.folder / "other" / "report.json").read_text())
    assert options["guarantee"] == written["guarantee"]
    assert written["guarantee"]["says"] == "epsilon 1 at delta 1e-05, for one record added or removed"
    ceiling = written["findings"][0]["risks"][0]["ceiling"]
    assert ceiling == pytest.approx(guarantees.approximate(epsilon=1, delta=1e-5).auc())
    assert written["checks"][-1]["name"].endswith("stay under what the guarantee allows?")
    assert "[guarantee]\nepsilon = 1\ndelta = 1e-05" in written["paths"]["run_file"]


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("epsilon = 1", "found epsilon. Name one of the three"),
        ('epsilon = "one"', "`epsilon` in [guarantee] must be"),
        ("epsilom = 1", "Did you mean `epsilon`?"),
        ("mu = -1", "`mu` must be at least 0"),
    ],
)
def test_a_slip_in_the_section_is_refused_before_anything_is_asked(ready: Desk, section: str, says: str) -> None:
    ready.write("audit.toml", RUN_FILE + f"[guarantee]\n{section}\n")
    said = ready.run("run", "audit.toml")
    assert said.status == 2
    assert says in said.err
    assert not (ready.folder / ".privacy-meter").exists()


def test_the_noise_for_a_risk_is_printed_with_its_epsilon_and_ceilings(desk: Desk) -> None:
    said = desk.run("noise", "--advantage", "0.3", "--sample-rate", "1", "--steps", "1")
    assert said.status == 0, said.err
    noise = float(said.out.splitlines()[0].removeprefix("Noise multiplier: "))
    assert guarantees.gaussian(mu=1 / noise).advantage() == pytest.approx(0.3, abs=1e-3)
    assert "at delta 1e-05, for one record added or removed." in said.out
    assert [line.split()[-1] for line in said.out.splitlines() if line.startswith("advantage")] == ["30%"]
    assert max(map(len, said.out.splitlines()[2:])) <= 80


def test_the_noise_as_json_holds_what_can_be_declared(desk: Desk) -> None:
    said = desk.run("noise", "--tpr", "0.1", "--fpr", "0.01", "--sample-rate", "1", "--steps", "4", "--json")
    found = json.loads(said.out)
    plan = {key: found[key] for key in ("noise_multiplier", "sample_rate", "steps", "delta")}
    claim = guarantees.declared(**plan)
    assert found["epsilon"] == claim.epsilon(1e-5)
    assert found["ceilings"]["TPR@1%FPR"] == claim.tpr(0.01) <= 0.1
    assert found["ceilings"].keys() == {
        *("TPR@10%FPR", "TPR@1%FPR", "TPR@0.1%FPR"),
        *("AUC", "balanced accuracy", "advantage"),
    }


def test_a_delta_without_an_epsilon_is_null_in_json(desk: Desk) -> None:
    asked = ("noise", "--advantage", "0.3", "--sample-rate", "0.1", "--steps", "2", "--delta", "1e-30")
    assert json.loads(desk.run(*asked, "--json").out)["epsilon"] is None
    assert "no finite epsilon at delta 1e-30" in desk.run(*asked).out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (PLAN, "Give one of the three"),
        ((*PLAN, "--tpr", "0.01", "--fpr", "0.02"), "`tpr` must lie above `fpr`"),
        ((*PLAN, "--advantage", "0.1", "--delta", "2"), "`delta` must lie between 0 and 1"),
        (("--sample-rate", "64", "--steps", "10", "--advantage", "0.1"), "at most 1, found 64"),
    ],
)
def test_bad_input_of_the_noise_is_a_sentence(desk: Desk, options: tuple[str, ...], says: str) -> None:
    said = desk.run("noise", *options)
    assert said.status == 2
    assert says in said.err


def test_without_the_packages_the_extra_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    monkeypatch.delitem(sys.modules, "dp_accounting.pld.privacy_loss_distribution", raising=False)
    said = desk.run("noise", *PLAN, "--advantage", "0.1")
    assert said.status == 2
    assert "pip install 'ml-privacy-meter[dp]'" in said.err
