"""Attacks that copy: exact where the model is what they take it for, and never more than they were told."""

from functools import partial

import numpy as np
import pytest
import torch
from copied_worlds import decision_tree, game, points, softmax_regression

from ml_privacy_meter import InputError
from ml_privacy_meter.extraction import (
    Linear,
    k_center,
    linear,
    margin,
    network,
    random_records,
    solve_linear,
    trace_tree,
    tree,
    uniform,
)
from ml_privacy_meter.membership import describe

SURROGATES = [random_records, partial(random_records, soft=False), margin, k_center, uniform]
EVERY = [solve_linear, partial(trace_tree, halvings=4), *SURROGATES]


def agreement(stolen):
    return float(stolen.judged.agrees["held"].double().mean())


def as_labels(serve):
    return lambda x: torch.nn.functional.one_hot(serve(x).argmax(1), serve(x).shape[1]).double()


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_a_softmax_regression_is_solved_exactly_by_one_query_more_than_it_has_features(classes):
    serve, weight, bias = softmax_regression(classes=classes)
    stolen = game(serve, classes=classes).play(solve_linear, 6)
    assert stolen.queries == 6
    assert torch.allclose(stolen.copy.weight, weight - weight[:, :1], atol=1e-11)
    assert torch.allclose(stolen.copy.bias, bias - bias[0], atol=1e-11)


def test_a_linear_model_of_two_quantities_is_solved_exactly():
    weight, bias = points(5, 1, 2), points(1, 2, 2)
    stolen = game(lambda x: x @ weight + bias, classes=0).play(solve_linear, 6)
    assert torch.allclose(stolen.copy.weight, weight, atol=1e-11)
    assert torch.allclose(stolen.copy.bias, bias[0], atol=1e-11)


def test_features_of_other_scales_and_whole_numbers_are_solved_too():
    _, weight, bias = softmax_regression()
    steep = weight / torch.tensor([1e-3, 1.0, 1e3, 1.0, 1.0])[:, None]

    def serve(x):
        return (x @ weight + bias).softmax(1)

    assert agreement(game(serve, whole=True).play(solve_linear, 6)) == 1
    stretched = game(lambda x: ((x * torch.tensor([1e-3, 1.0, 1e3, 1.0, 1.0])) @ steep + bias).softmax(1))
    assert torch.allclose(stretched.play(solve_linear, 6).copy.weight, weight - weight[:, :1], atol=1e-9)


def test_rounding_costs_queries_and_more_of_them_make_up_for_it():
    serve, weight, _ = softmax_regression()
    world = game(lambda x: serve(x).round(decimals=2), decimals=2)
    few, many = (world.play(solve_linear, budget) for budget in (6, 600))
    own = weight - weight[:, :1]
    errors = [float((one.copy.weight - own).abs().max()) for one in (few, many)]
    assert errors[1] < errors[0] / 3
    assert errors[1] > 1e-6
    assert agreement(many) > 0.98


def test_equations_of_a_certain_model_come_from_public_records():
    serve = softmax_regression(classes=2)[0]

    def far(x):  # certain wherever the first queries go
        return torch.where((x.abs().amax(1, keepdim=True) < 1.5), serve(x) > 0.5, serve(x)).double()

    world = game(far, classes=2)
    assert agreement(world.play(solve_linear, 100)) > 0.9


def test_fewer_queries_than_weights_give_the_smallest_weights_that_fit():
    serve, *_ = softmax_regression(wide=40)
    world = game(serve, wide=40)
    stolen = world.play(solve_linear, 20)
    assert stolen.queries == 20
    assert 0.45 < agreement(stolen) < 0.99


def test_labels_give_no_equation():
    serve = as_labels(softmax_regression()[0])
    with pytest.raises(InputError, match="this target answers with labels alone"):
        game(serve, soft=False).play(solve_linear, 20)
    with pytest.raises(InputError, match="every answer was certain of one class"):
        game(serve).play(solve_linear, 20)


def test_a_class_that_is_never_given_beside_another_is_given_little():
    def serve(x):
        first = x[:, 0].sigmoid()
        return torch.stack([first, 1 - first, torch.zeros(len(x), dtype=x.dtype)], 1)

    stolen = game(serve).play(solve_linear, 50)
    assert agreement(stolen) == 1
    assert stolen.copy(points(50, 3))[:, 2].max() < 1e-6


def test_each_leaf_of_a_tree_is_found():
    serve, fitted = decision_tree()
    world = game(serve, classes=2, wide=3)
    stolen = world.play(trace_tree, 2_000)
    assert agreement(stolen) > 0.995
    assert len(stolen.copy.answers) >= fitted.get_n_leaves()
    found = {round(float(p), 9) for p in stolen.copy.answers[:, 0]}
    assert len(found) == fitted.get_n_leaves()
    borders = np.unique(fitted.tree_.threshold[fitted.tree_.feature >= 0])
    places = torch.cat([stolen.copy.low, stolen.copy.high]).flatten().numpy()
    assert all(np.abs(places - border).min() < 1e-3 for border in borders)


def test_a_tree_of_whole_numbers_is_found_to_the_number():
    serve, _ = decision_tree()
    assert agreement(game(serve, classes=2, wide=3, whole=True).play(trace_tree, 2_000)) == 1


def test_a_tree_is_followed_as_far_as_queries_last():
    serve, fitted = decision_tree()
    stolen = game(serve, classes=2, wide=3).play(trace_tree, 60)
    assert stolen.queries <= 60
    assert 0 < len(stolen.copy.answers) < fitted.get_n_leaves()
    with pytest.raises(InputError, match="which takes 7 queries, found 6"):
        game(serve, classes=2, wide=3).play(trace_tree, 6)


