"""Whether one model stands apart from others."""

import pytest
import torch

from ml_privacy_meter import InputError
from ml_privacy_meter.risk.apart import apart, rate


def drawn(cases: int, numbers: int, models: int, seed: int = 0) -> torch.Tensor:
    """Some of them with long tails, or to one side."""
    z = torch.randn(cases, numbers, models, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    z[:, 0] = z[:, 0].exp()
    z[:, 1] = z[:, 1] ** 3
    return z


@pytest.mark.parametrize("others", [8, 19, 40])
def test_one_of_the_same_kind_stands_apart_as_rarely_as_is_said(others):
    found = [apart(list(case)) for case in drawn(600, 3, others + 1)]
    together = sum(any(risk.surely > 0 for risk in risks) for risks in found) / 600
    for number in range(3):
        alone = sum(risks[number].low > 0 for risks in found) / 600
        assert alone == pytest.approx(rate(others), abs=0.03)
    assert together == pytest.approx(rate(others), abs=0.03)
    assert all(risk.surely <= risk.low for risks in found for risk in risks)


def test_a_rate_is_never_less_than_one_in_all():
    assert rate(8) == pytest.approx(1 / 9)
    assert rate(19) == pytest.approx(1 / 20)
    assert rate(40) == pytest.approx(2 / 41)
    assert rate(19, 0.99) == pytest.approx(1 / 20)


def test_a_distance_is_in_deviations_of_the_others_and_to_either_side():
    others = torch.tensor([-1.0, 1.0] * 8, dtype=torch.float64)
    (far,) = apart([torch.cat([torch.tensor([9.0]), others])])
    assert far.value == pytest.approx(9 / float(others.std()))
    assert far.low > 0
    (low,) = apart([torch.cat([torch.tensor([-9.0]), others])])
    assert (low.value, low.low) == pytest.approx((far.value, far.low))


def test_numbers_that_cannot_be_compared_are_no_accusation():
    (same,) = apart([torch.cat([torch.ones(1), torch.zeros(9)])])
    assert same.value is None
    with pytest.raises(InputError, match="8 other models"):
        apart([torch.arange(8.0)])
    with pytest.raises(InputError, match="finite"):
        apart([torch.tensor([torch.nan, *range(9)])])
