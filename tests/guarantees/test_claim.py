"""Whether figures keep to a guarantee: a true claim rarely fails, a false one does."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from ml_privacy_meter import guarantees, risk
from ml_privacy_meter.findings import ABOVE, Check, Finding
from ml_privacy_meter.guarantees import Guarantee, claimed, held
from ml_privacy_meter.types import Scores

MEASURES = [
    risk.auc,
    *(partial(risk.tpr_at_fpr, fpr=fpr) for fpr in (0.1, 0.01, 0.001)),
    *(risk.balanced_accuracy, risk.advantage, risk.power, risk.error),
]


def finding(members: np.ndarray, others: np.ndarray, name: str = "best") -> Finding:
    scores = Scores(torch.tensor(np.concatenate([members, others])), torch.arange(2 * len(members)) < len(members))
    groups = {"half": np.arange(len(scores.truth)) % 2}
    return Finding(name, "", "", scores, tuple(m(scores) for m in MEASURES), risk.by_group(scores, groups, MEASURES))


def gaussian(mu: float, records: int = 3_000, seed: int = 0) -> Finding:
    rng = np.random.default_rng(seed)
    return finding(rng.normal(mu, 1, records), rng.normal(0, 1, records))


def answer(claim: Guarantee, *findings: Finding, checks: tuple[Check, ...] = ()) -> Check:
    return held(claim, findings, checks, confidence=0.95)[1][0]


def test_the_best_attack_on_a_true_claim_reaches_its_ceilings_and_keeps_to_them() -> None:
    claim, found = guarantees.gaussian(mu=1), gaussian(1, 20_000)
    (told,), (check,) = held(claim, (found,), (), confidence=0.95)
    assert check.passed
    assert "no proof" in check.says
    ceilings = {one.name: one.ceiling for one in told.risks if one.ceiling is not None}
    assert list(ceilings) == [one.name for one in told.risks[:6]]
    for measure in MEASURES[:6]:
        measured = measure(found.scores, confidence=0.999)
        assert measured.low <= ceilings[measured.name] <= measured.high, measured


def test_a_false_claim_is_refuted_and_the_figures_that_show_it_are_marked() -> None:
    (told,), (check,) = held(guarantees.gaussian(mu=0.5), (gaussian(1),), (), confidence=0.95)
    assert not check.passed
    assert not check.voids
    assert check.says.startswith("No. The claim allows ")
    assert "the attack best reaches" in check.says
    marked = {one.name for one in told.risks if one.note.startswith(ABOVE)}
    assert {"AUC", "advantage", "balanced accuracy", "TPR@10%FPR"} <= marked
    assert not marked & {"power", "error"}
    assert all(one.ceiling is not None for group in told.groups for one in group.risks[:6])


def test_dp_sgd_whose_noise_was_left_out_is_refuted() -> None:
    claim = guarantees.dp_sgd(noise_multiplier=1, sample_rate=0.01, steps=1000)
    assert not answer(claim, gaussian(1)).passed
    assert answer(claim, gaussian(0.1)).passed


def test_an_attack_of_two_answers_refutes_by_its_advantage_what_its_area_does_not() -> None:
    rng = np.random.default_rng(0)
    yes_no = finding((rng.random(3000) < 0.75).astype(float), (rng.random(3000) < 0.25).astype(float))
    claim = guarantees.gaussian(mu=1.1)  # allows an AUC of 0.78 and an advantage of 0.42
    (told,), (check,) = held(claim, (yes_no,), (), confidence=0.95)
    assert not check.passed
    assert "allows advantage 0.417" in check.says
    assert not told.risks[0].note


@pytest.mark.parametrize(
    ("claim", "mu"), [(guarantees.gaussian(mu=0), 0.0), (guarantees.gaussian(mu=1), 1.0)], ids=["nothing", "mu 1"]
)
def test_a_true_claim_at_its_very_limit_is_refuted_in_few_audits(claim: Guarantee, mu: float) -> None:
    rng, refuted, named = np.random.default_rng(0), 0, gaussian(1)
    truth = torch.arange(1_000) < 500
    for _ in range(100):
        best = torch.from_numpy(rng.normal(0, 1, 1_000)) + mu * truth
        found = [
            replace(named, scores=Scores(score, truth))
            for score in (best, best + torch.from_numpy(rng.normal(0, 0.3, 1_000)))
        ]
        refuted += not answer(claim, *found).passed
    assert refuted <= 11  # of 100 at 5%: more in fewer than 1 of 200 such tests


def test_an_audit_that_measures_something_else_says_nothing_of_the_claim() -> None:
    shifted = Check("Do members and non-members differ?", False, "Yes.", voids=True)
    (told,), (check,) = held(guarantees.gaussian(mu=0.5), (gaussian(1),), (shifted,), confidence=0.95)
    assert check.says.startswith("Not checked: another check")
    assert not check.passed
    assert not any(ABOVE in one.note for one in told.risks)
    passed = replace(shifted, passed=True)
    assert answer(guarantees.gaussian(mu=0.5), gaussian(1), checks=(passed,)).says.startswith("No.")


def test_nothing_is_concluded_from_too_few_records_or_failed_attacks() -> None:
    failed = Finding("broken", "", "", None, failed="why")
    assert answer(guarantees.gaussian(mu=1), failed).says.startswith("Not checked: no figure")
    assert answer(guarantees.gaussian(mu=0.5), failed, gaussian(2)).says.startswith("No.")


def test_without_a_guarantee_nothing_changes() -> None:
    found = (gaussian(1),)
    assert held(None, found, (), confidence=0.95) == (found, ())


def test_a_report_is_given_the_curve_of_the_claim() -> None:
    claim = claimed(guarantees.approximate(epsilon=1, delta=1e-5))
    assert claim.fpr[0] == 0
    assert claim.fpr[-1] == claim.tpr[-1] == 1
    assert claim.tpr[0] == pytest.approx(1e-5)
    assert list(claim.tpr) == sorted(claim.tpr)
    assert "several records" in claim.bounds
