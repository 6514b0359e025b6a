"""Influence of training records on the answers about others."""

from importlib import import_module

import pytest
import torch

from ml_privacy_meter.risk import influence, memorization
from ml_privacy_meter.risk.influence import shuffled


def drawn(seed: int, trained: int = 40, asked: int = 30, models: int = 64) -> tuple[torch.Tensor, ...]:
    rng = torch.Generator().manual_seed(seed)
    inside = torch.stack([torch.randperm(models, generator=rng) < models // 2 for _ in range(trained)])
    return (torch.rand(asked, models, generator=rng) < 0.5).double(), inside


def slow(right, inside, asked_inside) -> tuple[torch.Tensor, torch.Tensor]:
    """Every pair by itself: `memorization` of the models without j."""
    pairs = torch.full((len(inside), len(right), 2), torch.nan, dtype=torch.float64)
    for i, here in enumerate(inside):
        for j, answer in enumerate(right):
            of = ~asked_inside[j]
            pairs[i, j] = torch.stack([found[0] for found in memorization(answer[None, of], here[None, of])])
    return pairs.unbind(-1)


@pytest.mark.parametrize("share", [False, True])
def test_it_is_memorization_of_another_record(share):
    right, inside = drawn(0)
    right = right * 0.9 if share else right
    asked_inside = drawn(1, trained=30)[1]
    value, error = slow(right, inside, asked_inside)
    found = influence(right, inside, asked_inside=asked_inside)
    most, where = (value / error).max(1)
    assert torch.equal(found.asked, where)
    assert torch.allclose(found.sureness, most, rtol=1e-4)
    assert torch.allclose(found.value, value.gather(1, where[:, None])[:, 0], atol=1e-6)


def test_a_record_that_hangs_on_another_is_found_beyond_luck():
    right, inside = drawn(2)
    right[7] = inside[3].double()
    found = influence(right, inside)
    luck = shuffled(right, inside, times=39)
    assert int(found.asked[3]) == 7
    assert float(found.value[3]) == 1.0
    assert (found.sureness > luck.max()).nonzero().tolist() == [[3]]


def test_luck_alone_lies_above_all_swaps_as_rarely_as_it_should():
    """One in ten of these, and not one pair in a thousand of each."""
    above = 0
    for seed in range(60):
        right, inside = drawn(seed, trained=20, asked=20, models=32)
        luck = shuffled(right, inside, times=9, seed=seed)
        above += bool((influence(right, inside).sureness > luck.max()).any())
    assert above <= 14  # 6 of 60 are expected; more than 14 in one of 1,000 cases


def test_blocks_make_no_difference(monkeypatch):
    right, inside = drawn(3)
    whole = influence(right, inside)
    monkeypatch.setattr(import_module("ml_privacy_meter.risk.influence"), "BLOCK", 7)
    parts = influence(right, inside)
    for name in ("asked", "value", "error"):
        assert torch.equal(getattr(whole, name), getattr(parts, name))


def test_permuted_records_give_permuted_pairs():
    right, inside = drawn(4)
    order, found = torch.randperm(len(inside)), influence(right, inside)
    moved = influence(right, inside[order])
    assert torch.equal(moved.asked, found.asked[order])
    assert torch.equal(moved.value, found.value[order])


def test_a_record_has_no_influence_on_itself_and_none_where_models_of_a_kind_are_missing():
    right, inside = drawn(5, asked=1)
    own = influence(right, right.bool(), asked_inside=right.bool())
    assert own.asked.tolist() == [-1]
    assert own.value.isnan().all()
    everywhere = influence(right, torch.ones_like(inside))
    assert (everywhere.asked == -1).all()
