"""Shares of a property in training sets: found where models tell them, not where they do not, with fair worlds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ml_privacy_meter import InputError, Recipe, as_records, open_model, train_model
from ml_privacy_meter.inferring import victims
from ml_privacy_meter.inferring.pools import prepare, setting_of
from ml_privacy_meter.inferring.properties import infer_properties
from ml_privacy_meter.inferring.victims import draw
from ml_privacy_meter.inferring.worlds import composed, having, largest
from ml_privacy_meter.property import per_point

RECIPE = {"epochs": 10, "lr": 0.01, "batch_size": 32}
SETTINGS = {"column": "has", "recipe": RECIPE, "victims": 15, "shadows": 10, "questions": 80, "device": "cpu"}


def world(records, seed, *, tells=True):
    """Records in two classes, by the first number; where the property is there and it tells, by its opposite."""
    rng = np.random.default_rng(seed)
    x, has = rng.normal(size=(records, 4)).astype(np.float32), rng.random(records) < 0.4
    flipped = has if tells else rng.random(records) < 0.4
    y = (x[:, 0] * np.where(flipped, -0.5, 1) + 0.5 * rng.normal(size=records) > 0).astype(int)
    return replace(as_records((x, y), name="records"), groups={"has": has.astype(int)})


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


@pytest.fixture(scope="module")
def sides():
    return world(600, 0), world(700, 1)


@pytest.fixture(scope="module")
def played(sides):
    return infer_properties(network(), *sides, **SETTINGS, poison=0.05)


def test_a_share_that_models_tell_is_found_by_every_attack_that_can(played):
    found = {one.attack: one for one in played.tried}
    assert set(found) == {"loss_test", "kl", "per_point", "permutation_invariant", "regressed", "snap"}
    for name, one in found.items():
        assert not one.failed
        assert one.excess.low > 0, name
        accuracy, error = one.risks
        assert accuracy.baseline == 0.5
        assert accuracy.trials == 30
        assert error.high < error.baseline == pytest.approx(0.15), name
    assert played.shows


def test_where_models_do_not_tell_it_nothing_is_found():
    games = [
        infer_properties(
            network(), world(400, seed, tells=False), world(500, seed + 50, tells=False), **SETTINGS, seed=seed
        )
        for seed in range(3)
    ]
    assert sum(one.shows for one in games) <= 1
    silent = next(one for one in games if not one.shows)
    assert silent.verdict.startswith("No leak is shown")


def test_the_users_own_model_is_guessed_and_said_beside_the_truth(played, sides):
    truth = float(np.mean(sides[0].groups["has"]))
    assert played.how["share of members"] == truth
    own = played.how["said of the model"]
    assert set(own) == {"loss_test", "kl", "per_point", "permutation_invariant", "regressed"}  # nobody poisoned it
    assert all(0.2 <= share <= 0.5 for share in own.values())
    assert f"{truth:.1%} of the members" in played.notes[0]


def test_a_model_that_learned_from_one_world_is_guessed_to_be_of_it():
    side = world(1500, 3)
    has = side.groups["has"].astype(bool)
    for share in (0.1, 0.6):
        count = int(400 * share)
        rows = np.concatenate([np.flatnonzero(has)[:count], np.flatnonzero(~has)[: 400 - count]])
        model = train_model(Recipe(architecture=network(), **RECIPE), (side.x[rows], side.y[rows])).inner
        found = infer_properties(model, side, world(700, 1), **SETTINGS, shares=(0.1, 0.6), attacks=["per_point"])
        assert found.how["said of the model"] == {"per_point": share}


def test_more_worlds_come_with_a_curve_and_a_prior_of_their_own(sides):
    found = infer_properties(network(), *sides, **SETTINGS, shares=(0.6, 0.2, 0.4), attacks=["per_point", "regressed"])
    (curve,) = found.curves
    assert [line.name for line in curve.lines] == ["per_point", "regressed", "guessing"]
    for line in curve.lines:
        assert [gap for gap, _ in line.points] == [0.2, 0.4]
    accuracy, error = found.tried[0].risks
    assert accuracy.baseline == pytest.approx(1 / 3)
    assert error.baseline == pytest.approx(0.4 / 3)
    uneven = infer_properties(network(), *sides, **SETTINGS, shares=(0.1, 0.2, 0.6), attacks=["loss_test"])
    assert uneven.tried[0].risks[1].baseline == pytest.approx(0.5 / 3)  # the middle one errs least, not the mean
    assert found.risks["the most common world"]["error of the share"].value == pytest.approx(0.4 / 3)
    assert found.curves[0].lines[0].points[1][1].value >= found.curves[0].lines[0].points[0][1].value


def test_two_runs_give_the_same_game_and_other_seeds_others(played, sides):
    few = {**SETTINGS, "victims": 4, "shadows": 4, "attacks": ["per_point", "regressed"]}
    one, same, other = (infer_properties(network(), *sides, **few, seed=seed) for seed in (0, 0, 1))
    assert one == same
    assert one.risks != other.risks


def test_training_sets_of_the_same_records_are_named_where_a_leak_is_shown(sides, played):
    (check,) = played.checks
    assert check.passed
    assert "by chance" not in played.verdict
    large = infer_properties(network(), *sides, **SETTINGS, records=350, attacks=["per_point"])
    (check,) = large.checks
    assert not check.passed
    assert "Set `records` to " in check.says
    assert large.shows
    assert large.verdict.endswith("show a leak by chance more often than intervals say.")


def test_a_strangers_attack_that_breaks_costs_the_others_nothing(sides):
    def broken(view):
        raise KeyError("no such thing")

    few = {**SETTINGS, "victims": 2, "shadows": 2, "recipe": {"epochs": 1}}
    found = infer_properties(network(), *sides, **few, attacks=[broken, "per_point"])
    assert found.tried[0].failed == "KeyError: 'no such thing'"
    assert found.tried[1].excess is not None


def test_with_several_attacks_a_leak_must_be_surer(played):
    for one in played.tried:
        assert one.excess.surely < one.excess.low


def test_worlds_differ_in_the_share_alone():
    natural = np.array([[300, 20], [50, 80], [7, 0]])
    tables = [composed(natural, 211, share) for share in (0.0, 0.13, 0.5, 1.0)]
    labels = {tuple(one.sum(1)) for one in tables}
    assert len(labels) == 1
    assert sum(labels.pop()) == 211
    for one, share in zip(tables, (0.0, 0.13, 0.5, 1.0), strict=True):
        assert one[:, 1].sum() == round(211 * share)
        assert np.abs(one[:, 1] - one.sum(1) * share).max() < 1


def test_training_sets_are_as_large_as_the_records_allow():
    natural = np.array([[60, 40], [50, 50]])
    size = largest(natural, (0.2, 0.5), [natural, natural * 2])
    tables = [[composed(natural, count, share) for share in (0.2, 0.5)] for count in (size, size + 2)]
    assert all((one <= natural).all() for one in tables[0])
    assert not all((one <= natural).all() for one in tables[1])
    assert largest(natural, (0.2, 0.5), [natural, np.array([[60, 0], [50, 0]])]) <= 1


def test_victims_learn_from_members_and_shadows_from_non_members_that_are_no_members(sides):
    members, others = sides
    x = torch.cat([others.x[0:690], members.x[0:10]])
    others = replace(others, x=x, y=np.concatenate([others.y[:690], members.y[:10]]))
    prepared = prepare(network(), members, others, "has", None)
    setting = setting_of(prepared, (0.2, 0.5), records=None, questions=80, poison=0.05, seed=0)
    deal = setting.deal
    assert set(deal.victims) == set(range(600))
    own = [set(rows) for rows in (deal.shadows, deal.questions, deal.poison)]
    assert len(set.union(*own)) == sum(map(len, own)) == 690
    assert max(set.union(*own)) < 600 + 690
    assert min(set.union(*own)) >= 600
    assert prepared.has[deal.poison].all()
    assert (prepared.classes[deal.poison] != deal.label).all()
    made = draw(deal, prepared.cell, setting.tables, (3, 2), 0)
    assert made.world.tolist().count(0) == 5
    assert made.victims == 6
    for model, world_of in enumerate(made.world):
        rows = set(made.inside[:, model].nonzero()[:, 0].tolist())
        assert rows <= (own[0] if model >= made.victims else set(deal.victims))
        assert prepared.has[list(rows)].sum() == round((0.2, 0.5)[world_of] * setting.size)
        assert len(rows) == setting.size


def test_how_likely_a_question_is_follows_from_its_world(sides):
    prepared = prepare(network(), *sides, "has", None)
    setting = setting_of(prepared, (0.2, 0.5), records=100, questions=80, poison=0.0, seed=0)
    cell = prepared.cell[setting.deal.questions]
    weight = setting.weight(cell)
    np.testing.assert_allclose(weight.sum(1), 1)
    np.testing.assert_allclose(weight[:, cell % 2 == 1].sum(1), (0.2, 0.5))


def test_poison_is_in_every_poisoned_training_set_and_wrongly_labelled(sides, monkeypatch):
    seen = []

    def watched(how, records, inside, **settings):
        seen.append((records, inside))
        return trained_on(how, records, inside, **settings)

    trained_on = victims.trained_on
    monkeypatch.setattr(victims, "trained_on", watched)
    few = {**SETTINGS, "victims": 2, "shadows": 2, "recipe": {"epochs": 1}}
    infer_properties(network(), *sides, **few, poison=0.1, records=100, attacks=["snap"])
    (clean, inside), (spoilt, more) = seen
    assert len(clean) == 1300
    assert len(spoilt) == 1310
    assert (inside.sum(0) == 100).all()
    assert (more.sum(0) == 110).all()
    assert more[1300:].all()
    assert (more[:1300] == inside).all()
    x, y = clean.x[0:1300], np.asarray(clean.y)
    for row in range(1300, 1310):
        twin = int((x == spoilt.x[row : row + 1]).all(1).nonzero()[0])
        assert clean.groups["has"][twin]
        assert y[twin] != spoilt.y[row]


def test_the_property_may_be_a_group_a_column_or_a_number_of_one():
    frame = pd.DataFrame({"age": [1.0, 2, 3], "sex": ["f", "m", "f"], "old": [True, False, True]})
    records = as_records((frame, [0, 1, 0]), name="records")
    assert having(records, "sex", "f").tolist() == [True, False, True]
    assert having(records, "old", None).tolist() == [True, False, True]
    assert having(records, "age", 2.0).tolist() == [False, True, False]
    array = as_records((np.array([[0.0, 3], [1, 4]]), [0, 1]), name="records")
    assert having(array, 0, None).tolist() == [False, True]
    assert having(replace(array, groups={"g": np.array(["a", "b"])}), "g", "a").tolist() == [True, False]


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("sex", None, "must be yes or no .*'f', 'm'. Name one"),
        ("sex", "x", "found no 'x' there, but 'f', 'm'"),
        ("sec", "f", "There are: `age`, `sex`"),
        (3, 1, "There are: `age`, `sex`"),
    ],
)
def test_a_property_that_is_not_there_is_refused(column, value, says):
    frame = pd.DataFrame({"age": [1.0, 2, 3], "sex": ["f", "m", "f"]})
    with pytest.raises(InputError, match=says):
        having(as_records((frame, [0, 1, 0]), name="records"), column, value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"shares": (0.2, 0.2)}, "two or more different shares"),
        ({"shares": (0.2, 1.2)}, "two or more different shares"),
        ({"records": 500}, "at most, and half as many where `records` is not set; found 500"),
        ({"attacks": ["per_pont"]}, "Did you mean `per_point`"),
        ({"attacks": []}, "a list of one attack or more"),
        ({"poison": 0.6}, "`poison` must lie between"),
        ({"recipe": {"epoch": 3}}, "settings of `Recipe`"),
        ({"train": Recipe()}, "Leave one out"),
        ({"column": "had"}, "a group or a column"),
    ],
)
def test_what_cannot_be_played_is_said(sides, settings, says):
    with pytest.raises(InputError, match=says):
        infer_properties(network(), *sides, **{**SETTINGS, **settings})


def test_a_class_that_no_member_is_of_leaves_too_few_records(sides):
    members = replace(sides[0], y=np.zeros(600, int))
    with pytest.raises(InputError, match="can have 1 records at most"):
        infer_properties(network(), members, sides[1], **SETTINGS)


def test_labels_that_are_no_classes_are_refused(sides):
    quantities = [replace(side, y=torch.randn(len(side))) for side in sides]
    with pytest.raises(InputError, match="one class, found quantities"):
        infer_properties(nn.Linear(4, 1), *quantities, **SETTINGS)


def test_a_model_of_which_nothing_is_known_needs_to_be_told_how_it_is_trained(sides):
    settings = {key: value for key, value in SETTINGS.items() if key != "recipe"}
    with pytest.raises(InputError, match="as `train`"):
        infer_properties(lambda x: torch.zeros(len(x), 2) + x[:, :2], *sides, **settings)


def test_estimators_are_fitted_anew_and_their_weights_left_alone(sides):
    from sklearn.linear_model import LogisticRegression

    settings = {key: value for key, value in SETTINGS.items() if key != "recipe"} | {"victims": 4, "shadows": 4}
    model = LogisticRegression().fit(np.asarray(sides[0].x[0:600]), sides[0].y)
    found = infer_properties(model, *sides, **settings)
    assert {one.attack for one in found.tried} == {"loss_test", "kl", "per_point", "regressed"}
    assert found.how["trained"] == "by `LogisticRegression`"
    assert found.risks["per_point"]["accuracy"].trials == 8


def test_what_an_attack_cannot_do_stands_in_the_game(sides):
    few = {**SETTINGS, "victims": 2, "shadows": 2, "recipe": {"epochs": 1}}
    found = infer_properties(open_model(network()), *sides, **few, attacks=[per_point, "snap"])
    assert "Set `poison`" in found.tried[1].failed
    assert found.tried[1].excess is None
    assert found.tried[0].excess.surely == found.tried[0].excess.low  # it was judged alone
