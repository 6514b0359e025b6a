"""What a model knows by heart."""

from dataclasses import replace

import numpy as np
import pytest
import reference_worlds
import worlds

import ml_privacy_meter as pm
from ml_privacy_meter.inferring.memories import memorized


def played(world: reference_worlds.World, models: int = 16, **settings):
    return memorized(world.target, *world.sides, references=world.references(world.halves(models)), **settings)


@pytest.fixture(scope="module")
def leaky():
    return played(reference_worlds.leaky())


def test_what_is_known_by_heart_is_found(leaky):
    assert leaky.shows
    risks = leaky.risks
    assert risks["known by heart"]["accuracy, members"].value > 0.95
    assert risks["known by heart"]["excess on members above non-members"].low > 0.3
    assert risks["memorization"]["share above that of luck"].low > 0.3
    assert risks["memorization"]["Pearson correlation of two halves"].value is not None
    assert "by heart" in leaky.verdict
    assert "can leak all the same" in leaky.verdict


def test_a_target_that_never_saw_its_members_knows_none_by_heart():
    """The reference models do memorize: that is said of their kind, and not of this target."""
    above = 0
    for seed in range(6):
        game = played(reference_worlds.blank(seed), 8)
        above += game.tried[0].shows
        assert game.tried[1].shows
    assert above <= 1


def test_models_that_saw_nothing_memorize_nothing():
    """Reference models of other records, with the same claims about what they were trained on."""
    above = 0
    for seed in range(6):
        world, (x, y, _) = reference_worlds.blank(seed), worlds.draw(seed + 500, n=200, width=100)
        inside = world.halves(8, seed)
        models = [worlds.overfitted(x[here], y[here]) for here in inside.T]
        references = pm.own_references(models, *inside.tensor_split([100]))
        above += bool(memorized(world.target, *world.sides, references=references).shows)
    assert above <= 1


def test_a_twin_across_the_sides_hangs_on_its_member():
    world = reference_worlds.leaky()
    others = world.non_members[0].clone(), world.non_members[1].clone()
    for of, value in zip(others, world.members, strict=True):
        of[7] = value[3]
    twins = replace(world, non_members=others)
    half = world.halves(80)
    half[107] = False  # nobody was trained on the twin itself
    game = memorized(twins.target, *twins.sides, references=twins.references(half))
    assert game.tried[2].shows
    assert "because of one single member" in game.verdict
    assert ("members:3", "non-members:7") in [(pair["member"], pair["non-member"]) for pair in game.how["pairs"]]


def test_the_same_seed_says_the_same_and_probabilities_can_be_taken(leaky):
    again = played(reference_worlds.leaky())
    assert str(again) == str(leaky)
    assert again.how == leaky.how
    sure = played(reference_worlds.leaky(), by="probability")
    assert sure.shows
    assert "mean probability of the true class, members" in sure.risks["known by heart"]


def test_groups_are_classes_and_columns_of_the_records():
    world = reference_worlds.leaky()
    members = pm.as_records(world.members, name="members")
    members = replace(members, groups={"side": np.where(np.arange(100) < 50, "left", "right")})
    others = replace(pm.as_records(world.non_members, name="others"), groups={"side": np.full(100, "left")})
    game = memorized(
        pm.open_model(world.target), members, others, references=world.references(world.halves(4)), most=20
    )
    found = {(group.column, group.value): group.members + group.non_members for group in game.tried[1].groups}
    assert found[("side", "left")] == 150
    assert sum(count for (column, _), count in found.items() if column == "class") == 200
    assert not game.checks[0].passed


def test_it_asks_for_reference_models_of_these_records():
    world = reference_worlds.leaky()
    few = world.references(world.halves(2))
    for references in (None, few, replace(few, members=few.members & False, non_members=few.non_members & False)):
        with pytest.raises(pm.InputError, match="4 or more reference models"):
            memorized(world.target, *world.sides, references=references)
    with pytest.raises(pm.InputError, match="no by `chance`"):
        played(world, 4, by="chance")
