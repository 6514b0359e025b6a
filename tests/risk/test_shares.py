"""Shares beside luck, and correlations."""

import numpy as np
import pytest
import torch

from ml_privacy_meter import InputError
from ml_privacy_meter.risk.shares import above_luck, alike


def test_a_share_stands_beside_the_mean_of_luck():
    hits = torch.arange(100) < 30
    risk = above_luck(hits, torch.linspace(0.05, 0.15, 100))
    assert risk.value == pytest.approx(0.2)
    assert 0.05 < risk.low < 0.2 < risk.high < 0.35
    assert risk.baseline == 0


def test_luck_that_hits_many_at_once_widens_the_interval():
    hits = torch.arange(100) < 30
    assert above_luck(hits, torch.tensor([0.0, 0.6] * 20)).low < -0.2


def test_luck_shows_nothing_more_often_than_it_should():
    rng, above = torch.Generator().manual_seed(0), 0
    for _ in range(200):
        draws = torch.rand(101, 200, generator=rng) < 0.1 + 0.2 * torch.rand(101, 1, generator=rng)  # fates are shared
        above += above_luck(draws[0], draws[1:].double().mean(1)).low > 0
    assert above <= 10


def test_few_draws_of_luck_are_refused():
    with pytest.raises(InputError, match="20 draws"):
        above_luck(torch.ones(3, dtype=torch.bool), torch.zeros(3))


def test_correlations_hold_the_truth():
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        pair = torch.from_numpy(rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 50).T)
        found = alike(*pair, name="r")
        held += found.low <= 0.6 <= found.high
    assert held >= 182


def test_ranks_see_no_scale():
    one = torch.arange(20.0)
    assert alike(one, one.exp(), name="r", ranks=True).value == pytest.approx(1)
    assert alike(one, one.exp(), name="r").value < 0.9
    assert alike(one, torch.ones(20), name="r").value is None
