import numpy as np
import pytest
import torch

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.risk.intervals import clopper_pearson
from ml_privacy_meter.risk.rates import auc_excess, excess, excess_of_chance, excess_of_members, mean_error, success
from ml_privacy_meter.types import Scores


def guesses(rng: np.random.Generator, trials: int, right: float, more: float, luck: float) -> tuple[torch.Tensor, ...]:
    """Whether guesses with the model and without it are right: alike but where the model helps, or where luck does."""
    without = rng.random(trials) < right
    hits = without | (rng.random(trials) < more / (1 - right))
    swapped = rng.random(trials) < luck
    hits = np.where(swapped, rng.random(trials) < right + more, hits)
    return torch.from_numpy(hits), torch.from_numpy(without)


def test_success_is_the_share_of_right_guesses_with_its_exact_interval():
    risk = success(torch.tensor([True] * 7 + [False] * 3), baseline=0.5)
    assert (risk.value, risk.baseline, risk.trials) == (0.7, 0.5, 10)
    assert (risk.low, risk.high) == pytest.approx(clopper_pearson(7, 10))


def test_a_tied_guess_counts_in_part():
    assert success(torch.tensor([0.5, 0.5, 1.0, 0.0]), baseline=0.5).value == 0.5


@pytest.mark.parametrize("trials", [30, 100, 1000])
@pytest.mark.parametrize("right", [0.3, 0.8])
def test_the_interval_of_an_excess_holds_the_true_one(trials, right):
    rng, runs = np.random.default_rng(0), 1000
    held = 0
    for _ in range(runs):
        risk = excess(*guesses(rng, trials, right, 0.1, 0.3))
        held += risk.low <= 0.1 <= risk.high
    assert held / runs >= 0.925  # 0.936 to 0.960 with 3,000 runs


@pytest.mark.parametrize("trials", [50, 300])
def test_the_interval_holds_the_true_excess_where_one_side_is_surer_than_the_other(trials):
    """As a target's probabilities beside the mean of those of many models."""
    rng, runs, held = np.random.default_rng(0), 500, 0
    for _ in range(runs):
        z = rng.normal(0, 1, trials)
        hits = torch.from_numpy(1 / (1 + np.exp(-6 * (z + 0.2 * rng.normal(size=trials)))))
        risk = excess(hits, torch.from_numpy(1 / (1 + np.exp(-0.7 * z))))
        held += risk.low <= 0 <= risk.high
    assert held / runs >= 0.93  # 0.86 where a part counts as a hit


def test_an_excess_of_pairs_is_narrower_than_of_shuffled_guesses():
    rng = np.random.default_rng(0)
    hits, without = guesses(rng, 500, 0.7, 0.05, 0.1)
    paired, torn = excess(hits, without), excess(hits, without[torch.randperm(500)])
    assert paired.high - paired.low < 0.7 * (torn.high - torn.low)


@pytest.mark.parametrize("members", [40, 200])
def test_the_interval_of_what_members_add_holds_the_true_one(members):
    rng, runs, held = np.random.default_rng(1), 1000, 0
    side = torch.arange(2 * members) < members
    for _ in range(runs):
        inside, outside = guesses(rng, members, 0.7, 0.15, 0.3), guesses(rng, members, 0.7, 0.05, 0.3)
        hits, without = (torch.cat(pair) for pair in zip(inside, outside, strict=True))
        risk = excess_of_members(hits, without, side)
        held += risk.low <= 0.1 <= risk.high
    assert held / runs >= 0.925  # 0.936 to 0.960 with 3,000 runs


def test_an_excess_of_chance_is_the_success_less_what_is_known_without_a_trial():
    hits = torch.tensor([True] * 40 + [False] * 10)
    risk, whole = excess_of_chance(hits, 0.25, of=4, confidence=0.9), success(hits, baseline=0.25, confidence=0.9)
    assert (risk.value, risk.low, risk.high) == pytest.approx((0.55, whole.low - 0.25, whole.high - 0.25))
    assert risk.baseline == 0
    assert risk.surely == pytest.approx(success(hits, baseline=0.25, confidence=0.975).low - 0.25)
    alone = excess_of_chance(hits, 0.25)
    assert alone.surely == alone.low


@pytest.mark.parametrize("spread", ["hits", "even", "narrow"])
def test_the_interval_of_a_mean_error_holds_the_true_one(spread):
    rng, runs, held = np.random.default_rng(2), 500, 0
    draw = {"hits": lambda: 0.3 * (rng.random(60) < 0.4), "even": lambda: 0.24 * rng.random(60)}
    draw["narrow"] = lambda: 0.12 + 0.01 * rng.normal(size=60)
    for _ in range(runs):
        risk = mean_error(torch.from_numpy(draw[spread]()), most=0.3, baseline=0.15)
        held += risk.low <= 0.12 <= risk.high
    assert held / runs >= 0.93  # exact where errors are all or nothing, wider than it needs to be elsewhere


def test_no_errors_at_all_leave_an_interval():
    risk = mean_error(torch.zeros(60), most=0.3, baseline=0.15)
    assert risk.value == risk.low == 0
    assert 0.01 < risk.high < 0.03
    assert mean_error(torch.full((3,), 0.2 + 0.1, dtype=torch.float64), most=0.3, baseline=0.1).value == pytest.approx(
        0.3
    )
    with pytest.raises(InputError, match="shares in"):
        mean_error(torch.full((3,), 0.4), most=0.3, baseline=0.1)


def test_what_a_model_tells_of_everybody_is_no_excess_of_members():
    hits, without = torch.tensor([True] * 100), torch.tensor([True, False] * 50)
    side = torch.arange(100) < 50
    assert excess(hits, without).low > 0.3
    risk = excess_of_members(hits, without, side)
    assert risk.low < 0 < risk.high


def test_an_auc_excess_is_that_of_the_same_trials():
    rng = np.random.default_rng(0)
    truth = torch.arange(400) < 200
    plain = torch.from_numpy(rng.normal(size=400)) + truth
    better = plain + truth
    risk = auc_excess(Scores(better, truth), Scores(plain, truth))
    assert risk.low > 0.05
    assert risk.value == pytest.approx(0.16, abs=0.05)
    same = auc_excess(Scores(plain, truth), Scores(plain, truth))
    assert same.value == 0
    assert same.low <= 0 <= same.high


def test_an_auc_excess_of_too_few_trials_says_so():
    few = Scores(torch.arange(4.0), torch.tensor([True, False, True, False]))
    risk = auc_excess(few, few)
    assert risk.value is None
    assert "needs" in risk.note


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        (lambda: success(torch.zeros(0), baseline=0.5), "one a trial"),
        (lambda: success(torch.tensor([2.0]), baseline=0.5), r"\[0, 1\]"),
        (lambda: excess_of_members(torch.ones(3), torch.ones(3), torch.ones(3, dtype=torch.bool)), "found 3 members"),
    ],
)
def test_hits_that_cannot_be_counted_are_refused(taken, words):
    with pytest.raises(InputError, match=words):
        taken()


def test_what_members_add_is_known_no_better_than_its_smaller_side():
    rng, side = np.random.default_rng(0), torch.arange(430) < 400
    inside, outside = guesses(rng, 400, 0.7, 0.15, 0.3), guesses(rng, 30, 0.7, 0.05, 0.3)
    hits, without = (torch.cat(pair) for pair in zip(inside, outside, strict=True))
    few, both = excess(*outside), excess_of_members(hits, without, side)
    assert both.value == pytest.approx(excess(*inside).value - few.value)
    assert both.high - both.low > few.high - few.low
