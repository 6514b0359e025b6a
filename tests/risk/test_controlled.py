"""The risk that is left when what holds of others is taken off."""

import numpy as np
import pytest
import torch

from ml_privacy_meter import InputError
from ml_privacy_meter.risk.controlled import controlled, ratio
from ml_privacy_meter.risk.intervals import difference, wilson


def hits(count: int, of: int) -> torch.Tensor:
    return torch.arange(of) < count


def test_is_the_share_of_what_is_left_to_gain():
    assert controlled(hits(869, 1000), hits(257, 1000)).value == pytest.approx((0.869 - 0.257) / (1 - 0.257))
    assert controlled(hits(10, 50), hits(20, 100)).value == pytest.approx(0)
    assert controlled(hits(50, 50), hits(20, 100)).value == 1
    assert controlled(hits(0, 50), hits(90, 100)).value == -1  # -9 counts as -1


def test_the_interval_of_a_ratio_holds_those_at_which_the_difference_may_be_nothing():
    for first, second, correlation in ((30, 70, 0.0), (131, 743, 0.4), (5, 60, 0.2)):
        shares = first / 1000, second / 1000
        ends = wilson(first, 1000), wilson(second, 1000)

        def end(at: float, side: int, shares=shares, ends=ends, correlation=correlation) -> float:
            other = (at * ends[1][0], at * ends[1][1])
            return difference(ends[0], other, (shares[0], at * shares[1]), correlation=correlation)[side]

        low, high = ratio(*ends, shares, correlation=correlation)
        assert end(low, 0) == pytest.approx(0, abs=1e-9)
        assert end(high, 1) == pytest.approx(0, abs=1e-9)
        assert low < shares[0] / shares[1] < high


@pytest.mark.parametrize(
    ("count", "members", "others", "both"), [(100, 0.5, 0.3, None), (300, 0.87, 0.26, None), (300, 0.3, 0.2, 0.15)]
)
@pytest.mark.usefixtures("unchecked")
def test_the_interval_holds_the_true_risk_about_as_often_as_it_says(count, members, others, both):
    rng, true, held = np.random.default_rng(0), (members - others) / (1 - others), 0
    joint = members * others if both is None else both
    for _ in range(600):
        kind = rng.choice(4, count, p=[joint, members - joint, others - joint, 1 - members - others + joint])
        sides = torch.from_numpy(kind <= 1), torch.from_numpy((kind == 0) | (kind == 2))
        found = controlled(*sides, paired=both is not None)
        held += found.low <= true <= found.high
    assert 0.925 <= held / 600 <= 0.985


def test_pairs_that_go_together_narrow_the_interval_and_guesses_that_count_as_one_widen_it():
    one, other = hits(60, 100), hits(40, 100)
    widths = [
        found.high - found.low
        for found in (controlled(one, other, paired=True), controlled(one, other), controlled(one, other, alike=4.0))
    ]
    assert widths[0] < widths[1]
    assert widths[2] == pytest.approx(2 * widths[1], rel=0.2)


def test_nothing_is_told_where_every_guess_on_others_is_right():
    found = controlled(hits(9, 9), hits(5, 5))
    assert found.value is None
    assert "every guess on non-members" in found.note


def test_both_sides_are_needed():
    with pytest.raises(InputError, match="both sides"):
        controlled(hits(0, 0), hits(1, 2))
    with pytest.raises(InputError, match="both sides"):
        controlled(hits(1, 3), hits(1, 2), paired=True)
