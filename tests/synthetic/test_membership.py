"""Attacks on synthetic records, against worlds in which the truth is known."""

import inspect
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import synthetic_worlds as worlds
import torch
from scipy.stats import binom, multivariate_normal

from ml_privacy_meter import InputError, synthetic
from ml_privacy_meter.membership import describe
from ml_privacy_meter.risk import auc
from ml_privacy_meter.synthetic import Table, View, calibrated_distance, density, distance_to_closest, domias, gmm, kde

ATTACKS = [domias, partial(domias, estimate=gmm), density, distance_to_closest, calibrated_distance]
EACH = pytest.mark.parametrize("attack", ATTACKS, ids=describe)


@EACH
def test_finds_the_leak_where_there_is_one(attack):
    assert auc(worlds.membership(copies=True).play(attack)).low > 0.5


@EACH
@pytest.mark.usefixtures("unchecked")
def test_finds_nothing_in_a_fresh_draw_more_often_than_luck_explains(attack):
    found = [auc(worlds.membership(seed, copies=False).play(attack)).low > 0.5 for seed in range(12)]
    assert sum(found) <= binom.isf(0.01, len(found), 0.025)


@EACH
def test_follows_the_order_of_the_records(attack):
    view = worlds.membership(copies=True).view
    order = np.random.default_rng(3).permutation(len(view.asked))
    moved = attack(replace(view, asked=view.asked.take(order)))
    torch.testing.assert_close(moved, attack(view)[order], rtol=1e-4, atol=1e-5)


@EACH
def test_scores_each_record_by_itself_and_alike_each_time(attack):
    view = worlds.membership(copies=True).view
    some = replace(view, asked=view.asked.take(np.arange(0, 600, 7)))
    torch.testing.assert_close(attack(some), attack(view)[::7], rtol=1e-4, atol=1e-5)
    assert torch.equal(attack(view), attack(view))


def test_every_attack_says_what_it_sees_and_where_it_comes_from():
    attacks = [getattr(synthetic, name) for name in synthetic.__all__]
    attacks = [one for one in attacks if "Sees: " in (inspect.getdoc(one) or "")]
    assert {one.__name__ for one in attacks} == {
        *("domias", "density", "distance_to_closest", "calibrated_distance"),
        *("single_out", "link_by_nearest", "nearest_value"),
    }
    assert all("\n\nSource: " in inspect.getdoc(one) for one in attacks)


def test_the_views_hold_no_truth():
    game, links = worlds.membership(copies=True), worlds.linking(copies=True)
    hidden = (game.member.numpy(), ~game.member.numpy())
    for table in vars(game.view).values():
        assert not any(np.array_equal(column, of) for of in hidden for column in table.values.T)
    right = worlds.mixed(0, *worlds.sides(0, copies=True)[1:3])[0].only(("income", "town"))
    assert not np.array_equal(links.view.right.values, right.values)
    assert np.array_equal(links.view.right.values[links.partner], right.values)
    guess = worlds.guessing(copies=True)
    assert guess.view.secret not in guess.view.known.columns


def test_a_copy_lies_at_no_distance_at_all():
    game = worlds.membership(copies=False)
    view = replace(game.view, synthetic=game.view.asked.take(np.arange(50)))
    assert bool((distance_to_closest(view)[:50] == 0).all())
    assert bool((distance_to_closest(view)[50:] < 0).any())


def test_the_kernel_density_is_the_mean_of_its_kernels():
    rng = np.random.default_rng(0)
    points, asked = rng.normal(size=(40, 3)), rng.normal(size=(7, 3))
    width = 40 ** (-1 / 7)
    slow = np.log(np.mean([multivariate_normal(point, width**2 * np.eye(3)).pdf(asked) for point in points], 0))
    np.testing.assert_allclose(kde(points)(asked), slow, rtol=1e-9)


def test_the_kernel_density_is_finite_far_from_all_points():
    assert np.isfinite(kde(np.zeros((5, 2)))(np.full((1, 2), 1e6))).all()


def test_domias_is_the_log_ratio_of_two_densities_on_axes_of_both():
    view = worlds.membership(copies=True).view
    swapped = replace(view, synthetic=view.reference, reference=view.synthetic)
    found = domias(view, dimensions=3)
    torch.testing.assert_close(found, -domias(swapped, dimensions=3), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("attack", [density, distance_to_closest])
def test_what_needs_no_reference_does_not_look_at_it(attack):
    view = worlds.membership(copies=True).view
    assert torch.equal(attack(view), attack(replace(view, reference=view.asked)))


def test_records_that_are_all_the_same_can_be_scored():
    same = Table(np.ones((30, 2)), ("a", "b"), (0, 3))
    for attack in ATTACKS:
        assert bool(attack(View(same, same, same)).isfinite().all())


def test_an_attack_must_score_each_record():
    with pytest.raises(InputError, match="600 records, found shape"):
        worlds.membership(copies=True).play(lambda view: torch.zeros(3))
