"""Whether one model stands apart from others."""

import pytest
import torch

from ml_privacy_meter import InputError
from ml_privacy_meter.risk.apart import apart, reach


@pytest.mark.parametrize("count", [8, 16, 64])
def test_one_of_the_same_kind_stands_apart_as_rarely_as_it_should(count):
    numbers = torch.randn(2_000, count + 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    above = sum(apart(row).low > 0 for row in numbers) / 2_000
    assert above == pytest.approx(0.05, abs=0.015)


def test_a_distance_is_in_deviations_of_the_others_and_to_either_side():
    others = torch.tensor([-1.0, 1.0] * 8, dtype=torch.float64)
    far = apart(torch.cat([torch.tensor([9.0]), others]))
    assert far.value == pytest.approx(9 / others.std())
    assert far.low == pytest.approx((9 - reach(others)) / float(others.std()))
    assert apart(torch.cat([torch.tensor([-9.0]), others])).value == pytest.approx(far.value)


def test_numbers_that_cannot_be_compared_are_no_accusation():
    assert apart(torch.cat([torch.ones(1), torch.zeros(9)])).value is None
    with pytest.raises(InputError, match="8 other models"):
        apart(torch.arange(8.0))
    with pytest.raises(InputError, match="finite"):
        apart(torch.tensor([torch.nan, *range(9)]))
