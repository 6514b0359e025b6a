"""The game of worlds: each attack finds a share that answers and weights tell, and none that they do not."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from scipy.stats import binom

from ml_privacy_meter import InputError
from ml_privacy_meter.property import (
    Models,
    Poisoned,
    WorldsGame,
    WorldsView,
    kl,
    loss_test,
    per_point,
    permutation_invariant,
    place,
    regressed,
    snap,
)
from ml_privacy_meter.risk.rates import excess_of_chance

ATTACKS = [loss_test, kl, per_point, permutation_invariant, regressed, snap]
CLASSES = 3


def models(world, shift, seed, questions=40, hidden=4):
    """Made-up models: log-odds of class 0 over questions with the property, and weights, rise with the world."""
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(world), questions, CLASSES, generator=rng, dtype=torch.float64)
    logits[:, : questions // 2, 0] += shift * world[:, None]
    first, last = (
        torch.randn(len(world), hidden, 6, generator=rng),
        torch.randn(len(world), CLASSES, hidden, generator=rng),
    )
    first[:, :, 0] += shift * world[:, None] * (last[:, 1] - last[:, 0]).sign()
    order = torch.stack([torch.randperm(hidden, generator=rng) for _ in world])

    def weights(number):
        mine = order[number]  # neurons lie in an order of their own
        return {"0.weight": first[number][mine], "0.bias": torch.zeros(hidden), "2.weight": last[number][:, mine]}

    return Models(logits, weights)


def game(shift, seed=0, victims=30, shadows=20, shares=(0.2, 0.5)):
    rng = np.random.default_rng(seed)
    of_victims, of_shadows = (
        torch.from_numpy(rng.permutation(np.repeat(np.arange(len(shares)), count))) for count in (victims, shadows)
    )
    made = [models(world.double(), shift, 10 * seed + k) for k, world in enumerate((of_victims, of_shadows) * 2)]
    has = torch.arange(40) < 20
    labels = torch.where(torch.arange(40) < 14, 0, torch.arange(40) % CLASSES)  # most with the property are of class 0
    share = torch.tensor(shares, dtype=torch.float64)[:, None]
    weight = torch.where(has, share, 1 - share) / 20
    view = WorldsView(shares, made[0], made[1], of_shadows, labels, has, weight, Poisoned(made[2], made[3], 0), seed)
    return WorldsGame(view, of_victims)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("shares", [(0.2, 0.5), (0.1, 0.3, 0.5)], ids=["two worlds", "three"])
def test_what_the_world_changes_is_found(attack, shares):
    played = game(1.0, shares=shares)
    hits = played.play(attack).hit(played.world)
    assert excess_of_chance(hits, 1 / len(shares)).low > 0


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_where_worlds_are_alike_nothing_is_found(attack):
    played = [game(0.0, seed=seed) for seed in range(20)]
    found = [excess_of_chance(one.play(attack).hit(one.world), 0.5).low > 0 for one in played]
    assert sum(found) <= binom.ppf(0.999, len(found), 0.025)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_no_answer_hangs_on_which_other_victims_are_asked_about(attack):
    view = game(0.5).view

    def some(of, rows):
        return Models(of.logits[rows], lambda number: of.weights(int(rows[number])))

    rows = torch.tensor([7, 3, 20])
    poisoned = replace(view.poisoned, victims=some(view.poisoned.victims, rows))
    few = place(attack, replace(view, victims=some(view.victims, rows), poisoned=poisoned))
    torch.testing.assert_close(few.score, place(attack, view).score[rows])


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_the_order_of_questions_says_nothing(attack):
    view, order = game(0.5).view, torch.randperm(40, generator=torch.Generator().manual_seed(3))

    def turned(of):
        return replace(of, logits=of.logits[:, order])

    poisoned = Poisoned(turned(view.poisoned.victims), turned(view.poisoned.shadows), 0)
    sides = {"victims": turned(view.victims), "shadows": turned(view.shadows), "poisoned": poisoned}
    questions = {"labels": view.labels[order], "has": view.has[order], "weight": view.weight[:, order]}
    found = place(attack, replace(view, **sides, **questions))
    torch.testing.assert_close(found.score, place(attack, view).score)


def test_the_order_of_neurons_says_nothing():
    view = game(0.5).view
    other = replace(view, victims=Models(view.victims.logits, lambda number: _turned(view.victims.weights(number))))
    torch.testing.assert_close(*(place(permutation_invariant, one).score for one in (view, other)))


def _turned(weights):
    order = torch.tensor([2, 0, 3, 1])
    first, bias, last = weights["0.weight"], weights["0.bias"], weights["2.weight"]
    return {"0.weight": first[order], "0.bias": bias[order], "2.weight": last[:, order]}


def test_the_view_holds_no_truth():
    played = game(0.5)
    assert {field.name for field in fields(WorldsView)} & {"truth", "victim_world", "worlds"} == set()
    for field in fields(WorldsView):
        held = getattr(played.view, field.name)
        assert held is not played.world
        assert not (isinstance(held, torch.Tensor) and held.shape == played.world.shape)


def test_a_share_is_a_guess_of_the_nearest_world_and_ties_are_shared():
    view = game(0.5, victims=1).view
    placed = place(lambda view: torch.tensor([0.34, 0.9], dtype=torch.float64), view)
    assert placed.share.tolist() == [0.34, 0.5]
    assert placed.hit(torch.tensor([0, 1])).tolist() == [1.0, 1.0]
    tied = place(lambda view: torch.zeros(2, 2), view)
    assert tied.hit(torch.tensor([0, 1])).tolist() == [0.5, 0.5]
    assert tied.share.tolist() == pytest.approx([0.35, 0.35])


def test_log_odds_of_two_classes_are_one_number_and_of_more_one_each():
    logits = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    p = logits.softmax(2)
    torch.testing.assert_close(Models(logits).odds, p.log() - (1 - p).log())
    two = logits[:, :, :2]
    torch.testing.assert_close(Models(two).odds[:, :, 0], two[:, :, 1] - two[:, :, 0])


def test_the_inverse_of_the_covariance_is_that_of_the_covariance_written_down():
    from ml_privacy_meter.property.permutation_invariant import _inverse

    rng = np.random.default_rng(0)
    rest, mean = rng.normal(size=(9, 15)), rng.normal(size=(2, 15))
    covariance = 0.7 * rest.T @ rest / 9 + 0.3 * np.trace(rest.T @ rest / 9) / 15 * np.eye(15)
    np.testing.assert_allclose(_inverse(rest, 0.3, mean), np.linalg.solve(covariance, mean.T).T)


def test_attacks_that_cannot_be_played_say_why():
    view = game(0.5).view
    with pytest.raises(InputError, match="Set `poison`"):
        snap(replace(view, poisoned=None))
    with pytest.raises(InputError, match="Ask more"):
        snap(replace(view, labels=torch.zeros(40, dtype=torch.long)))
    with pytest.raises(InputError, match="out of reach"):
        permutation_invariant(replace(view, victims=Models(view.victims.logits)))
    with pytest.raises(InputError, match=r"`0\.weight` is none"):
        permutation_invariant(
            replace(view, shadows=replace(view.shadows, weights=lambda _: {"0.weight": torch.ones(2, 3, 3)}))
        )
    with pytest.raises(InputError, match="say a share of each of 60 victims"):
        place(lambda view: torch.zeros(4), view)
    with pytest.raises(InputError, match="must be finite"):
        place(lambda view: torch.full((60,), float("nan")), view)
