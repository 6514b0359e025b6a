"""Reports of audits that could see little: none of them reads as if nothing were there."""

import copy
from typing import Any

import pytest
from report.fakes import LEAKY, failed, fake

from ml_privacy_meter.report import verdicts
from ml_privacy_meter.report.page import page


def said(document: dict[str, Any]) -> str:
    return verdicts.verdict(document)


def test_twenty_records_of_each_kind_leave_room_for_a_leak_and_the_verdict_says_so() -> None:
    document = copy.deepcopy(fake(40, leak=0.0, attacks=(LEAKY,), also=())._document)
    auc = document["findings"][0]["risks"][0]
    auc |= {"value": 0.708, "low": 0.517, "high": 0.846, "surely": 0.41}
    assert said(document).startswith(
        "This attack found no leak that is surely more than luck: the strongest, “threshold”, reaches AUC 0.708 "
        "[0.517, 0.846] (95% interval; without the model 0.5). With so few records, AUC 0.846 cannot be ruled out."
    )
    auc |= {"value": 0.5, "low": 0.41, "high": 0.59}
    assert "This attack found no leak: the strongest" in said(document)
    assert "ruled out" not in said(document)


@pytest.mark.parametrize("leak", [0.0, 2.0])
def test_errors_that_cannot_be_measured_are_said_to_be_unknown(leak: float) -> None:
    assert said(fake(40, leak=leak)._document).endswith(
        "Errors of 1 in 100 and 1 in 1,000 cannot be measured with so few other records (20): what happens there is "
        "not known."
    )
    assert "An error of 1 in 1,000 cannot be measured with so few other records (200)" in said(fake(400)._document)
    assert "measured" not in said(fake(4000)._document)


def test_small_errors_without_a_leak_are_those_that_could_be_measured() -> None:
    document = copy.deepcopy(fake(400, leak=1.0)._document)
    for risk in document["findings"][0]["risks"][1:]:
        risk["surely"] = 0.0
    assert "At the small errors that could be measured, no attack’s figures lie surely above chance." in said(document)


def test_a_report_of_failed_attacks_has_no_figures_to_misread() -> None:
    document = fake(100, attacks=(), also=(failed(),))._document
    text = page(document)
    assert "No attack ran to its end: this report says nothing about the model." in text
    assert "None: no attack ran to its end." in text
    assert "How many training records are identified" not in text
    assert "ROC of all attacks" not in text


def test_counts_of_small_reports_are_said_to_be_unknown_on_the_page() -> None:
    text = page(fake(400)._document)
    assert "Not known: needs 1000 non-members, found 200. It does not mean that nobody is identified." in text
