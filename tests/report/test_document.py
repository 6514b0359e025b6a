import copy
import json
from importlib.resources import files
from typing import Any

import jsonschema
import numpy as np
import pytest
from report.fakes import BLANK, FAILED, LEAKY, about, failed, fake

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.report import Report
from ml_privacy_meter.report.document import dump

SCHEMA = json.loads(files("ml_privacy_meter.report").joinpath("schema.json").read_text())

REPORTS = {
    "usual": fake(400),
    "shifted": fake(400, shifted=True),
    "regression": fake(400, classes=None),
    "20 records": fake(20),
    "reference models": fake(400, references=4),
    "two reference models, 20 records": fake(20, references=2),
    "all attacks failed": fake(100, attacks=(), also=(failed(), failed("gap"))),
    "no attacks": fake(100, attacks=(), also=()),
}


def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_every_report_keeps_to_the_schema(report: Report) -> None:
    validator().validate(json.loads(dump(report._document)))


CHANGES: dict[str, Any] = {
    "an unknown key": lambda found: found.update(news=1),
    "a missing key": lambda found: found.pop("checks"),
    "another version": lambda found: found.update(version=2),
    "a renamed figure key": lambda found: found["findings"][0]["risks"][0].update(values=0.5),
    "a text for a number": lambda found: found["findings"][0]["risks"][0].update(low="0.1"),
    "a rate beyond 1": lambda found: found["findings"][0]["roc"]["tpr"].append(1.5),
    "half a count": lambda found: found["findings"][0]["histogram"]["members"].append(0.5),
    "a raw record": lambda found: found["exposed"][0].update(x=[1.0, 2.0]),
    "a number for an id": lambda found: found["exposed"][0].update(id=7),
    "an unknown bin key": lambda found: found["calibration"]["bins"][0].update(news=1),
    "a share beyond 1": lambda found: found["calibration"]["bins"][0].update(share=1.5),
    "no word on calibration": lambda found: found.pop("calibration"),
    "a carried threshold without its rate": lambda found: found["findings"][0]["carried"].append({"fpr": 0.1}),
    "vulnerability in words": lambda found: found["exposed"][0].update(vulnerability="high"),
    "half a reference model": lambda found: found["about"].update(reference_models=0.5),
    "a list of strongest attacks": lambda found: found["about"].update(strongest=["lira"]),
    "a seed in words": lambda found: found["about"].update(seed="zero"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_schema_refuses_a_changed_document(change: Any) -> None:
    found = copy.deepcopy(json.loads(dump(REPORTS["usual"]._document)))
    change(found)
    assert not validator().is_valid(found)


def test_the_text_says_what_the_document_holds() -> None:
    found = fake(200, prefix="[\n1,\n 2]", classes=("[1.5,\n2]", "b"))._document
    assert json.loads(dump(found)) == found


def test_no_column_of_the_records_but_id_and_class_reaches_the_document() -> None:
    found = fake(200, group=("secret-a", "secret-b"))._document
    found["findings"] = [item | {"groups": []} for item in found["findings"]]
    assert "secret" not in dump(found)


def test_the_most_exposed_are_the_members_of_highest_probability() -> None:
    report = fake(400)
    exposed = report._document["exposed"]
    members = report.records[report.records["member"]].set_index("id")
    given = [one["membership_probability"] for one in exposed]
    assert len(exposed) == 20
    assert given == sorted(members["membership_probability"], reverse=True)[:20]
    assert all(members.loc[one["id"], "class"] == one["class"] for one in exposed)
    assert all(members.loc[one["id"], "attack"] == one["attack"] for one in exposed)


def test_what_references_say_of_the_most_exposed_is_theirs() -> None:
    report = fake(400, references=4)
    rows = report.records.set_index("id")
    names = ("memorization", "memorization_se", "vulnerability")
    for one in report._document["exposed"]:
        held = [None if np.isnan(rows.loc[one["id"], name]) else rows.loc[one["id"], name] for name in names]
        assert [one[name] for name in names] == held
    assert all(one[name] is None for one in fake(400)._document["exposed"] for name in names)


def test_the_attack_that_was_chosen_is_marked_at_its_figures() -> None:
    found = fake(400, references=4, strongest={"AUC": BLANK, "TPR@1%FPR": LEAKY})._document["findings"]
    marked = [(one["attack"], risk["name"]) for one in found for risk in one["risks"] if risk["chosen"]]
    assert marked == [(LEAKY, "TPR@1%FPR"), (BLANK, "AUC")]
    assert not any(risk["chosen"] for one in found for group in one["groups"] for risk in group["risks"])


def test_calibration_and_carried_thresholds_are_held_as_they_were_found() -> None:
    report = fake(400, references=4)
    found = report._document
    assert report.calibration is not None
    assert found["calibration"]["error"] == report.calibration.error
    assert sum(one["members"] for one in found["calibration"]["bins"]) == 200
    (first, *_), (held, *_) = report.findings[0].carried, found["findings"][0]["carried"]
    assert (held["fpr"], held["tpr"]["value"], held["reached"]["value"]) == (0.1, first.tpr.value, first.reached.value)


def test_numbers_that_json_lacks_become_null() -> None:
    found = fake(100, member_accuracy=float("nan"), sizes=np.array([1, 2])[0], hi=float("inf"))._document
    assert (found["about"]["member_accuracy"], found["about"]["hi"], found["about"]["sizes"]) == (None, None, 1)


def test_what_json_cannot_hold_is_named() -> None:
    with pytest.raises(TypeError, match="fit into JSON, found set"):
        str(fake(100, settings={"a": {1}}))


def test_risks_are_found_by_attack_and_name() -> None:
    report = fake(400)
    assert isinstance(report.risks[LEAKY]["TPR@1%FPR"], Risk)
    assert list(report.risks) == [LEAKY, BLANK, FAILED]
    assert [finding.attack for finding in report.failed] == [FAILED]


def test_scores_of_other_records_are_refused() -> None:
    report = fake(100)
    with pytest.raises(InputError, match="has 100 scores of 99 records"):
        Report(report.findings, report.checks, report.records[1:], report.about)


def test_records_without_their_columns_are_refused() -> None:
    report = fake(100)
    with pytest.raises(InputError, match=r"\['score'\] is missing"):
        Report(report.findings, report.checks, report.records.drop(columns="score"), report.about)


def test_an_audit_that_does_not_say_what_every_report_says_is_refused() -> None:
    report = fake(100)
    with pytest.raises(InputError, match=r"\['seed'\] is missing"):
        Report(report.findings, report.checks, report.records, {k: v for k, v in about(50, 50).items() if k != "seed"})
