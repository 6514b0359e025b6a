"""Figures against slow oracles, closed forms, and simulations of what their intervals promise."""

from functools import partial

import numpy as np
import oracles
import pytest
import torch
from scipy.stats import norm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.risk import advantage, auc, balanced_accuracy, decisions, error, power, tpr_at_fpr
from ml_privacy_meter.types import Scores


def scores_of(member: np.ndarray, other: np.ndarray) -> Scores:
    truth = torch.arange(len(member) + len(other)) < len(member)
    return Scores(torch.from_numpy(np.concatenate([member, other])), truth)


def normal_scores(rng: np.random.Generator, n: int, shift: float, spread: float = 1.0) -> Scores:
    return scores_of(rng.normal(shift, spread, n), rng.normal(0, 1, n))


@pytest.mark.parametrize("levels", [2, 3, 10, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_auc_and_its_error_equal_the_oracle_with_ties(levels, seed):
    rng = np.random.default_rng(seed)
    member, other = (rng.integers(0, levels, n).astype(float) for n in (35, 50))
    risk = auc(scores_of(member, other))
    assert risk.value == pytest.approx(oracles.auc(member, other), abs=1e-12)
    logit = np.log(risk.value / (1 - risk.value))
    half = 1.959964 * np.sqrt(oracles.delong_variance(member, other)) / (risk.value * (1 - risk.value))
    assert risk.low == pytest.approx(1 / (1 + np.exp(half - logit)), abs=1e-6)
    assert risk.high == pytest.approx(1 / (1 + np.exp(-half - logit)), abs=1e-6)


@pytest.mark.parametrize("fpr", [0.04, 0.1, 0.5])
@pytest.mark.parametrize("levels", [2, 4, 20, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_tpr_equals_the_oracle_and_a_tie_never_straddles_the_threshold(fpr, levels, seed):
    rng = np.random.default_rng(seed)
    member, other = rng.integers(0, levels, 30).astype(float), rng.integers(0, levels, 50).astype(float)
    assert tpr_at_fpr(scores_of(member, other), fpr=fpr).value == pytest.approx(
        oracles.tpr_at_fpr(member, other, fpr), abs=1e-12
    )


def test_tpr_of_normal_scores_approaches_the_closed_form():
    risk = tpr_at_fpr(normal_scores(np.random.default_rng(0), 200_000, 1.0), fpr=0.01)
    assert risk.value == pytest.approx(norm.sf(norm.isf(0.01) - 1), abs=0.003)


def test_tpr_is_not_resolvable_with_too_few_non_members():
    rng = np.random.default_rng(0)
    risk = tpr_at_fpr(scores_of(rng.normal(2, 1, 500), rng.normal(0, 1, 999)), fpr=0.001)
    assert (risk.value, risk.low, risk.high) == (None, 0.0, 1.0)
    assert risk.note == "needs 1000 non-members, found 999"
    assert tpr_at_fpr(scores_of(rng.normal(2, 1, 500), rng.normal(0, 1, 1000)), fpr=0.001).value is not None


def test_auc_of_perfect_separation_is_not_called_certain():
    risk = auc(scores_of(np.full(30, 1.0), np.zeros(40)))
    assert risk.value == 1.0
    assert risk.low == pytest.approx(0.025 ** (1 / 30))


def test_constant_scores_are_chance_in_every_figure():
    scores = scores_of(np.zeros(50), np.zeros(60))
    assert auc(scores).value == 0.5
    assert tpr_at_fpr(scores, fpr=0.1).value == 0.0
    assert advantage(scores).value == 0.0
    assert power(scores).value == error(scores).value


def test_power_less_error_is_the_advantage():
    scores = normal_scores(np.random.default_rng(1), 400, 1.0)
    called = decisions(scores)
    gained = advantage(scores).value
    assert power(scores).value == float(called[scores.truth].double().mean())
    assert error(scores).value == float(called[~scores.truth].double().mean())
    assert gained == pytest.approx(power(scores).value - error(scores).value)
    assert balanced_accuracy(scores).value == pytest.approx((1 + gained) / 2)


def test_the_threshold_is_not_tuned_on_the_records_that_it_judges():
    """Scores without meaning: tuned on the same records, the advantage would be positive on average."""
    found = [advantage(normal_scores(np.random.default_rng(seed), 25, 0.0)).value for seed in range(400)]
    assert np.mean(found) == pytest.approx(0.0, abs=3 * np.std(found) / 20)


def test_of_one_member_and_one_other_nobody_is_called_a_member():
    """A class may have as few: there is no other half that a threshold could be learned from."""
    scores = Scores(torch.tensor([1.0, 0.0]), torch.tensor([True, False]))
    assert not decisions(scores).any()
    assert balanced_accuracy(scores).value == 0.5


TRUTHS = {
    auc: lambda d, s: norm.cdf(d / np.sqrt(1 + s**2)),
    partial(tpr_at_fpr, fpr=0.1): lambda d, s: norm.sf((norm.isf(0.1) - d) / s),
    partial(tpr_at_fpr, fpr=0.01): lambda d, s: norm.sf((norm.isf(0.01) - d) / s),
}


@pytest.mark.parametrize(("shift", "spread"), [(0.0, 1.0), (1.0, 1.0), (0.5, 2.0)])
@pytest.mark.parametrize("measure", TRUTHS, ids=["AUC", "TPR@10%FPR", "TPR@1%FPR"])
@pytest.mark.usefixtures("unchecked")
def test_intervals_hold_the_truth_as_often_as_they_say(measure, shift, spread):
    """Over 1,000 data sets; three standard errors are two per cent. `benchmarks/coverage.py` has the long run."""
    truth = TRUTHS[measure](shift, spread)
    risks = [measure(normal_scores(np.random.default_rng(s), 1000, shift, spread)) for s in range(1000)]
    held = np.mean([risk.low <= truth <= risk.high for risk in risks])
    assert 0.93 <= held <= 0.985


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_interval_of_the_advantage_holds_what_its_thresholds_reach(shift):
    held = []
    for seed in range(1000):
        scores = normal_scores(np.random.default_rng(seed), 300, shift)
        called = decisions(scores).numpy()
        halves = np.concatenate([np.arange(300) % 2, np.arange(300) % 2])
        cut = [scores.score.numpy()[called & (halves == k)].min(initial=np.inf) for k in (0, 1)]
        truth = np.mean([norm.sf(c - shift) - norm.sf(c) for c in cut])
        risk = advantage(scores)
        held.append(risk.low <= truth <= risk.high)
    assert 0.93 <= np.mean(held) <= 0.985


@pytest.mark.parametrize("fpr", [0.0, 1.0, -0.1])
def test_a_rate_outside_its_range_is_named(fpr):
    with pytest.raises(InputError, match=r"`fpr` must lie between 0 and 1, found"):
        tpr_at_fpr(normal_scores(np.random.default_rng(0), 50, 0.0), fpr=fpr)


def test_scores_must_be_finite_and_of_both_kinds():
    with pytest.raises(InputError, match="finite, found nan at trial 1"):
        Scores(torch.tensor([0.0, float("nan")]), torch.tensor([True, False]))
    with pytest.raises(InputError, match="found 2 members in 2"):
        Scores(torch.zeros(2), torch.tensor([True, True]))
