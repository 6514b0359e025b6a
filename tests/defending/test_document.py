"""Trials side by side: the strongest attack, differences, exposed records, and what JSON holds of it."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from defending.fakes import HALF, bare, told, trained, trial, wrapped
from report.fakes import LEAKY

from ml_privacy_meter.defending import leaks
from ml_privacy_meter.defending.entries import NONE, Entry
from ml_privacy_meter.defending.leaks import OUTPUTS, WEIGHTS, Line
from ml_privacy_meter.defending.rows import rows_of
from ml_privacy_meter.report.document import Document, dump
from ml_privacy_meter.risk import auc
from ml_privacy_meter.risk.intervals import wilson


def schema() -> Document:
    held: Document = json.loads(files("ml_privacy_meter.defending").joinpath("schema.json").read_text())
    return held


def row(document: Document, name: str) -> Document:
    return next(one for one in document["rows"] if one["name"] == name)


def leak(document: Document, name: str, figure: str = "AUC", sees: str = OUTPUTS) -> Document:
    return next(one for one in row(document, name)["leaks"] if (one["sees"], one["figure"]) == (sees, figure))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Document:
    folder = tmp_path_factory.mktemp("trials")
    return told(
        [
            *bare(folder),
            trial(folder, trained("good"), leak=0.3, accuracy=0.79),
            trial(folder, trained("beaten"), leak=1.2, accuracy=0.78),
            trial(folder, trained("dear"), leak=1.5, accuracy=0.4),
            trial(folder, wrapped("masked"), leak=0.0, accuracy=0.8),
        ],
        failed={"broken": "it broke."},
    )


def test_the_document_is_as_its_schema_says(found: Document) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(json.loads(dump(found)), schema())


def test_every_part_of_the_schema_is_described() -> None:
    for name, kind in schema()["$defs"].items():
        for key, value in kind.get("properties", {}).items():
            assert value.get("description") or "$ref" in value, f"{name}.{key}"


def test_dominated_and_dear_defenses_are_marked(found: Document) -> None:
    said = {one["name"]: one["verdict"]["says"] for one in found["rows"]}
    assert said["good"] == "leaks less"
    assert said["beaten"] == said["dear"] == "not worth its price"
    assert row(found, "beaten")["verdict"]["beaten_by"] == ["good"]
    assert row(found, "dear")["verdict"]["no_gain"]
    assert "good" not in row(found, "none")["verdict"]["beaten_by"]  # it is more accurate than all
    assert said["masked"] == "leaks less"


def test_the_strongest_attack_has_the_figures_that_its_report_has(found: Document) -> None:
    one = leak(found, "none")
    assert one["attack"] == LEAKY
    assert one["chosen"]
    assert one["joint_low"] < one["low"] < one["value"] < one["high"] < one["joint_high"]
    assert one["difference"] is None


def test_other_answers_are_not_attacked_by_weights(found: Document) -> None:
    assert {one["sees"] for one in row(found, "masked")["leaks"]} == {OUTPUTS}
    assert {one["sees"] for one in row(found, "good")["leaks"]} == {OUTPUTS, WEIGHTS}
    assert leak(found, "masked")["difference"]["value"] == pytest.approx(
        leak(found, "masked")["value"] - leak(found, "none")["value"]
    )


def test_accuracy_is_that_on_non_members_with_wilsons_interval(found: Document) -> None:
    held = row(found, "good")["accuracy"]["non_members"]
    low, high = wilson(158, HALF)
    assert held["value"] == 0.79
    assert (held["low"], held["high"]) == (low, high)
    wide = wilson(158, HALF, found["about"]["joint_confidence"])
    assert (held["joint_low"], held["joint_high"]) == wide
    assert row(found, "good")["accuracy_difference"]["value"] == pytest.approx(-0.01)


def test_the_confidence_is_shared_out_over_all_that_is_shown_and_compared(found: Document) -> None:
    about = found["about"]
    lines = sum(len(one["leaks"]) for one in found["rows"])
    assert lines == 6 * 4 + 2
    assert about["figures"] == lines + 2 * 7
    assert about["differences"] == 15 * 4 + 6 * 2 + 6  # pairs of trained ones, pairs with the wrapped one, accuracies
    assert about["joint_confidence"] == 1 - 0.05 / about["figures"]
    assert about["sure_confidence"] == 1 - 0.05 / about["differences"]


def test_exposed_records_are_those_of_none_and_are_followed(found: Document) -> None:
    most = found["exposed"]
    assert len(most) == 20
    assert all(one["probabilities"][0] >= 0.8 for one in most)
    values = [one["probabilities"][0] for one in most]
    assert values == sorted(values, reverse=True)
    assert row(found, "none")["remain"] == 20
    for place, one in enumerate(found["rows"]):
        assert one["remain"] == sum(record["probabilities"][place] >= 0.8 for record in most)
    assert row(found, "masked")["over_limit"] < row(found, "none")["over_limit"]


def test_failing_checks_and_attacks_are_said_once_for_all_models(tmp_path: Path) -> None:
    document = told(bare(tmp_path, shifted=True))
    warnings = document["warnings"]
    assert warnings[0]["voids"]
    assert warnings[0]["models"] == [one["name"] for one in document["rows"]]
    assert len({one["title"] for one in warnings}) == len(warnings)


def test_beside_a_void_audit_nothing_is_sure(tmp_path: Path) -> None:
    trials = [*bare(tmp_path, shifted=True), trial(tmp_path, trained("good"), leak=0.0, accuracy=0.8, shifted=True)]
    assert row(told(trials), "good")["verdict"]["says"] == "open"


def test_what_might_be_luck_among_so_many_is_not_sure(tmp_path: Path) -> None:
    document = told([*bare(tmp_path), trial(tmp_path, trained("near"), leak=1.4, accuracy=0.77)])
    apart = leak(document, "near")["difference"]
    assert apart["low"] < apart["high"] < 0 < apart["sure_high"]
    near = row(document, "near")
    assert near["verdict"]["says"] == "open"
    assert near["accuracy_difference"]["high"] < 0 < near["accuracy_difference"]["sure_high"]
    for one in (one["difference"] for each in document["rows"][1:] for one in each["leaks"]):
        assert one["sure_low"] <= one["low"] <= one["value"] <= one["high"] <= one["sure_high"]


def test_a_rate_is_shown_that_the_records_resolve(tmp_path: Path) -> None:
    few = trial(tmp_path, Entry("none", NONE), leak=1.0, accuracy=0.5, records=100)
    assert [line.figure for line in leaks.lines_of([few])] == ["AUC", "TPR@10%FPR"] * 2
    many = trial(tmp_path / "many", Entry("none", NONE), leak=1.0, accuracy=0.5)
    assert leaks.lines_of([many])[1] == Line(OUTPUTS, "TPR@1%FPR")


def test_without_rehearsals_the_highest_figure_stands_in(tmp_path: Path) -> None:
    alone = trial(tmp_path, Entry("none", NONE), leak=1.0, accuracy=0.5, references=0, weights=False)
    line = Line(OUTPUTS, "AUC")
    found = leaks.leaks_of(alone, [line])[line]
    assert not found.chosen
    assert found.value == max(auc(scores).value or 0 for scores in alone.audit.scores.values())
    assert leaks.leaks_of(alone, [Line(WEIGHTS, "AUC")]) == {}


def test_accuracies_on_the_same_records_are_paired() -> None:
    first, other = np.arange(100) < 80, np.arange(100) < 70
    low, high = leaks.accuracy_apart(first, other)(0.95)
    assert low < -0.1 < high
    assert high < 0  # ten records turned wrong, and none right
    low, high = leaks.accuracy_apart(first, np.roll(other, 50))(0.95)
    assert low < 0 < high  # as many more wrong, but other ones
    assert leaks.accuracy_apart(np.ones(50, bool), np.zeros(50, bool))(0.95)[1] < -0.8


def test_rows_are_what_the_document_holds(found: Document) -> None:
    rows = rows_of(found).set_index("name")
    assert list(rows.index) == [one["name"] for one in found["rows"]]
    assert rows.loc["good", "test_accuracy"] == 0.79
    assert rows.loc["good", "outputs AUC"] == leak(found, "good")["value"]
    assert rows.loc["beaten", "beaten_by"] == "good"
    assert pd.isna(rows.loc["masked", "weights AUC attack"])


def test_coarse_answers_are_no_warning_where_a_defense_makes_them_so(tmp_path: Path) -> None:
    coarse = {"name": "Are the scores of lira varied?", "passed": False, "says": "No.", "voids": False}
    trials = [*bare(tmp_path), trial(tmp_path, wrapped("masked"), leak=0.5, accuracy=0.8)]
    for one in trials:
        one.audit.document["checks"].append(dict(coarse))
    (warning,) = [one for one in told(trials)["warnings"] if one["title"] == coarse["name"]]
    assert warning["models"] == [one.entry.name for one in trials[:-1]]
