"""What the weights add: said with its interval, or said not to have been shown; and how long gradients are."""

import json
from typing import Any

import pytest
from report.fakes import BLANK, LEAKY, fake

from ml_privacy_meter.report import glossary, weights
from ml_privacy_meter.report.assessment import assessment
from ml_privacy_meter.report.dpia import dpia
from ml_privacy_meter.report.markdown import markdown
from ml_privacy_meter.report.page import page
from ml_privacy_meter.report.printed import printed
from ml_privacy_meter.report.terminal import table
from ml_privacy_meter.trackers.pictures import pictures

GAIN = {"figure": "AUC", "outputs": "loss", "weights": "norm", "how": "half", "reached": [0.7, 0.75], "trials": 100}


def gain(low: float, surely: float, value: float, high: float, **more: Any) -> dict[str, Any]:
    return GAIN | {"value": value, "low": low, "high": high, "surely": surely, "at_most": high + 0.02} | more


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (gain(0.03, 0.02, 0.05, 0.07), "White-box access adds +0.050 [0.030, 0.070] to the AUC: “norm” over “loss”."),
        (
            gain(-0.01, -0.02, 0.01, 0.03),
            "These white-box attacks were not shown to add anything to the AUC: +0.010 [−0.010, 0.030], “norm” over "
            "“loss”.",
        ),
        (
            gain(0.001, -0.01, 0.02, 0.04),
            "These white-box attacks were not shown to add anything to the AUC: +0.020 [0.001, 0.040], “norm” over "
            "“loss”. The interval leaves out 0 only as long as it is not widened for the number of figures.",
        ),
        (
            gain(-0.07, -0.08, -0.05, -0.03),
            "At the AUC, the white-box attack stays below the black-box one, −0.050 [−0.070, −0.030]: “norm” over "
            "“loss”. Whoever has the weights can run both.",
        ),
        (
            gain(-0.05, -0.06, -0.03, -0.01),
            "These white-box attacks were not shown to add anything to the AUC: −0.030 [−0.050, −0.010], “norm” over "
            "“loss”. The interval leaves out 0 only as long as it is not widened for the number of figures.",
        ),
        (
            gain(0.03, 0.02, 0.05, 0.071, figure="TPR@1%FPR"),
            "White-box access adds +5.0 [3.0, 7.1] percentage points to the TPR@1%FPR: “norm” over “loss”.",
        ),
    ],
)
def test_a_gain_is_told_as_far_as_it_was_shown(one: dict[str, Any], said: str) -> None:
    assert weights.sentence(one) == said


def test_every_form_of_the_report_says_it() -> None:
    report = fake(4000, weights=True)
    found = report._document
    first = weights.said(found)[0]
    assert first.startswith("At the AUC, the white-box attack stays below")
    html = page(found)
    assert first.replace("'", "&#39;") in html
    assert "chosen on one half of the records" in html
    assert "stays below the black-box one" in markdown(found)
    assert first in str(table(found).caption)
    assert any(block.get("text") == first for block in printed(found))
    assert {"White-box, black-box", "Gradient norm"} < {name for name, _ in glossary.glossary(found)}
    assert "Membership inference (NISTAML.033), white-box" in dpia(found)


def test_nothing_is_said_where_no_attack_read_weights() -> None:
    found = fake(400)._document
    assert weights.said(found) == weights.rows(found) == weights.pictures(found["gradient_norms"]) == []
    assert 'id="weights"' not in page(found)
    assert "White-box" not in markdown(found)
    assert not {"White-box, black-box"} & {name for name, _ in glossary.glossary(found)}


def test_how_both_were_chosen_and_that_the_audit_is_void_is_said() -> None:
    chosen = weights.said(fake(4000, weights=True, references=4)._document)[-1]
    assert "reference models took the target’s place" in chosen
    void = weights.said(fake(4000, weights=True, shifted=True)._document)[-1]
    assert "The audit is void" in void


def test_where_no_gain_was_shown_the_weights_are_not_called_safe() -> None:
    found = json.loads(json.dumps(fake(4000, weights=True)._document))
    caution = "Where no gain was shown, the weights are not thereby safe to give away: other attacks may get more out"
    alone = "none was played here that learns from reference models or from records whose membership is known."
    assert caution in weights.said(found)[-1]
    assert alone in weights.said(found)[-1]
    assert alone in markdown(found)
    assert caution in page(found)
    found["findings"][0]["sees"] = "The target model's weights, and reference models."
    assert "learns from records whose membership is known." in weights.said(found)[-1]
    for one in found["added"]:
        one["surely"] = 0.01
    assert caution not in weights.said(found)[-1]


def test_an_attack_that_also_knows_members_is_no_gain_of_the_weights_alone() -> None:
    found = fake(4000, weights=True)._document
    found["findings"][1]["sees"] = "The target model's weights, and records of which is known whether they are members."
    assert f"“{BLANK}” was also shown other records" in weights.said(found)[-1]
    assert "White-box access with other records of known membership adds" in weights.sentence(
        gain(0.03, 0.02, 0.05, 0.07, weights=BLANK), weights.knowing(found)
    )


def test_counts_of_an_attack_on_weights_are_not_said_to_come_from_queries() -> None:
    found = fake(4000, attacks=(BLANK, LEAKY), weights=True, leak=0.0)._document
    for risk in found["findings"][1]["risks"]:
        risk["value"], risk["low"], risk["surely"] = 0.9, 0.8, 0.8
    said = json.dumps(assessment(found), ensure_ascii=False)
    assert "From the weights: " in said
    assert "From queries: " not in said
    assert "to tell who was a member, and nothing else" in said


@pytest.mark.parametrize(("classes", "drawn"), [(None, 1), (("one",), 1), (tuple("abc"), 2)])
def test_gradient_norms_are_drawn_over_all_and_by_class(classes: tuple[str, ...] | None, drawn: int) -> None:
    norms = fake(400, weights=True, classes=classes)._document["gradient_norms"]
    assert len(weights.pictures(norms)) == drawn


def test_of_many_classes_the_most_separated_are_drawn_and_the_rest_is_said_to_be_left_out() -> None:
    norms = fake(4000, weights=True, classes=[f"class {n}" for n in range(90)])._document["gradient_norms"]
    _, spec, caption = weights.pictures(norms)[1]
    text = json.dumps(spec)
    named = [one["value"] for one in norms["classes"]]
    assert len(named) == 90
    assert all(f'"{name}"' in text for name in named[: weights.CLASSES])
    assert not any(f'"{name}"' in text for name in named[weights.CLASSES :])
    assert "the 20 of 90 classes" in caption
    assert "report.json" in caption
    assert len(text) < 30_000


def test_norms_of_nothing_can_be_drawn_on_a_logarithmic_axis() -> None:
    norms = fake(400, weights=True)._document["gradient_norms"]
    for one in norms["classes"]:
        one["members"]["quantiles"] = [0.0] * 5
    text = json.dumps(weights.by_class(norms))
    assert '"low": 0.0' not in text


def test_a_tracker_gets_them_as_pictures() -> None:
    names = dict(pictures(fake(400, weights=True)._document))
    assert names["gradient norms"].startswith(b"\x89PNG")
    assert names["gradient norms by class"].startswith(b"\x89PNG")
    assert "gradient norms" not in dict(pictures(fake(400)._document))
