"""Figures of guesses among several values: against slow oracles, and with intervals that hold."""

from statistics import NormalDist

import numpy as np
import pytest
import torch

from ml_privacy_meter.risk import auc
from ml_privacy_meter.risk.guesses import area, area_excess, area_leak, fewer, leak, surest, surest_leak
from ml_privacy_meter.risk.rates import auc_excess, excess, excess_of_members
from ml_privacy_meter.types import Scores


def _guesses(seed, records=300, values=3, strength=1.0):
    """Noisy odds of each value, and which is right."""
    rng = torch.Generator().manual_seed(seed)
    truth = torch.randint(values, (records,), generator=rng)
    right = torch.nn.functional.one_hot(truth, values).bool()
    return torch.randn(records, values, generator=rng).double() + strength * right, right


def test_the_area_is_the_mean_of_each_value_against_the_rest():
    from sklearn.metrics import roc_auc_score

    odds, right = _guesses(0)
    each = [roc_auc_score(right[:, value].numpy(), odds[:, value].numpy()) for value in range(3)]
    assert area(odds, right, baseline=0.5).value == pytest.approx(np.mean(each))


def test_of_two_values_it_is_the_usual_auc_with_its_interval_and_its_excess():
    odds, right = _guesses(1, values=2)
    odds = torch.stack([-odds[:, 1], odds[:, 1]], 1)
    other = torch.stack([-_guesses(2, values=2)[0][:, 1], _guesses(2, values=2)[0][:, 1]], 1) + 0.5 * odds
    one, same = area(odds, right, baseline=0.5), auc(Scores(odds[:, 1], right[:, 1]))
    assert [one.value, one.low, one.high] == pytest.approx([same.value, same.low, same.high], abs=1e-3)
    difference = area_excess(odds, other, right)
    usual = auc_excess(Scores(odds[:, 1], right[:, 1]), Scores(other[:, 1], right[:, 1]))
    assert [difference.value, difference.low] == pytest.approx([usual.value, usual.low], abs=2e-3)


def test_values_that_few_records_hold_are_left_out_and_where_none_is_left_nothing_is_said():
    odds, right = _guesses(3)
    rare = torch.zeros(300, 1, dtype=torch.bool)
    with_rare = area(torch.cat([odds, odds[:, :1]], 1), torch.cat([right, rare], 1), baseline=0.5)
    assert with_rare.value == area(odds, right, baseline=0.5).value
    none = area(odds[:30], right[:30], baseline=0.5)
    assert none.value is None
    assert area_excess(odds[:30], odds[:30], right[:30]).value is None
    assert area_leak(odds[:60], odds[:60], right[:60], torch.arange(60) < 30).value is None


def test_intervals_of_the_area_and_its_excess_hold_the_true_value(unchecked):
    from sklearn.metrics import roc_auc_score

    big, truth = _guesses(9, records=60_000)
    mean = np.mean([roc_auc_score(truth[:, v].numpy(), big[:, v].numpy()) for v in range(3)])
    worse = NormalDist().cdf(0.5) - mean  # of guesses with as much noise again
    held, held_excess = 0, 0
    for seed in range(200):
        odds, right = _guesses(1000 + seed, records=150)
        found = area(odds, right, baseline=0.5)
        held += found.low <= mean <= found.high
        other = odds + torch.randn(odds.shape, generator=torch.Generator().manual_seed(seed))
        less = area_excess(other, odds, right)
        held_excess += less.low <= worse <= less.high
    assert 180 <= held <= 199
    assert 180 <= held_excess <= 199


def test_the_surest_are_those_of_the_highest_sureness_and_ties_share_their_places():
    hits = torch.tensor([True, True, False, False, True, False, False, False, False, False])
    sure = torch.tensor([9.0, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    found = surest(hits, sure, share=0.2, baseline=0.5, name="surest")
    assert (found.value, found.trials, found.baseline) == (1.0, 2, 0.5)
    assert surest(hits, sure, share=0.21, baseline=0.5, name="surest").trials == 3
    tied = surest(hits, torch.zeros(10), share=0.2, baseline=0.5, name="surest")
    assert tied.value == pytest.approx(0.3)


def _four(rng, with_members, without_members, with_others, without_others, n=400):
    """Right guesses of members and others, at these rates."""
    member = torch.arange(2 * n) < n
    rates = [(with_members, without_members), (with_others, without_others)]
    hits = [torch.cat([torch.from_numpy(rng.random(n) < pair[k]) for pair in rates]) for k in (0, 1)]
    return hits[0], hits[1], member


def test_a_leak_is_the_smaller_of_what_is_gained_and_what_is_gained_beyond_non_members():
    hits, without, member = _four(np.random.default_rng(0), 0.8, 0.6, 0.62, 0.6)
    found, own = leak(hits, without, member), excess(hits[member], without[member])
    beyond = excess_of_members(hits, without, member)
    assert found.value == min(own.value, beyond.value)
    assert (found.low, found.high) == (min(own.low, beyond.low), min(own.high, beyond.high))
    assert found.low > 0


def test_guesses_below_those_without_the_model_are_no_leak_however_bad_they_are_on_non_members():
    hits, without, member = _four(np.random.default_rng(0), 0.7, 0.8, 0.3, 0.8)
    assert excess_of_members(hits, without, member).low > 0
    assert leak(hits, without, member).high < 0


@pytest.mark.parametrize("rates", [(0.7, 0.7, 0.7, 0.7), (0.8, 0.7, 0.8, 0.7), (0.7, 0.7, 0.4, 0.7)])
def test_without_a_leak_none_is_shown_more_often_than_the_confidence_allows(rates, unchecked):
    rng = np.random.default_rng(1)
    shown = sum(leak(*_four(rng, *rates)).low > 0 for _ in range(400))
    assert shown <= 20  # 10 are expected at most


def test_the_surest_leak_judges_each_adversary_by_its_own_surest_guesses():
    rng = np.random.default_rng(2)
    hits, without, member = _four(rng, 0.6, 0.6, 0.6, 0.6, n=1000)
    sure = torch.from_numpy(rng.random(2000))
    hits = hits | (member & (sure > 0.9))
    found = surest_leak((hits, without), (sure, -sure), member, share=0.1)
    assert found.low > 0
    own = [
        surest(of[member], by[member], share=0.1, baseline=0, name="") for of, by in ((hits, sure), (without, -sure))
    ]
    others = [
        surest(of[~member], by[~member], share=0.1, baseline=0, name="") for of, by in ((hits, sure), (without, -sure))
    ]
    gained, elsewhere = own[0].value - own[1].value, others[0].value - others[1].value
    assert found.value == pytest.approx(min(gained, gained - elsewhere))
    assert surest_leak((without, without), (sure, sure), member, share=0.1).low < 0


def test_the_area_leak_needs_both():
    odds, right = _guesses(4, records=600)
    member = torch.arange(600) < 300
    better = odds + 2.0 * right * member[:, None]
    assert area_leak(better, odds, right, member).low > 0
    assert area_leak(odds + 2.0 * right, odds, right, member).low < 0  # as much of non-members
    assert area_leak(odds, better, right, member).high < 0


def test_a_mean_error_has_the_interval_of_a_mean():
    errors = torch.arange(101).double()
    found = fewer(errors, errors + 1, name="mean absolute error")
    assert (found.value, found.baseline) == (50.0, 51.0)
    assert found.high - 50 == pytest.approx(1.96 * float(errors.std()) / 101**0.5, rel=1e-3)
