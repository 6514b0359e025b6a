"""What is told of users without the model, by classifiers that never learned from the users that they judge."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ml_privacy_meter.findings import Risk
from ml_privacy_meter.risk.users import users_alike, without_model

USERS, EACH = 120, 10
OF = np.arange(USERS).repeat(EACH)
INSIDE = torch.from_numpy(np.random.default_rng(0).permutation(USERS) < USERS // 2)


def area(score, judged):
    mean = score.reshape(USERS, EACH).mean(1)
    inside, outside = mean[judged & INSIDE], mean[judged & ~INSIDE]
    difference = inside[:, None] - outside[None]
    return float((difference > 0).double().mean() + (difference == 0).double().mean() / 2)


def own(kind):
    """Records by which every user is known at once, and nothing that users inside have in common."""
    rng = np.random.default_rng(1)
    if kind == "texts":
        return [f"word{user} word{user} and {rng.integers(50)}" for user in OF]
    return rng.standard_normal((USERS, 200))[OF] + 0.1 * rng.standard_normal((len(OF), 200))


def alike(kind):
    """Records of which those of users inside have something in common."""
    rng = np.random.default_rng(2)
    here = INSIDE.numpy()[OF]
    if kind == "texts":
        return [f"{rng.integers(50)} {'love' if yes and rng.random() < 0.5 else 'war'}" for yes in here]
    return rng.standard_normal((len(OF), 200)) + here[:, None]


@pytest.mark.parametrize("kind", ["texts", "numbers"])
def test_no_user_is_judged_by_what_was_learned_from_it(kind):
    score, judged = without_model(own(kind), OF, INSIDE)
    assert judged.sum() == USERS // 2
    assert (score[~judged[OF]] == 0).all()
    assert abs(area(score, judged) - 0.5) < 0.2


@pytest.mark.parametrize("kind", ["texts", "numbers"])
def test_what_users_inside_have_in_common_is_found(kind):
    score, judged = without_model(alike(kind), OF, INSIDE)
    assert area(score, judged) > 0.9


def test_a_difference_voids_the_audit_where_it_is_sure():
    risk = Risk("AUC", 0.7, 0.6, 0.8, 0.5, 100)
    found = users_alike(risk, replace(risk, low=0.55), 4)
    assert found.voids
    assert not found.passed
    assert "0.700 [0.600, 0.800] with 4 records of each" in found.says
    unsure = users_alike(risk, replace(risk, low=0.49), 4)
    assert not unsure.voids
    assert "may be luck" in unsure.says
    assert not unsure.passed
    assert users_alike(replace(risk, value=0.54), replace(risk, low=0.49), 4).passed
    assert not users_alike(None, None, 4).passed
    assert not users_alike(None, None, 4).voids
