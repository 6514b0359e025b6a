"""Audits with reference models: each way they come, each number of them, and what the report makes of them."""

import gc
import importlib
import json
import weakref
from dataclasses import replace
from functools import partial
from importlib.resources import files
from typing import ClassVar

import jsonschema
import numpy as np
import pandas as pd
import pytest
import reference_worlds
import torch
import worlds
from sklearn.tree import DecisionTreeClassifier
from torch import nn
from training.makers import my_training

import ml_privacy_meter as pm
from ml_privacy_meter import InputError, membership
from ml_privacy_meter.case import prepare
from ml_privacy_meter.membership import bavaria, difference, lira, rmia, stacked, threshold
from ml_privacy_meter.risk.calibration import reliability

__all__ = ["my_training"]

BESIDE = (difference, lira, rmia, bavaria)
RECIPE = pm.Recipe(epochs=30, lr=0.05, batch_size=64, precision="fp32")
TOLD = "Do the reference models' training records tell the target's?"
PLAYED = "Was every attack rehearsed?"
PUBLIC = "Is any public record a member or non-member?"


@pytest.fixture(scope="module")
def world():
    return reference_worlds.leaky()


@pytest.fixture(scope="module")
def public():
    return worlds.draw(77, n=200, width=100)[:2]


@pytest.fixture(scope="module")
def inside(world):
    return world.halves(4)


@pytest.fixture(scope="module")
def own(world, inside):
    return world.references(inside)


@pytest.fixture(scope="module")
def report(world, own):
    return pm.audit(world.target, *world.sides, references=own, attacks=(threshold, *BESIDE))


@pytest.fixture
def quick(monkeypatch):
    """Audits by default without the attack that takes its time."""
    alone = partial(threshold, signal=pm.signals.loss)
    monkeypatch.setattr(importlib.import_module("ml_privacy_meter.defaults"), "quantile", alone)


@pytest.fixture
def saved(world, inside, own, tmp_path):
    """Files with what the target and the reference models said."""
    with torch.no_grad():
        for name, (x, y) in zip(("in", "out"), world.sides, strict=True):
            np.savez(tmp_path / f"{name}.npz", x=x.numpy(), y=y.numpy(), logits=world.target(x).numpy())
        said = torch.stack([model(world.x) for model in own.models])
    np.savez(tmp_path / "refs.npz", logits=said.numpy(), inside=inside.T.numpy())
    return tmp_path


def check(report, name):
    (found,) = [one for one in report.checks if one.name == name]
    return found


def scores(report, attack="difference"):
    return report.records.set_index("id")[f"score: {attack}"].sort_index()


def test_attacks_are_stronger_with_reference_models_than_without(report):
    assert not report.failed
    assert report.risks["bavaria"]["AUC"].value > report.risks["threshold"]["AUC"].value + 0.03
    assert all(one.passed for one in report.checks), [one for one in report.checks if not one.passed]


def test_each_records_score_is_its_own(report, world, own, inside):
    """By hand, for some records of both sets."""
    found = scores(report)
    with torch.no_grad():
        gaps = torch.stack([pm.signals.logit_gap(m.double(), world.x.double(), world.y) for m in own.models], 1)
        target = pm.signals.logit_gap(world.target.double(), world.x.double(), world.y)
    for model in (world.target, *own.models):
        model.float()
    for name, row in {"members:0": 0, "members:57": 57, "non-members:0": 100, "non-members:99": 199}.items():
        without = gaps[row][~inside[row]].mean()
        assert found[name] == pytest.approx(float(target[row] - without), abs=1e-4), name


def test_the_report_names_the_strongest_and_carries_thresholds_over(report):
    assert {"AUC", "TPR@10%FPR"} <= report.about["strongest"].keys()
    assert set(report.about["strongest"].values()) <= set(report.risks)
    assert report.about["reference_models"] == 4
    for finding in report.findings:
        assert len(finding.rehearsed) == 4
        assert [one.fpr for one in finding.carried] == [0.1, 0.01, 0.001]


def test_the_report_has_what_reference_models_tell_of_each_record(report, world, own, inside):
    table = report.records.set_index("id")
    assert table["vulnerability"].between(0, 1).all()
    assert table["vulnerability"].mean() > 0.6
    right = torch.stack([(model(world.x).argmax(1) == world.y).double() for model in own.models], 1)
    row = 57
    expected = right[row][inside[row]].mean() - right[row][~inside[row]].mean()
    assert table["memorization"]["members:57"] == pytest.approx(float(expected))
    assert (table["memorization_se"] > 0).all()


