"""Whether training data were hidden in a model: the game."""

import copy
from dataclasses import replace

import hiding
import pytest
import torch
from torch import nn

import ml_privacy_meter as pm
from ml_privacy_meter import encoding, targets
from ml_privacy_meter.inferring.encoded import EVERY, find_encoded
from ml_privacy_meter.inferring.noise import noise_like
from ml_privacy_meter.risk.apart import apart
from ml_privacy_meter.targets import Opened

CLEAN = [hiding.clean(seed) for seed in range(1, 21)]
OWN = 21  # the seed of one more


def played(model, references=CLEAN, **settings):
    return find_encoded(model, *hiding.halves(OWN), references=references, probes=200, **settings)


@pytest.fixture(scope="module")
def blank():
    return played(hiding.clean(OWN))


@pytest.mark.parametrize(
    ("how", "by"),
    [("low bits", "low_bits"), ("signs", "weight_spread"), ("correlated", "weight_patterns"), ("capacity", "sure")],
)
def test_each_way_of_hiding_is_found_by_what_is_made_for_it(how, by):
    game = played(hiding.malicious(how))
    assert game.shows
    assert any(one.shows for one in game.tried if one.attack.startswith(by))
    assert "stands apart" in game.verdict
    assert "Either it was not trained as they were" in game.verdict


def test_a_clean_model_is_not_accused_and_nothing_is_no_comfort(blank):
    assert blank.shows is False
    assert "does not show that nothing is hidden" in blank.verdict
    assert all("It misses: " in one.note and "Not said" not in one.note for one in blank.tried)
    assert len(blank.tried) == 6
    assert all(one.excess.surely <= one.excess.low for one in blank.tried)
    assert set(blank.risks["clean models"]) == {f"{one.attack}: the detector's number" for one in blank.tried}


def test_clean_models_are_accused_by_any_detector_as_rarely_as_is_said():
    models = [hiding.seen(hiding.clean(seed)) for seed in range(1, 26)]
    above = 0
    for seed in range(40):
        one, *others = torch.randperm(25, generator=torch.Generator().manual_seed(seed))[:20].tolist()
        view = encoding.View(models[one], tuple(models[place] for place in others))
        above += any(risk.surely > 0 for risk in apart([detector(view) for detector in EVERY]))
    assert above <= 6  # of 40, where 5% are to be expected


def test_how_often_clean_models_are_accused_is_said(blank):
    assert next(check for check in blank.checks if "enough" in check.name).passed
    few = next(check for check in played(hiding.clean(OWN), CLEAN[:12]).checks if "enough" in check.name)
    assert not few.passed
    assert "in 7.7% of cases" in few.says
    assert "takes 19 clean models for 5.0%" in few.says


def test_room_in_the_weights_is_said_and_rounding_takes_it(blank):
    room = next(check for check in blank.checks if "wider" in check.name)
    assert not room.passed
    assert "2,004 weights" in room.says
    assert blank.how["spare bits"] >= 13 * hiding.WEIGHTS
    points = dict(blank.curves[0].lines[0].points)
    assert points[23].value == pytest.approx(points[7].value, abs=0.02)
    kept = 23 - blank.how["spare bits"] // hiding.WEIGHTS
    tight = played(encoding.rounded(hiding.clean(OWN), kept))
    assert next(check for check in tight.checks if "wider" in check.name).passed
    assert tight.how["spare bits"] == 0


def test_the_model_stays_as_it_is_and_the_same_seed_says_the_same(blank):
    model = copy.deepcopy(hiding.clean(OWN))
    before = copy.deepcopy(model.state_dict())
    again = played(pm.open_model(model))
    assert all(torch.equal(model.state_dict()[name], held) for name, held in before.items())
    assert str(again) == str(blank)
    assert str(played(model, seed=1)) != str(blank)


def test_records_and_the_order_of_clean_models_may_come_in_any_way(blank):
    sides = [pm.as_records(side, name="some") for side in hiding.halves(OWN)]
    turned = find_encoded(hiding.clean(OWN), *sides, references=CLEAN[::-1], probes=200)
    values = [[one.excess.value for one in game.tried] for game in (turned, blank)]
    assert values[0] == pytest.approx(values[1], rel=1e-4)


