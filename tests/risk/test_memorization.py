"""Memorization of single records."""

import numpy as np
import pytest
import torch

from ml_privacy_meter.risk import memorization


def drawn(rng: np.random.Generator, records: int, models: int, into: float, out: float) -> tuple[torch.Tensor, ...]:
    inside = np.stack([rng.permutation(models) < models // 2 for _ in range(records)])
    right = rng.random(inside.shape) < np.where(inside, into, out)
    return torch.from_numpy(right).double(), torch.from_numpy(inside)


def test_it_is_the_difference_of_the_shares_that_are_right():
    inside = torch.tensor([[True, True, False, False, False, True]])
    right = torch.tensor([[1.0, 1.0, 0.0, 1.0, 0.0, 0.0]])
    value, error = memorization(right, inside)
    assert float(value) == pytest.approx(2 / 3 - 1 / 3)
    assert float(error) == pytest.approx((2 * (3 / 5) * (2 / 5) / 3) ** 0.5)


def test_agreement_of_few_models_is_not_certainty():
    """The plain standard error would be 0; with more models that agree, it falls."""
    errors = []
    for models in (2, 8, 64):
        inside = torch.arange(models)[None] % 2 == 0
        value, error = memorization(inside.double(), inside)
        assert float(value) == 1.0
        errors.append(float(error))
    assert errors[0] > 0.5
    assert errors == sorted(errors, reverse=True)
    assert 0 < errors[-1] < 0.1


@pytest.mark.parametrize(("into", "out"), [(0.5, 0.5), (0.95, 0.3), (0.99, 0.98)])
@pytest.mark.parametrize("models", [8, 32])
def test_two_standard_errors_hold_the_truth(models, into, out):
    right, inside = drawn(np.random.default_rng(0), 4000, models, into, out)
    value, error = memorization(right, inside)
    assert float(value.mean()) == pytest.approx(into - out, abs=0.02)
    held = float(((value - (into - out)).abs() <= 1.96 * error).double().mean())
    assert held > 0.92


def test_a_record_that_all_or_no_models_trained_on_has_none():
    inside = torch.tensor([[True, True], [False, False], [True, False]])
    value, error = memorization(torch.ones(3, 2), inside)
    assert value.isnan().tolist() == error.isnan().tolist() == [True, True, False]


def test_blocks_make_no_difference():
    right, inside = drawn(np.random.default_rng(1), 5000, 6, 0.9, 0.4)
    value, error = memorization(right, inside)
    last, spread = memorization(right[-10:], inside[-10:])
    assert torch.equal(value[-10:], last)
    assert torch.equal(error[-10:], spread)