def test_the_report_is_saved_fits_its_schema_and_is_a_page(report, tmp_path):
    folder = report.save(tmp_path / "report")
    content = json.loads((folder / "report.json").read_text())
    jsonschema.validate(content, json.loads(files("ml_privacy_meter.report").joinpath("schema.json").read_text()))
    assert content["about"]["strongest"]
    page = (folder / "index.html").read_text()
    assert "bavaria" in page
    assert "★" in page
    rows = pd.read_parquet(folder / "records.parquet")
    assert {"memorization", "vulnerability", "score: lira"} <= set(rows)


def test_membership_probabilities_mean_what_they_say_and_hang_on_no_truth():
    big = reference_worlds.leaky(3, n=1000, width=400)
    beside = big.references(big.halves(4))
    by_choice = pm.audit(big.target, *big.sides, references=beside, attacks=[bavaria, threshold])
    by_odds = pm.audit(big.target, *big.sides, references=beside, attacks=[threshold, stacked])
    for report in (by_choice, by_odds):
        p, member = (
            torch.from_numpy(report.records[name].to_numpy().copy()) for name in ("membership_probability", "member")
        )
        found = reliability(p, member)
        assert found.error < 0.07, found
        assert p[member].mean() > 0.6
    assert set(by_odds.records["attack"]) == {"stacked"}


@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_is_found_where_the_target_never_saw_the_records(seed):
    """And the reference models did."""
    nothing = reference_worlds.blank(seed)
    beside = nothing.references(nothing.halves(4))
    report = pm.audit(nothing.target, *nothing.sides, references=beside, attacks=(threshold, *BESIDE))
    assert not report.failed
    for risks in report.risks.values():
        assert risks["AUC"].surely <= 0.5
    assert "found no leak" in str(report)
    assert report.about["strongest"]  # chosen where there was something to find


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_reference_models_run_or_say_why(world, count, quick):
    report = pm.audit(world.target, *world.sides, references=world.references(world.halves(count)))
    assert not report.failed
    names = {finding.attack for finding in report.findings}
    assert {"rmia", "bavaria"} <= names
    assert ("lira" in names) == (count > 1)
    assert "stacked" not in names
    assert ("strongest" in report.about) == (count == 3)
    if count < 3:
        assert "3 or more of them" in check(report, PLAYED).says
        assert not any(finding.rehearsed for finding in report.findings)


def test_all_default_attacks_run_with_an_odd_number_of_reference_models(world):
    report = pm.audit(world.target, *world.sides, references=world.references(world.halves(5)))
    assert not report.failed
    assert {"difference", "lira", "rmia", "bavaria", "stacked", "quantile"} <= set(report.risks)
    assert check(report, PLAYED).passed


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_offline_reference_models_run_or_say_why(world, public, count, quick):
    beside = pm.train_references(RECIPE, public=public, count=count, like=world.target)
    report = pm.audit(world.target, *world.sides, references=beside)
    assert not report.failed
    assert {"difference", "lira", "bavaria"} <= set(report.risks)
    assert ("rmia" in report.risks) == (count > 1)
    assert "memorization" not in report.records
    assert "3 or more of them" in check(report, PLAYED).says


def test_all_default_attacks_run_offline(world, public, quick):
    beside = pm.train_references(RECIPE, *world.sides, public=public, count=4, like=world.target)
    report = pm.audit(world.target, *world.sides, references=beside)
    assert not report.failed
    assert {"difference", "lira", "rmia", "bavaria", "stacked"} <= set(report.risks)
    assert report.risks["difference"]["AUC"].low > 0.55
    assert check(report, PUBLIC).passed
    assert "strongest" in report.about


def test_public_records_among_the_audited_ones_do_not_pass_silently(world, public):
    (x, y), (others, labels) = world.sides
    mixed = torch.cat([public[0], x[:30], others[:1]]), torch.cat([public[1], y[:30], labels[:1]])
    report = pm.audit(
        world.target,
        *world.sides,
        references=pm.train_references(RECIPE, public=mixed, count=2, like=world.target),
        attacks=[difference],
    )
    found = check(report, PUBLIC)
    assert not found.passed
    assert found.voids
    assert "31 of 200" in found.says
    assert found.ids[0] == "members:0 = public:200"


