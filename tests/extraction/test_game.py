"""The challenger of the extraction game: it counts, it closes the door, it shows no truth."""

from dataclasses import fields, replace

import pytest
import torch
from copied_worlds import game, points, softmax_regression

from ml_privacy_meter import InputError
from ml_privacy_meter.extraction import Door, View, random_records


def test_every_point_counts_and_the_door_closes_when_queries_are_spent():
    asked = []

    def greedy(view):
        asked.append(view.left)
        same = view.pool[:1].repeat(4, 1)
        view.ask(same)
        asked.append(view.left)
        view.ask(view.pool[:3])

    with pytest.raises(InputError, match=r"may ask 6 times, and asked 7 times\. Ask at most `view.left` times more\."):
        game(softmax_regression()[0]).play(greedy, 6)
    assert asked == [6, 2]


def test_each_play_has_its_own_door():
    world = game(softmax_regression()[0])
    assert [world.play(random_records, budget).queries for budget in (10, 10, 20)] == [10, 10, 20]
    assert world.view.left == 0


def test_nothing_is_asked_for_no_points():
    door = Door(softmax_regression()[0], 3)
    assert door(points(0, 0)).shape == (0, 3)
    assert door.asked == 0


def test_a_view_holds_no_truth():
    assert {field.name for field in fields(View)} == {
        *("door", "pool", "low", "high", "whole", "classes", "soft", "decimals", "learn", "seed", "choices")
    }
    seen = []
    world = game(softmax_regression()[0])
    world.play(lambda view: seen.append(view) or (lambda x: torch.zeros(len(x), 3)), 5)
    (view,) = seen
    held = {tuple(row) for row in world.held["held"].points.tolist()}
    assert not held & {tuple(row) for row in view.pool.tolist()}
    assert not held & {tuple(row) for row in view.uniform(400).tolist()}


def test_copies_are_judged_by_the_class_they_give_or_by_how_near_they_come():
    serve, *_ = softmax_regression()
    world = game(serve)
    same, other = world.judge(serve), world.judge(lambda x: -serve(x))
    assert same.agrees["held"].all()
    assert same.right["held"].all()
    assert not other.agrees["held"].any()
    quantities = replace(world, view=replace(world.view, classes=0), tolerance=0.01)
    assert quantities.judge(lambda x: serve(x) + 0.009).agrees["held"].all()
    assert not quantities.judge(lambda x: serve(x) + 0.011).agrees["held"].any()
    one_off = quantities.judge(lambda x: serve(x) + torch.tensor([0.0, 0.0, 0.011]))
    assert not one_off.agrees["held"].any()


@pytest.mark.parametrize("copy", [lambda x: torch.zeros(len(x)), lambda x: torch.full((len(x), 3), torch.nan)])
def test_what_is_no_copy_is_refused(copy):
    with pytest.raises(InputError, match=r"must answer 400 points with finite numbers of the shape \(400, 3\)"):
        game(softmax_regression()[0]).play(lambda view: copy, 1)


def test_features_that_are_whole_numbers_are_asked_about_as_such():
    seen = []
    serve, *_ = softmax_regression()
    world = game(lambda x: seen.append(x) or serve(x), whole=True)
    seen.clear()

    def asks_between(view):
        view.ask(view.pool[:3] + 0.3)
        assert torch.equal(view.uniform(50), view.uniform(50).round())
        return serve

    world.play(asks_between, 3)
    assert torch.equal(seen[0], world.view.pool[:3])