def test_leaves_of_equal_answers_are_told_apart_where_public_records_are_answered_otherwise():
    def serve(x):  # a stripe between two leaves that answer alike: lines across it see no change
        inside = (x[:, :1] > -0.5) & (x[:, :1] <= 0.5)
        return torch.cat([inside, ~inside], 1).double()

    stolen = game(serve, classes=2, wide=3).play(trace_tree, 2_000)
    assert agreement(stolen) > 0.99


def test_of_labels_alone_less_of_a_tree_is_found():
    serve, _ = decision_tree()
    hard = game(as_labels(serve), classes=2, wide=3, soft=False).play(trace_tree, 2_000)
    soft = game(serve, classes=2, wide=3).play(trace_tree, 2_000)
    assert len({tuple(row) for row in hard.copy.answers.tolist()}) == 2
    assert agreement(hard) <= agreement(soft)


@pytest.mark.parametrize(
    ("learner", "attack"),
    [("network", random_records), *((learner, attack) for learner in ("linear", "tree") for attack in SURROGATES)],
    ids=describe,
)
def test_surrogates_learn_what_the_target_answers_and_spend_all_queries(attack, learner):
    stolen = game(softmax_regression()[0], learner=learner).play(attack, 120)
    assert stolen.queries == 120
    assert agreement(stolen) > (0.6 if learner == "tree" else 0.85)


@pytest.mark.parametrize(
    ("learner", "attack"), [("network", random_records), ("linear", k_center), ("linear", uniform)], ids=describe
)
def test_surrogates_learn_quantities(attack, learner):
    def serve(x):
        return 100 + 5 * x[:, :1] - 3 * x[:, 1:2]

    stolen = game(serve, classes=0, learner=learner).play(attack, 150)
    gap = (stolen.copy(points(200, 9)) - serve(points(200, 9))).square().mean().sqrt()
    assert gap < 1.0


def test_soft_labels_teach_more_than_hard_ones():
    world = game(softmax_regression()[0])
    assert agreement(world.play(random_records, 60)) > agreement(world.play(partial(random_records, soft=False), 60))


def test_records_are_asked_about_once_and_only_while_there_are_some():
    seen = []
    serve, *_ = softmax_regression()
    world = game(lambda x: seen.append(x) or serve(x), pool=70)
    for attack in (random_records, margin, k_center):
        seen.clear()
        assert world.play(attack, 100).queries == 70
        asked = torch.cat(seen)
        assert len(torch.unique(asked, dim=0)) == 70


def test_margin_asks_where_the_copy_is_least_sure():
    seen = []
    serve, *_ = softmax_regression()
    world = game(lambda x: seen.append(x) or serve(x))
    seen.clear()
    world.play(partial(margin, rounds=2), 40)
    first, second = seen
    copy = linear(first, serve(first), 0)
    rest = torch.stack([row for row in world.view.pool if not (first == row).all(1).any()])
    gaps = copy(rest).topk(2, 1).values.diff(dim=1).abs()[:, 0]
    chosen = copy(second).topk(2, 1).values.diff(dim=1).abs()[:, 0]
    assert float(chosen.max()) <= float(gaps.sort().values[len(second) - 1]) + 1e-9


def test_k_center_asks_far_from_what_it_asked():
    seen = []
    serve, *_ = softmax_regression()
    world = game(lambda x: seen.append(x) or serve(x))
    seen.clear()
    world.play(partial(k_center, rounds=2), 4)
    first, second = seen
    copy = linear(first, serve(first), 0)
    rest = torch.stack([row for row in world.view.pool if not (first == row).all(1).any()])
    known = copy(first)
    for row in second:  # greedy, by hand
        away = torch.cdist(copy(rest), known).amin(1)
        assert torch.equal(rest[away.argmax()], row)
        known = torch.cat([known, copy(row[None])])


def test_margin_needs_classes():
    with pytest.raises(InputError, match="answers with quantities"):
        game(lambda x: x[:, :1], classes=0).play(margin, 20)


@pytest.mark.parametrize("attack", EVERY, ids=describe)
def test_the_same_seed_gives_the_same_copy_and_permuted_points_permuted_answers(attack):
    learner = "network" if attack is random_records else "linear"
    world, asked = game(softmax_regression()[0], learner=learner), points(50, 7)
    one, other = (world.play(attack, 60).copy(asked) for _ in range(2))
    assert torch.equal(one, other)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(world.play(attack, 60).copy(asked[order]), one[order], atol=1e-6)


@pytest.mark.parametrize("attack", EVERY, ids=describe)
def test_nothing_is_taken_from_global_random_numbers(attack):
    state = torch.random.get_rng_state()
    learner = "network" if attack is random_records else "tree"
    game(softmax_regression()[0], learner=learner).play(attack, 30)
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_linear_learner_says_its_weights():
    _, weight, _ = softmax_regression()
    x = points(500, 3) * torch.tensor([1.0, 20.0, 0.1, 1.0, 1.0]) + 4
    shrunk = weight / torch.tensor([1.0, 20.0, 0.1, 1.0, 1.0])[:, None]
    found = linear(x, ((x - 4) @ shrunk).softmax(1), 0)
    assert isinstance(found, Linear)
    own = shrunk - shrunk[:, :1]
    assert torch.allclose(found.weight - found.weight[:, :1], own, rtol=0.1, atol=0.1)


def test_a_constant_feature_breaks_no_learner():
    x = points(60, 3)
    x[:, 2] = 1.0
    answers = softmax_regression()[0](x)
    assert all(learn(x, answers, 0)(x).isfinite().all() for learn in (network, linear, tree))
