"""Whether probabilities mean what they say."""

import numpy as np
import pytest
import torch

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.risk import reliability
from ml_privacy_meter.risk.calibration import expected_calibration_error
from ml_privacy_meter.risk.intervals import clopper_pearson


def drawn(rng: np.random.Generator, n: int, *, prior: float = 0.5) -> tuple[torch.Tensor, torch.Tensor]:
    """Right probabilities under even odds: members have density 2p, non-members 2(1 - p)."""
    member = rng.random(n) < prior
    p = np.sqrt(rng.random(n))
    return torch.from_numpy(np.where(member, p, 1 - p)), torch.from_numpy(member)


def test_bins_count_and_average_what_falls_into_them():
    p = torch.tensor([0.1, 0.3, 0.4, 0.6, 0.8, 1.0], dtype=torch.float64)
    truth = torch.tensor([False, True, False, True, False, True])
    low, high = reliability(p, truth, bins=2).bins
    assert (low.lowest, low.highest, high.lowest, high.highest) == (0.0, 0.5, 0.5, 1.0)
    assert (low.members, low.non_members, high.members, high.non_members) == (1, 2, 2, 1)
    assert (low.probability, high.probability) == (pytest.approx(0.8 / 3), pytest.approx(0.8))
    assert (low.share, high.share) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert (low.low, low.high) == pytest.approx(clopper_pearson(1, 3))


def test_the_error_is_the_mean_distance_from_the_diagonal():
    p = torch.tensor([0.1, 0.3, 0.4, 0.6, 0.8, 1.0], dtype=torch.float64)
    truth = torch.tensor([False, True, False, True, False, True])
    expected = (abs(1 / 3 - 0.8 / 3) + abs(2 / 3 - 0.8)) / 2
    found = reliability(p, truth, bins=2)
    assert found.error == pytest.approx(expected)
    assert expected_calibration_error(found.bins) == (found.error, found.luck)


@pytest.mark.parametrize("prior", [0.5, 0.2])
def test_luck_is_what_right_probabilities_show(prior):
    rng = np.random.default_rng(0)
    found = [reliability(*drawn(rng, 2000, prior=prior)) for _ in range(60)]
    assert np.mean([one.error for one in found]) == pytest.approx(np.mean([one.luck for one in found]), rel=0.15)


@pytest.mark.parametrize("prior", [0.5, 0.2])
def test_intervals_hold_the_right_probabilities(prior):
    rng, held, bins = np.random.default_rng(1), 0, 0
    for _ in range(50):
        for one in reliability(*drawn(rng, 1000, prior=prior)).bins:
            bins += 1
            held += one.low <= one.probability <= one.high
    assert held / bins > 0.94


def test_overconfident_probabilities_lie_off_the_diagonal():
    p, truth = drawn(np.random.default_rng(2), 20_000)
    odds = (p / (1 - p)) ** 3
    found = reliability(odds / (1 + odds), truth)
    assert found.error > 0.1 > 10 * found.luck


def test_unequal_sets_count_one_half_each():
    """Scores without meaning: one half is right whatever the sizes."""
    truth = torch.arange(10_000) % 10 == 0
    found = reliability(torch.full((10_000,), 0.5, dtype=torch.float64), truth)
    (one,) = found.bins
    assert one.share == pytest.approx(0.5)
    assert found.error == pytest.approx(0.0, abs=1e-12)


def test_two_records_make_a_plot():
    found = reliability(torch.tensor([0.0, 1.0]), torch.tensor([False, True]))
    assert [one.share for one in found.bins] == [0.0, 1.0]
    assert (found.error, found.luck) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("p", "bins", "said"), [([0.2, 1.2], 10, "in \\[0, 1\\]"), ([0.2, 0.3], 0, "a bin"), ([0.2, np.nan], 10, "finite")]
)
def test_what_is_no_probability_is_refused(p, bins, said):
    with pytest.raises(InputError, match=said):
        reliability(torch.tensor(p, dtype=torch.float64), torch.tensor([True, False]), bins=bins)


def test_the_error_is_that_of_probabilities_learned_apart_where_there_are_such():
    p, truth = drawn(np.random.default_rng(3), 500)
    other, _ = drawn(np.random.default_rng(4), 500)
    shown, judged = reliability(p, truth), reliability(other, truth)
    both = reliability(p, truth, judged=other)
    assert both.bins == shown.bins
    assert (both.error, both.luck) == (judged.error, judged.luck) != (shown.error, shown.luck)
