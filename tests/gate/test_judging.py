"""When a gate is passed, when it failed, and when it is not decidable."""

import numpy as np
import pytest
import torch
from gate.made import check, finding, group, report, risk

from ml_privacy_meter import InputError
from ml_privacy_meter.gate import judged
from ml_privacy_meter.gate.judging import FAILED, HIDE, PASSED, UNDECIDED
from ml_privacy_meter.risk import auc, checks
from ml_privacy_meter.types import Scores

AUC = {"max": ["AUC<=0.6"]}


@pytest.mark.parametrize(
    ("value", "low", "high", "surely", "by_upper", "by_value", "why"),
    [
        (0.55, 0.52, 0.58, 0.51, PASSED, PASSED, ""),
        (0.55, 0.50, 0.60, 0.49, PASSED, PASSED, ""),  # at the limit
        (0.59, 0.56, 0.62, 0.55, UNDECIDED, PASSED, "keeps to the limit, its interval does not"),
        (0.60, 0.57, 0.63, 0.56, UNDECIDED, PASSED, "keeps to the limit, its interval does not"),
        (0.61, 0.58, 0.64, 0.57, FAILED, FAILED, "also reaches below"),
        (0.65, 0.61, 0.68, 0.59, FAILED, FAILED, "its whole interval"),
        (0.70, 0.67, 0.73, 0.65, FAILED, FAILED, "surely"),
        (0.70, 0.67, 0.73, None, FAILED, FAILED, "its whole interval"),
        (0.55, None, None, None, UNDECIDED, PASSED, "its interval does not"),
    ],
)
def test_a_limit_is_passed_by_the_upper_end_and_failed_by_the_value(value, low, high, surely, by_upper, by_value, why):
    found = report(finding("lira", risk("AUC", value, low, high, surely=surely)))
    for judge, status in (("upper", by_upper), ("value", by_value)):
        gate = judged(found, **AUC, judge=judge)
        assert gate.status == status
        assert gate.exit_status == {PASSED: 0, FAILED: 1, UNDECIDED: 3}[status]
        assert why in gate.judgements[0].why or status == PASSED


def test_the_worst_attack_and_the_worst_limit_decide():
    good, close, bad = (risk("AUC", value, value - 0.03, value + 0.03) for value in (0.5, 0.59, 0.7))
    status = [judged(report(*(finding(f"{i}", one) for i, one in enumerate(ones))), **AUC).status for ones in (
        (good, good), (good, close), (close, bad, good), (good, bad),
    )]  # fmt: skip
    assert status == [PASSED, UNDECIDED, FAILED, FAILED]
    two = report(finding("lira", good, risk("power", 0.9, 0.8, 0.95)))
    assert judged(two, max=["AUC<=0.6", "power<=0.5"]).status == FAILED


@pytest.mark.parametrize("judge", ["upper", "value"])
def test_a_figure_that_is_not_resolvable_is_not_decidable_with_its_reason(judge):
    found = judged(report(finding("lira", risk("AUC", None, note="needs 20 members"))), **AUC, judge=judge)
    assert found.status == UNDECIDED
    assert "not resolvable: needs 20 members" in found.judgements[0].why


@pytest.mark.parametrize("judge", ["upper", "value"])
def test_a_failed_attack_never_passes_and_a_leak_found_beside_it_still_fails(judge):
    broken = finding("mine", failed="ValueError: no")
    good, bad = (finding("lira", risk("AUC", value, value - 0.02, value + 0.02)) for value in (0.5, 0.7))
    found = judged(report(good, broken), **AUC, judge=judge)
    assert found.status == UNDECIDED
    assert [(one.attack, one.why) for one in found.judgements if one.status == UNDECIDED] == [
        ("mine", "the attack failed: ValueError: no")
    ]
    assert judged(report(broken), **AUC, judge=judge).status == UNDECIDED
    assert judged(report(), **AUC, judge=judge).status == UNDECIDED
    assert judged(report(broken, bad), **AUC, judge=judge).status == FAILED


@pytest.mark.parametrize("value", [0.5, 0.9])
@pytest.mark.parametrize("judge", ["upper", "value"])
def test_an_audit_that_a_check_voids_decides_nothing(value, judge):
    found = report(finding("lira", risk("AUC", value, value - 0.01, value + 0.01)), checks=(check(voids=True),))
    gate = judged(found, **AUC, judge=judge)
    assert gate.status == UNDECIDED
    assert "Do the sets differ?" in gate.judgements[0].why


def test_other_checks_that_failed_are_warnings():
    found = report(finding("lira", risk("AUC", 0.5, 0.48, 0.52)), checks=(check(), check(passed=True, name="Fine?")))
    gate = judged(found, **AUC)
    assert gate.status == PASSED
    assert gate.warnings == ("Do the sets differ? They do.",)


def test_a_pass_without_reference_models_says_what_was_not_played():
    found = report(finding("gap", risk("AUC", 0.5, 0.48, 0.52), sees="Labels."), reference_models=16)
    assert "were not played" in judged(found, **AUC).warnings[0]


def test_a_figure_that_the_report_does_not_have_is_bad_input():
    found = report(finding("lira", risk("AUC", 0.5), risk("TPR@1%FPR", 0.01)))
    with pytest.raises(InputError, match=r"no TPR@0.1%FPR, it has AUC and TPR@1%FPR. Audit at that"):
        judged(found, max=["TPR@0.1%FPR<=1%"])
    with pytest.raises(InputError, match=r"no power, it has AUC and TPR@1%FPR\.$"):
        judged(found, max=["power<=50%"])


