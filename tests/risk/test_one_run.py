"""Epsilon from counts of right guesses: published values, slow oracles, counts at their ends."""

import numpy as np
import oracles
import pytest

from ml_privacy_meter.risk.gaussian import gaussian_epsilon, gaussian_one_run_mu
from ml_privacy_meter.risk.one_run import one_run_epsilon, one_run_p_value

COUNTS = {  # canaries, guesses, right ones: by epsilon, by a Gaussian mechanism's; delta 1e-5, 95% confidence
    (1000, 1000, 700): (0.732, 1.372),
    (1000, 100, 95): (2.165, 3.323),
    (1000, 100, 100): (3.465, 5.549),
    (1000, 500, 499): (4.636, 8.765),
    (1000, 1000, 1000): (5.782, 12.335),
    (5000, 5000, 5000): (7.284, 14.997),
    (200, 40, 40): (2.548, 4.534),
}


def one_run(canaries: int, guesses: int, correct: int, delta: float = 1e-5) -> float:
    return one_run_epsilon(correct, guesses, canaries, delta=delta, alpha=0.05)


def by_gaussian(canaries: int, guesses: int, correct: int, delta: float = 1e-5) -> float:
    return gaussian_epsilon(gaussian_one_run_mu(correct, guesses, canaries, alpha=0.05), delta)


@pytest.mark.parametrize("counts", COUNTS)
def test_epsilon_of_counts_equals_known_values(counts):
    found = one_run(*counts), by_gaussian(*counts)
    assert found == pytest.approx(COUNTS[counts], abs=6e-4)


@pytest.mark.parametrize("delta", [0, 1e-6, 1e-3, 0.1, 0.9])
@pytest.mark.parametrize("epsilon", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("guesses", [1, 10, 100])
def test_p_values_equal_the_oracle(guesses, epsilon, delta):
    for right in range(guesses, -1, -max(1, guesses // 4)):
        found = one_run_p_value(right, guesses, 500, epsilon, delta)
        assert found == pytest.approx(oracles.one_run_p_value(500, guesses, right, epsilon, delta), rel=1e-9)


@pytest.mark.parametrize("delta", [1e-6, 1e-3])
@pytest.mark.parametrize("counts", [(1000, 1000, 900), (1000, 100, 96), (300, 300, 299)])
def test_the_bound_is_where_the_p_value_reaches_the_significance(counts, delta):
    found = one_run(*counts, delta=delta)
    assert found > 0
    for aside, rejected in ((-1e-4, True), (1e-4, False)):
        assert (oracles.one_run_p_value(*counts, found + aside, delta) <= 0.05) == rejected


def test_delta_that_could_explain_the_guesses_leaves_no_bound():
    """Ten right guesses of ten, where a mechanism may name one canary in a hundred of a thousand."""
    assert one_run(1000, 10, 10, delta=0) == pytest.approx(np.log(0.05**0.1 / (1 - 0.05**0.1)))
    assert one_run(1000, 10, 10, delta=1e-5) > 1
    assert one_run(1000, 10, 10, delta=0.01) == 0


@pytest.mark.parametrize("bound", [one_run, by_gaussian])
def test_more_right_guesses_never_show_less(bound):
    for canaries, guesses in ((1000, 100), (1000, 1000), (50, 50)):
        found = [bound(canaries, guesses, correct) for correct in range(0, guesses + 1, 1 + guesses // 12)]
        assert found == sorted(found)
        assert found[-1] > found[0] == 0


@pytest.mark.parametrize("bound", [one_run, by_gaussian])
def test_nothing_is_shown_by_guesses_that_a_coin_makes(bound):
    assert bound(1000, 1000, 0) == bound(1000, 1000, 500) == bound(1000, 1000, 525) == 0
    assert bound(1000, 1000, 540) > 0


@pytest.mark.parametrize("bound", [one_run, by_gaussian])
def test_one_canary_shows_nothing(bound):
    assert bound(1, 1, 1) == bound(1, 1, 0) == 0


@pytest.mark.parametrize("bound", [one_run, by_gaussian])
def test_very_many_canaries_give_finite_bounds_between_their_neighbours(bound):
    for correct in (600_000, 990_000, 1_000_000):
        found = bound(1_000_000, 1_000_000, correct, delta=1e-9)
        assert 0 < bound(100_000, 100_000, correct // 10, delta=1e-9) <= found < np.inf


def test_more_canaries_beside_the_same_guesses_show_less():
    """Abstentions count: delta may have been spent on any canary."""
    assert one_run(100_000, 100, 100) < one_run(1000, 100, 100)
    assert one_run(100_000, 100, 100, delta=0) == one_run(1000, 100, 100, delta=0)
