"""Each check of validity fails where it should, and passes where it should."""

import numpy as np
import pytest
import torch
import worlds

from ml_privacy_meter.risk import checks
from ml_privacy_meter.risk.calibration import reliability
from ml_privacy_meter.types import Scores

MEMBER = torch.arange(1000) < 500


def features(seed: int, width: int, moved: float, columns: int = 1) -> torch.Tensor:
    x = torch.randn(1000, width, generator=torch.Generator().manual_seed(seed))
    x[:500, :columns] += moved
    return x


@pytest.mark.parametrize("width", [5, 300])
def test_a_shift_in_one_column_is_found_and_voids_the_audit(width):
    check = checks.shift(checks.blind(features(0, width, 1.0), MEMBER))
    assert not check.passed
    assert check.voids
    assert check.risk.low > 0.55
    assert f"AUC of {check.risk.value:.3f}" in check.says


def test_sets_of_one_source_pass():
    """It takes an interval of 99% that lies above chance: one of 200 draws."""
    failed = [not checks.shift(checks.blind(features(seed, 8, 0.0), MEMBER)).passed for seed in range(40)]
    assert sum(failed) <= 1


def test_the_blind_classifier_is_judged_on_records_it_did_not_learn_from():
    scores = checks.blind(features(0, 8, 0.0), MEMBER)
    assert (len(scores.members), len(scores.others)) == (250, 250)


def test_too_few_records_are_said_not_to_have_been_checked():
    few = torch.cat([torch.arange(30), torch.arange(500, 530)])
    check = checks.shift(checks.blind(features(0, 8, 0.0)[few], MEMBER[few]))
    assert not check.passed
    assert not check.voids
    assert "takes 40 members" in check.says


def test_a_shift_in_spread_is_found_too():
    x = features(0, 8, 0.0)
    x[:500] *= 2
    assert checks.shift(checks.blind(x, MEMBER)).voids


def test_duplicates_are_counted_and_named():
    assert checks.duplicates([], 10).passed
    check = checks.duplicates([("a", "x"), ("b", "x"), ("b", "y")], 10)
    assert not check.passed
    assert not check.voids
    assert "2 of 10 non-members" in check.says
    assert check.ids == ("a = x", "b = x", "b = y")
    assert checks.duplicates([("a", "x"), ("b", "y")], 3).voids


def test_another_mix_of_classes_is_found():
    rng = np.random.default_rng(0)
    even, odd = rng.integers(0, 10, 1000), np.where(rng.random(1000) < 0.5, 3, rng.integers(0, 10, 1000))
    assert checks.class_mix(even, rng.integers(0, 10, 1000)).passed
    check = checks.class_mix(even, odd)
    assert not check.passed
    assert "Most in class 3" in check.says


def test_a_hundred_classes_with_few_records_each_are_no_shift():
    rng = np.random.default_rng(0)
    assert checks.class_mix(rng.integers(0, 100, 300), rng.integers(0, 100, 300)).passed


def test_a_model_that_is_worse_on_its_members_is_found():
    right = torch.zeros(1000).double()
    right[:400] = 1
    right[500:900] = 1
    assert checks.better_on_members(right, MEMBER).passed
    right[500:980] = 1
    check = checks.better_on_members(right, MEMBER)
    assert check.voids
    assert "80.0% of the members and 96.0%" in check.says


def test_scores_that_are_nearly_all_the_same_are_found():
    def of(values):
        return Scores(values.double(), MEMBER)

    assert checks.varied_scores("a", of(torch.randn(1000))).passed
    assert checks.varied_scores("gap", of((torch.arange(1000) % 7 > 0).double())).passed
    assert not checks.varied_scores("a", of(torch.zeros(1000))).passed
    check = checks.varied_scores("a", of(torch.randn(1000).clamp(min=1)))
    assert not check.passed
    assert "rounded" in check.says


def test_a_model_that_answers_twice_differently_is_found():
    assert checks.repeatable(True).passed
    assert not checks.repeatable(False).passed


def test_what_was_not_checked_has_not_passed_and_voids_nothing():
    for check in (checks.shift(None), checks.repeatable(None)):
        assert not check.passed
        assert not check.voids
        assert check.says.startswith("Not checked")


def test_figures_of_sets_that_differ_by_themselves_are_good_for_nothing():
    says = checks.shift(checks.blind(features(0, 8, 2.0), MEMBER)).says
    assert "Decide nothing by these figures, in either direction." in says
    assert "upper" not in says


def halves(seed: int, models: int) -> torch.Tensor:
    return worlds.halves(1000, models, seed)


@pytest.mark.parametrize("models", [1, 2, 3, 8, 15])
def test_memberships_that_are_drawn_without_regard_to_the_targets_pass(models):
    """It takes 99.99% confidence in the count, and in all models together."""
    assert all(checks.memberships(halves(seed, models), MEMBER).passed for seed in range(20))
    independent = torch.rand(1000, models, generator=torch.Generator().manual_seed(0)) < 0.7
    assert checks.memberships(independent, MEMBER).passed


@pytest.mark.parametrize("others", [1, 3, 7, 63])
def test_a_target_that_fills_up_half_of_the_models_is_told_by_their_number(others):
    """The field's custom: each record is inside exactly half of K models, one of which is the target."""
    place = torch.rand(1000, others, generator=torch.Generator().manual_seed(0)).argsort(1).argsort(1)
    inside = place < (others + 1) // 2 - MEMBER.long()[:, None]
    check = checks.memberships(inside, MEMBER)
    assert (check.passed, check.voids) == (False, True)
    assert "How many reference models" in check.says
    assert "Leave out" in check.says
    assert check.risk.high < 0.5


def test_memberships_that_tell_a_little_are_found_too():
    more = torch.rand(1000, 8, generator=torch.Generator().manual_seed(0)) < torch.where(MEMBER, 0.56, 0.5)[:, None]
    check = checks.memberships(more, MEMBER)
    assert check.voids
    assert 0.5 < check.risk.low < check.risk.value < 0.7


@pytest.mark.parametrize("column", [MEMBER, ~MEMBER], ids=["itself", "complement"])
def test_the_target_or_its_complement_among_the_models_is_found_where_their_number_tells_nothing(column):
    among = torch.stack([column, ~column, *halves(0, 8).T], 1)
    check = checks.memberships(among, MEMBER)
    assert check.voids
    assert "reference model 0 (the first is 0)" in check.says


def test_memberships_of_few_records_are_said_not_to_have_been_checked():
    few = torch.cat([torch.arange(19), torch.arange(500, 600)])
    check = checks.memberships(halves(0, 4)[few], MEMBER[few])
    assert (check.passed, check.voids) == (False, False)
    assert "Not checked" in check.says


def test_public_records_that_are_audited_too_are_counted_and_named():
    assert checks.public_apart([], 100).passed
    check = checks.public_apart([("a", "x"), ("a", "y"), ("b", "y")], 100)
    assert (check.passed, check.voids) == (False, False)
    assert "2 of 100" in check.says
    assert check.ids == ("a = x", "a = y", "b = y")
    assert checks.public_apart([("a", "x"), ("b", "y")], 20).voids


def test_probabilities_that_do_not_hold_for_the_target_are_told():
    rng = torch.Generator().manual_seed(0)
    p = torch.rand(4_000, generator=rng, dtype=torch.float64)
    right = torch.rand(4_000, generator=rng) < p
    assert checks.calibrated(reliability(p, right)).passed
    told = checks.calibrated(reliability(p.sqrt(), right))
    assert not told.passed
    assert not told.voids
    assert "does not behave like the reference models" in told.says
