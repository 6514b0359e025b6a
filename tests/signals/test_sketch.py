"""Wide signals, projected to fewer numbers."""

import pytest
import torch

from ml_privacy_meter.signals.sketch import activation_sketch, gradient_sketch, projected


def test_lengths_and_angles_stay_on_average():
    rng = torch.Generator().manual_seed(0)
    wide = torch.randn(40, 50_000, generator=rng, dtype=torch.float64)
    wide[1:] += wide[:1]
    small = projected(wide, 2_000)
    assert small.shape == (40, 2_000)
    torch.testing.assert_close(small @ small.T, wide @ wide.T, rtol=0, atol=0.15 * float((wide @ wide.T).max()))


def test_what_is_narrow_stays_as_it_is():
    values = torch.randn(5, 30)
    assert torch.equal(projected(values, 30), values)


def test_a_record_has_the_same_numbers_whoever_stands_beside_it():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(20, 200), torch.nn.ReLU(), torch.nn.Linear(200, 3))
    x, y = torch.randn(9, 20), torch.arange(9) % 3
    for signal in (gradient_sketch, activation_sketch):
        whole = signal(model, x, y, of="0", width=100)
        assert whole.shape == (9, 100)
        torch.testing.assert_close(signal(model, x[4:6], y[4:6], of="0", width=100), whole[4:6], rtol=1e-4, atol=1e-5)


def test_lengths_stay_on_average_also_of_numbers_of_one_sign():
    assert float(projected(torch.ones(1, 5000), 500).square().sum()) == pytest.approx(5000, rel=0.5)