def test_detectors_may_be_named():
    game = played(hiding.malicious("signs"), detectors=["weight_spread", "sure_of_noise", "sure_of_noise(kind=sparse)"])
    assert [one.attack.split("(")[0] for one in game.tried] == ["weight_spread", *["sure_of_noise"] * 4]
    with pytest.raises(pm.InputError, match=r"no detector `spread`\. Choose from: low_bits"):
        played(hiding.clean(OWN), detectors=["spread"])
    with pytest.raises(pm.InputError, match="found none"):
        played(hiding.clean(OWN), detectors=[])


def test_a_detector_that_breaks_costs_no_other():
    def breaks(view):
        """Breaks."""
        raise ZeroDivisionError("by nothing")

    def no_number(view):
        """Gives no number of the model itself."""
        return torch.tensor([float("nan"), *[0.0] * len(view.clean)])

    game = played(hiding.malicious("signs"), detectors=[breaks, "weight_spread", no_number])
    assert [bool(one.failed) for one in game.tried] == [True, False, True]
    assert "ZeroDivisionError: by nothing" in game.tried[0].failed
    assert "finite number for each of 21 models" in game.tried[2].failed
    assert game.shows


def test_a_model_that_is_only_asked_is_judged_by_its_answers():
    def asked(batch):
        with torch.no_grad():
            return hiding.malicious("capacity")(batch)

    game = played(asked)
    assert all(one.attack.startswith("sure_of_noise") for one in game.tried)
    assert game.shows
    assert not game.curves
    named = played(asked, detectors=["low_bits"])
    assert "reads weights" in named.tried[0].failed
    assert named.shows is None
    assert "No detector could judge" in named.verdict


def test_reference_models_serve_as_clean_ones_if_they_saw_as_many_records():
    members, non_members = hiding.halves(0)
    recipe = pm.Recipe(hiding.network(0), epochs=2, batch_size=50)
    references = pm.train_references(recipe, members, non_members, count=8)
    game = find_encoded(pm.train_model(recipe, members), members, non_members, references=references, probes=50)
    sizes = next(check for check in game.checks if "as many records" in check.name)
    assert sizes.passed
    fewer = replace(references, members=references.members & False, non_members=references.non_members)
    told = find_encoded(pm.train_model(recipe, members), members, non_members, references=fewer, probes=50).checks[1]
    assert not told.passed
    assert "may stand apart and hide nothing" in told.says


@pytest.mark.parametrize("references", [None, CLEAN[:7], "models"])
def test_clean_models_are_asked_for(references):
    with pytest.raises(pm.InputError, match="8 clean models or more"):
        played(hiding.clean(OWN), references)


def test_saved_outputs_are_no_model():
    with pytest.raises(pm.InputError, match="saved outputs alone"):
        played(Opened(targets.as_saved, "saved"))


def test_clean_models_are_of_the_same_architecture():
    other = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 4))
    with pytest.raises(pm.InputError, match="clean model 3"):
        played(hiding.clean(OWN), [*CLEAN[:3], other, *CLEAN[4:]])


def test_noise_lies_within_the_range_of_records():
    x = torch.rand(50, 4, 5, generator=torch.Generator().manual_seed(0)) * 3 - 1
    made = noise_like(x, 40, seed=0)
    assert {of.shape for of in made.values()} == {(40, 4, 5)}
    assert all(of.min() >= x.min() and of.max() <= x.max() for of in made.values())
    least = made["sparse"] == x.amin(0)
    assert 0.9 < float(least.double().mean()) < 0.99
    assert torch.isin(made["shuffled"][:, 1, 2], x[:, 1, 2]).all()
    whole = noise_like((x * 10).round().long(), 40, seed=0)
    assert {of.dtype for of in whole.values()} == {torch.int64}
    assert noise_like([["a text"]], 4, seed=0) is None
