"""Each record is inside half of the reference models."""

import re

import numpy as np
import pytest
import torch

from ml_privacy_meter import InputError
from ml_privacy_meter.training.split import balanced, check_inside, seed_of


@pytest.mark.parametrize("records", [2, 7, 100])
@pytest.mark.parametrize("models", [2, 8])
def test_each_record_is_inside_half_of_the_models(records, models):
    inside = balanced(records, models, seed=0)
    assert inside.shape == (records, models)
    assert (inside.sum(1) == models // 2).all()
    assert ((inside.sum(0) - records / 2).abs() <= 0.5).all()


def test_models_come_in_pairs_of_complements():
    inside = balanced(11, 6, seed=3)
    assert torch.equal(inside[:, 0::2], ~inside[:, 1::2])


def test_an_odd_last_model_has_half_of_the_records_and_no_complement():
    inside = balanced(10, 5, seed=3)
    assert inside.shape == (10, 5)
    assert inside[:, 4].sum() == 5


def test_the_first_models_stay_the_same_when_more_are_asked_for():
    assert torch.equal(balanced(50, 16, seed=1)[:, :7], balanced(50, 7, seed=1))


def test_pairs_and_seeds_differ():
    columns = torch.cat([balanced(50, 8, seed=0)[:, ::2], balanced(50, 8, seed=1)[:, ::2]], 1)
    assert len(columns.unique(dim=1).T) == 8


def test_a_split_says_nothing_of_the_order_of_records():
    often = torch.stack([balanced(40, 1, seed=s)[:, 0] for s in range(400)]).double()
    assert (often.mean(0) - 0.5).abs().max() < 0.12  # 4.8 standard errors
    together = (often[:, 0] == often[:, 1]).double().mean()
    assert abs(together - 19 / 39) < 0.12


def test_each_class_is_halved_to_within_one_record_and_pairs_stay_complements():
    labels = np.array(["rare"] * 2 + ["seldom"] * 3 + ["common"] * 96)
    inside = balanced(101, 20, seed=0, strata=labels)
    for label in ("rare", "seldom", "common"):
        here = inside[torch.from_numpy(labels == label)]
        assert ((here.sum(0) - len(here) / 2).abs() <= 0.5).all()
    assert torch.equal(inside[:, 0::2], ~inside[:, 1::2])
    assert ((inside.sum(0) - 50.5).abs() <= 0.5).all()
    assert len(inside[:2, ::2].unique(dim=1).T) == 2  # which of the two rare records it is still changes


def test_no_records_models_or_seeds_below_zero_are_refused():
    for wrong in ((1, 2, 0), (10, 0, 0), (10, 2, -1)):
        with pytest.raises(InputError, match="1 model and a seed of 0"):
            balanced(*wrong)


def test_seeds_of_models_are_plain_and_differ():
    seeds = [seed_of(seed, model) for seed in range(3) for model in range(50)]
    assert len(set(seeds)) == 150
    assert all(type(seed) is int and 0 <= seed < 2**32 for seed in seeds)


@pytest.mark.parametrize("given", [np.eye(4, 3), np.eye(4, 3, dtype=bool), torch.eye(4, 3), np.eye(4, 3).tolist()])
def test_an_own_membership_matrix_becomes_truth_values(given):
    assert torch.equal(check_inside(given, records=4, models=3), torch.eye(4, 3).bool())


def test_models_that_were_trained_on_none_of_the_records_are_fine_if_all_are_so():
    assert not check_inside(np.zeros((4, 3)), records=4, models=3).any()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (np.ones((3, 4)), "other way round: transpose"),
        (np.ones(4), r"found the shape \(4,\)"),
        (np.full((4, 3), 0.5), "True or False"),
        (np.full((4, 3), "yes"), "True or False"),
        (np.array([[1, 0, 1]] * 4), re.escape("no record inside model 1 (the first is 0)")),
    ],
)
def test_a_matrix_that_says_no_membership_is_refused(given, says):
    with pytest.raises(InputError, match=says):
        check_inside(given, records=4, models=3)