def test_models_of_a_function_stand_beside_a_torch_model(world, my_training):
    """The target's columns have no names, the trees' have: what the labels are called."""
    beside = pm.train_references(my_training.train, *world.sides, count=4)
    report = pm.audit(world.target, *world.sides, references=beside, attacks=BESIDE)
    assert not report.failed
    assert report.about["references"]["trained"].endswith(":train`")
    beside = pm.train_references(my_training.train, *world.sides, count=2)
    named = pm.open_model(world.target, classes=["ash", "birch", "cedar"])
    assert not pm.audit(named, *world.sides, references=beside, attacks=BESIDE).failed


def test_an_estimator_that_never_saw_a_class_stands_beside_one_that_did(world):
    names = np.array(["ash", "birch", "cedar"])[world.y.numpy() % 2]
    names[3] = "cedar"
    sides = [(x.numpy(), y) for (x, _), y in zip(world.sides, np.split(names, 2), strict=True)]
    tree = DecisionTreeClassifier(max_depth=5, random_state=0)
    beside = pm.train_references(tree, *sides, count=4)
    assert {len(model.open().classes) for model in beside.models} == {2, 3}
    report = pm.audit(tree.fit(*sides[0]), *sides, references=beside, attacks=BESIDE)
    assert not report.failed
    assert report.risks["rmia"]["AUC"].low > 0.55


def test_a_recipe_trains_the_targets_own_architecture(world):
    beside = pm.train_references(RECIPE, *world.sides, count=4, like=world.target)
    before = {name: value.clone() for name, value in world.target.state_dict().items()}
    report = pm.audit(world.target, *world.sides, references=beside, attacks=BESIDE)
    assert not report.failed
    assert report.risks["bavaria"]["AUC"].low > 0.8
    assert "trained by a recipe" in report.about["references"]["trained"]
    assert all(torch.equal(value, before[name]) for name, value in world.target.state_dict().items())


def test_saved_outputs_give_the_scores_that_the_models_give(report, world, own, saved):
    audit = partial(pm.audit, attacks=[difference, lira])
    outputs = pm.load_outputs(saved / "refs.npz")
    for model, sides, references in (
        (None, (saved / "in.npz", saved / "out.npz"), outputs),
        (None, (saved / "in.npz", saved / "out.npz"), own),
        (world.target, world.sides, outputs),
    ):
        other = audit(model, *sides, references=references)
        assert not other.failed
        for attack in ("difference", "lira"):
            assert (scores(other, attack) - scores(report, attack)).abs().max() < 1e-6, (model, attack)


def test_saved_outputs_answer_for_nothing_else(world, public, saved):
    sides = saved / "in.npz", saved / "out.npz"
    offline = pm.train_references(RECIPE, public=public, count=2, like=world.target)
    with pytest.raises(pm.InputError, match="only its outputs were saved"):
        pm.audit(None, *sides, references=offline)


@pytest.mark.parametrize("columns", [2, 4])
def test_outputs_of_other_columns_are_refused(world, inside, saved, columns):
    np.savez(saved / "refs.npz", logits=np.zeros((4, 200, columns), np.float32), inside=inside.T.numpy())
    with pytest.raises(pm.InputError, match=f"must have the target's 3 columns, found {columns}"):
        pm.audit(world.target, *world.sides, references=pm.load_outputs(saved / "refs.npz"))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Linear(100, 4), "answer in the target's 3 columns .*found 4 columns"),
        (nn.Linear(99, 3), "It takes 99 numbers"),
        ("absent.pt2", "absent.pt2` does not exist"),
    ],
    ids=["columns", "features", "file"],
)
def test_a_reference_model_that_does_not_fit_is_no_attacks_fault(world, own, inside, model, words):
    beside = pm.own_references([own.models[0], model], *inside[:, :2].tensor_split(2))
    with pytest.raises(pm.InputError, match=words) as problem:
        pm.audit(world.target, *world.sides, references=beside)
    assert "absent" in words or str(problem.value).startswith("Reference model 1 (the first is 0): ")


def test_references_for_other_records_are_refused(world, own, inside):
    trained = pm.train_references(DecisionTreeClassifier(max_depth=1), *world.sides, count=2)
    with pytest.raises(pm.InputError, match="trained from the members of this audit, found others"):
        pm.audit(world.target, *reversed(world.sides), references=trained)
    (x, y), others = world.sides
    with pytest.raises(pm.InputError, match="found 200 rows for 99 members and 100 non-members"):
        pm.audit(world.target, (x[1:], y[1:]), others, references=own)
    apart = pm.own_references(own.models, *inside.tensor_split([101]))
    with pytest.raises(pm.InputError, match="a row for each of 100 members, found 101"):
        pm.audit(world.target, *world.sides, references=apart)