def test_an_attack_without_the_figure_is_left_aside_where_others_have_it():
    found = report(finding("lira", risk("AUC", 0.5, 0.48, 0.52)), finding("odd", risk("power", 1.0, 0.9, 1.0)))
    assert [one.attack for one in judged(found, **AUC).judgements] == ["lira"]


def test_another_confidence_than_the_reports_is_refused():
    found = report(finding("lira", risk("AUC", 0.5, 0.48, 0.52)))
    assert judged(found, **AUC, confidence=0.95).status == PASSED
    for other in (0.9, 0.99):
        with pytest.raises(InputError, match=f"asks for {other}.* Run the audit with `confidence = {other}`"):
            judged(found, **AUC, confidence=other)


@pytest.mark.parametrize("given", [{}, {"max": []}, {"max": ["AUC<=1"], "judge": "lower"}])
def test_a_gate_without_a_limit_or_with_another_end_is_bad_input(given):
    with pytest.raises(InputError, match=r"needs a limit|end to judge by"):
        judged(report(finding("lira", risk("AUC", 0.5))), **given)


def test_of_groups_the_worst_decides_and_is_named():
    values = {"cat": 0.55, "dog": 0.7, "frog": 0.8, "newt": 0.5}
    groups = [group(name, risk("AUC", value, value - 0.02, value + 0.02)) for name, value in values.items()]
    groups.append(group("owl", risk("AUC", None, note="needs 20 members")))
    found = report(finding("lira", risk("AUC", 0.5, 0.48, 0.52), groups=groups))
    one = judged(found, max_group=["AUC<=0.6"]).judgements[0]
    assert (one.status, one.group) == (FAILED, "class: frog")
    assert "5 groups: 2 failed, 1 not decidable and 2 passed" in one.why
    one = judged(found, max_group=["AUC<=0.9"]).judgements[0]
    assert (one.status, one.group) == (UNDECIDED, "class: owl")
    del groups[-1]
    found = report(finding("lira", risk("AUC", 0.5, 0.48, 0.52), groups=groups))
    gate = judged(found, max=["AUC<=0.6"], max_group=["AUC<=0.9"])
    assert gate.status == PASSED
    assert [(str(one.limit), one.group) for one in gate.judgements] == [
        ("AUC<=0.6", ""),
        ("AUC<=0.9 in each group", "class: frog"),
    ]
    with pytest.raises(InputError, match="this one has none"):
        judged(report(finding("lira", risk("AUC", 0.5))), max_group=["AUC<=0.6"])


def test_a_model_at_the_limit_is_passed_in_about_one_audit_of_forty():
    """Members lie one deviation higher: an AUC of 0.7602, in 400 audits."""
    rng = np.random.default_rng(0)
    truth = torch.arange(400) % 2 == 0
    passed = 0
    for _ in range(400):
        found = auc(Scores(torch.from_numpy(rng.normal(size=400) + truth.numpy()), truth))
        one = finding("lira", risk("AUC", found.value, found.low, found.high))
        passed += judged(report(one), max=["AUC<=0.7602"]).status == PASSED
    assert 2 <= passed <= 20  # 2.5% of them are 10


@pytest.mark.parametrize("name", [*HIDE, "Are the scores of lira varied?"])
def test_nothing_passes_beside_a_check_that_says_a_leak_may_be_hidden(name: str) -> None:
    found = report(finding("lira", risk("AUC", 0.5, 0.48, 0.52)), checks=(check(name=name),))
    assert judged(found, max=["AUC<=0.6"]).exit_status == 3
    assert judged(found, max=["AUC<=0.4"]).exit_status == 1
    fine = report(*found["findings"], checks=(check(name=name, passed=True),))
    assert judged(fine, max=["AUC<=0.6"]).exit_status == 0


def test_checks_that_hide_a_leak_are_known_by_their_names() -> None:
    assert {checks.duplicates([], 1).name, checks.public_apart([], 1).name} == set(HIDE)
    scores = Scores(torch.zeros(4, dtype=torch.float64), torch.tensor([True, False, True, False]))
    assert checks.varied_scores("lira", scores).name == "Are the scores of lira varied?"


def test_a_figure_below_chance_does_not_pass() -> None:
    assert judged(report(finding("lira", risk("AUC", 0.1, 0.05, 0.15))), max=["AUC<=0.6"]).exit_status == 3


def test_a_gate_warns_of_games_that_no_limit_is_held_against_and_passes_none_without_membership():
    games = [
        {"name": "attribute", "secret": "age", "shows": True, "tried": [{"failed": ""}]},
        {"name": "extraction", "secret": "", "shows": None, "tried": [{"failed": "words"}]},
    ]
    found = report(finding("lira", risk("AUC", 0.5, 0.48, 0.52))) | {"games": games}
    gate = judged(found, **AUC)
    assert gate.status == PASSED
    assert "more is surely reached with the model in “Hidden attributes: age”." in gate.warnings[0]
    assert "failed, in “Copies of the model”" in gate.warnings[1]
    alone = judged(report() | {"games": games}, **AUC)
    assert alone.status == UNDECIDED