@pytest.mark.parametrize("models", [3, 7])
def test_memberships_that_tell_the_targets_void_the_audit(world, models):
    told = reference_worlds.beyond_own(world, models)
    report = pm.audit(world.target, *world.sides, references=world.references(told), attacks=[difference, stacked])
    found = check(report, TOLD)
    assert (found.passed, found.voids) == (False, True)
    assert "Leave out" in found.says
    assert [finding.attack for finding in report.failed] == ["stacked"]
    assert "must not tell" in check(report, PLAYED).says
    assert str(report).startswith(f"! {TOLD}")
    assert "does not measure the model" in " ".join(str(report).split())


def test_an_attack_that_fails_in_rehearsals_alone_does_not_cost_the_others(world, own):
    def choosy(view):
        """Only with all of them."""
        if len(view.references) < 4:
            raise RuntimeError("out of ideas")
        return threshold(view)

    report = pm.audit(world.target, *world.sides, references=own, attacks=[threshold, choosy, bavaria])
    assert not report.failed
    assert "choosy" in report.risks
    assert "choosy: RuntimeError: out of ideas" in check(report, PLAYED).says
    assert "choosy" not in report.about["strongest"].values()
    assert [len(finding.rehearsed) for finding in report.findings] == [4, 0, 4]


class Counted(nn.Linear):
    """A model that knows how many of its kind are alive when one is asked."""

    alive: ClassVar[weakref.WeakSet] = weakref.WeakSet()
    most = 0

    def __init__(self) -> None:
        super().__init__(100, 3)
        Counted.alive.add(self)

    def forward(self, x):
        Counted.most = max(Counted.most, len(Counted.alive))
        return super().forward(x)


def test_reference_models_are_held_in_memory_one_at_a_time(world):
    recipe = replace(RECIPE, architecture=Counted, epochs=2)
    beside = pm.train_references(recipe, *world.sides, count=6)
    gc.collect()
    held, Counted.most = len(Counted.alive), 0  # the one that the recipe looked at
    report = pm.audit(world.target, *world.sides, references=beside, attacks=(threshold, *BESIDE))
    assert not report.failed
    assert held <= 1
    assert 0 < Counted.most - held <= 2


def test_regression_and_several_labels_have_their_attacks(world, quick):
    x, member = world.x, world.truth
    rng = torch.Generator().manual_seed(0)
    inside = world.halves(2)
    for y, attacks in (
        (torch.randn(200, generator=rng), {"difference", "lira", "bavaria"}),
        (torch.rand(200, 2, generator=rng) < 0.5, {"difference", "lira", "bavaria"}),
    ):

        def fitted(here, y=y):
            model = nn.Linear(100, 1 if y.ndim == 1 else 2, bias=False)
            with torch.no_grad():
                model.weight.copy_(
                    torch.linalg.lstsq(x[here], (y.float() * 4 - 2).reshape(len(y), -1)[here]).solution.T
                )
            return model

        beside = pm.own_references([fitted(here) for here in inside.T], *inside.tensor_split(2))
        report = pm.audit(fitted(member), (x[member], y[member]), (x[~member], y[~member]), references=beside)
        assert not report.failed, report.failed
        assert attacks <= set(report.risks)
        assert "rmia" not in report.risks


def test_an_audit_says_when_rehearsals_do_not_hold_for_its_target(report, quick):
    question = "Do the membership probabilities hold for this target?"
    assert check(report, question).passed
    blank = reference_worlds.blank(n=400)
    found = pm.audit(blank.target, *blank.sides, references=blank.references(blank.halves(8)), attacks=[bavaria])
    assert not check(found, question).passed


def test_probabilities_come_from_the_log_odds_that_did_best_in_rehearsals(world, own):
    @membership.gives_log_odds
    def told_nothing(view):
        return torch.zeros(len(view.records)) + 0.1 * torch.arange(len(view.records)).sin()

    @membership.gives_log_odds
    def told(view):
        return bavaria(view)

    found = pm.audit(world.target, *world.sides, references=own, attacks=[told_nothing, told])
    assert set(found.records["attack"]) == {"told"}


def test_models_without_what_they_were_trained_on_are_refused_with_what_to_do(world):
    with pytest.raises(InputError, match="own_references"):
        prepare(world.target, *world.sides, references=[world.target])
