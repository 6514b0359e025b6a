"""Hidden columns guessed and measured: of every kind of column, with the verdict that the figures allow."""

import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from hidden_worlds import NAMES, people, remembering, table, world
from torch import nn

from ml_privacy_meter import InputError, as_records, open_model
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.games import Tried
from ml_privacy_meter.inferring.attribute_figures import judged, verdict
from ml_privacy_meter.inferring.attributes import infer_attributes

WHOLE, SUREST = "accuracy, excess on members", "accuracy of the surest 10%, excess on members"
yeom_alone = partial(infer_attributes, attacks=["yeom"])


def _trees(frame, y):
    """Trees on words and numbers that know their records by heart."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    words = [name for name in frame if frame[name].dtype.kind not in "biuf"]
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), words), remainder="passthrough")
    return make_pipeline(encode, ExtraTreesClassifier(30, random_state=0)).fit(frame, y)


def _seen(seen):
    """An attack that keeps its view."""

    def spy(view):
        seen.append(view)
        return view.prior.expand(len(view.records.features), -1)

    return spy


def test_the_truth_is_not_in_the_view_nor_in_what_the_model_is_asked():
    model, (x, y), others = world(0, leaky=True, count=100)
    seen, asked = [], []
    spied = nn.Sequential(model)
    spied.register_forward_pre_hook(lambda _, args: asked.append(args[0].clone()))
    own = people(100, 77)
    for column in (x[:, 0], 1 - x[:, 0]):
        changed = torch.cat([column[:, None], x[:, 1:]], 1)
        asked.clear()
        infer_attributes(spied, (changed, y), others, columns=[0], auxiliary=own, attacks=[_seen(seen)])
        view = seen[-1]
        asked.clear()
        view.records.answers()
        held = view.records.answers.func.__self__.filled.known  # what the asking of the model holds on to
        assert held["0"].nunique() == 1
        seen[-1] = (view.records.features, view.records.answers().confidence, torch.cat(asked[-1:]))
    for one, other in zip(*seen, strict=True):
        assert torch.equal(one, other)


def test_a_verdict_names_the_leak_and_figures_stand_beside_imputation():
    (game,) = yeom_alone(*world(0, leaky=True), columns=[0])
    found, imputed = game.risks["yeom"], game.risks["imputation"]
    assert game.shows
    assert found[WHOLE].low > 0
    for side in ("members", "non-members"):
        for figure in ("accuracy", "AUC", "accuracy of the surest 10%"):
            assert found[f"{figure}, {side}"].baseline == pytest.approx(imputed[f"{figure}, {side}"].value)
    gained = found["accuracy over imputation's, members"].value
    assert gained == pytest.approx(found["accuracy, members"].value - imputed["accuracy, members"].value)
    beyond = gained - found["accuracy over imputation's, non-members"].value
    assert found[WHOLE].value == pytest.approx(min(gained, beyond))
    assert game.verdict.startswith("The model tells of its training records. The accuracy on members is ")
    assert "150 records of its own" not in game.knows
    assert "300 records of its own" in game.knows
    assert game.how["most_questions"] == 2 * (300 + 300 + 300)
    assert "no leak" not in game.verdict


def test_no_leak_shown_is_not_said_to_be_no_leak():
    (game,) = yeom_alone(*world(3, leaky=False, count=100), columns=[0])
    assert game.shows is False
    assert "No leak of training records shown" in game.verdict
    assert "Others might." in game.verdict


def _reached(name, member, other, *, members=400, confidence=0.02):
    """An attack that reached so much beside an imputation of .79 and .77."""

    def risk(named, value, baseline=0.0):
        return Risk(named, value, value - confidence, value + confidence, baseline, members)

    gained, beyond = member - 0.79, member - 0.79 - (other - 0.77)
    whole = replace(risk(WHOLE, min(gained, beyond)), surely=min(gained, beyond) - confidence)
    risks = (
        risk("accuracy, members", member, 0.79),
        risk("accuracy, non-members", other, 0.77),
        risk("accuracy over imputation's, members", gained),
        risk("accuracy over imputation's, non-members", other - 0.77),
    )
    return Tried(name, "", "", risks, whole)


def test_a_rate_below_that_of_imputation_is_said_to_be_no_leak_even_where_it_is_lower_on_non_members():
    csmia, imputed = _reached("csmia", 0.726, 0.669), _reached("imputation", 0.79, 0.77)
    assert csmia.shows is False
    said = verdict([csmia], imputed)
    assert "No leak of training records shown" in said
    assert "`csmia` (72.6%). These rates are no leak." in said
    assert "without the model (79.0%)" in said


def test_the_verdict_rests_on_the_first_figure_by_which_any_attack_shows_a_leak():
    def leak(name, low):
        return Risk(name, low + 0.01, low, low + 0.02, 0.0, 400, surely=low - 0.01)

    tried = [Tried("one", "", ""), Tried("two", "", "", failed="no"), Tried("three", "", "")]
    whole, few = [leak(WHOLE, -0.1), leak(SUREST, 0.2)], [leak(WHOLE, 0.005), leak(SUREST, -0.3)]
    found = judged(tried, [whole, [], few])
    assert [one.shows for one in found] == [True, None, False]
    assert [one.excess.name for one in found if one.excess] == [SUREST, SUREST]
    assert WHOLE in [risk.name for risk in found[0].risks]
    unknown = Risk("AUC, excess on members", None, -1.0, 1.0, 0.0, 400, note="too few")
    found = judged(tried, [[unknown, leak(WHOLE, -0.1)], [], [unknown, few[1]]])
    assert [one.shows for one in found] == [False, None, False]  # what could not be measured is passed over
    found = judged(tried, [whole, [], [leak(WHOLE, 0.05), leak(SUREST, 0.3)]])
    assert [one.excess.name for one in found if one.excess] == [WHOLE, WHOLE]
    assert [one.shows for one in found] == [False, None, True]


def test_what_is_gained_on_non_members_too_is_said_to_be_of_people_in_general():
    general = _reached("yeom", 0.84, 0.85)
    assert general.shows is False
    assert "For non-members, too, imputation is beaten, by `yeom`" in verdict(
        [general], _reached("imputation", 0.79, 0.77)
    )


def test_where_no_attack_ran_nothing_is_said():
    assert verdict([Tried("yeom", "", "", failed="no")], _reached("imputation", 0.79, 0.77)) == (
        "No attack ran to its end: nothing can be said."
    )


def test_intervals_of_the_verdict_widen_with_the_attacks_and_columns_that_are_played():
    case = world(0, leaky=True, count=100)
    one = yeom_alone(*case, columns=[0])[0].tried[0].excess
    first, second = yeom_alone(*case, columns=[0, 1])
    assert first.secret == "0"
    assert second.secret == "1"
    assert first.tried[0].excess.low == one.low > one.surely > first.tried[0].excess.surely


def test_the_same_seed_gives_the_same_game_and_another_draws_others():
    case = world(0, leaky=True, count=100)
    assert yeom_alone(*case, columns=[0]) == yeom_alone(*case, columns=[0])
    assert yeom_alone(*case, columns=[0]) != yeom_alone(*case, columns=[0], seed=1)


def test_of_a_wide_layer_only_as_many_records_are_held_as_fit(monkeypatch):
    module = sys.modules["ml_privacy_meter.inferring.filled_in"]
    seen, case = [], world(0, leaky=True, count=100)
    settings = {"columns": [0], "attacks": [_seen(seen), "neurons"]}
    monkeypatch.setattr(module, "MOST_NUMBERS", 2 * 2 * 60)  # two votes for each of two candidates
    (game,) = infer_attributes(*case, **settings)
    assert seen[0].auxiliary.neurons(None).shape == (60, 2, 2)
    assert len(seen[0].records.neurons([1])) == 200
    assert not game.tried[1].failed


def test_what_words_hide_is_guessed_in_tables_and_groups_are_reported_apart():
    sides = [table(x).assign(y=y.numpy(), region=np.where(x[:, 2] > 0, "east", "west")) for x, y in _sides(0, 300)]
    model = _trees(sides[0].drop(columns=["y", "region"]), sides[0]["y"])
    members, others = (as_records(side, groups="region", drop="region") for side in sides)
    (game,) = infer_attributes(model, members, others, columns=["secret"], attacks=["yeom", "neurons"])
    yeom, neurons = game.tried
    assert game.how["candidates"] == ["no", "yes"]
    assert yeom.excess.low > 0
    assert neurons.failed.startswith("`neurons` looks inside the model")
    assert [(group.column, group.value) for group in yeom.groups] == [("region", "east"), ("region", "west")]
    assert sum(group.members for group in yeom.groups) == 300
    (blind,) = infer_attributes(model, members, others, columns=["secret"])
    assert [one.attack for one in blind.tried] == ["yeom", "csmia", "lomia", "imputation_times_model", "black_box"]


def _sides(seed, count):
    return people(count, seed), people(2 * count, seed + 5_000)


def test_files_are_taken_by_their_paths_and_their_columns_by_name(tmp_path):
    members, others = _sides(0, 200)
    for name, (x, y) in {"members": members, "others": others, "own": people(100, 9)}.items():
        pd.DataFrame(x.numpy(), columns=list(NAMES)).assign(label=y.numpy()).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    paths = [str(tmp_path / f"{name}.csv") for name in ("members", "others", "own")]
    model = remembering(*members)
    (game,) = yeom_alone(model, *paths[:2], columns=["secret"], auxiliary=paths[2])
    (same,) = yeom_alone(open_model(model), members, as_records(others), columns=[0], auxiliary=people(100, 9))
    assert game.risks["yeom"] == same.risks["yeom"]
    assert game.secret == "secret"
    assert game.how["auxiliary_given"] is True


def test_one_hot_columns_are_one_secret_by_the_beginning_of_their_names_or_as_said():
    sides = []
    for x, y in _sides(0, 200):
        frame = pd.get_dummies(table(x), columns=["secret"], dtype=float)
        sides.append((frame.drop(columns="told").assign(told=x[:, 1].numpy()), pd.Series(y.numpy())))
    model = _trees(*sides[0])
    (game,) = yeom_alone(model, *sides, columns=["secret"])
    assert game.how["candidates"] == ["yes", "no"]  # sorted as they are written: (0, 1) comes before (1, 0)
    named = {"flag": ["secret_no", "secret_yes"]}
    (same,) = yeom_alone(model, *sides, columns=["flag"], one_hot=named)
    assert same.risks["yeom"][WHOLE] == game.risks["yeom"][WHOLE]
    assert sorted(same.how["candidates"]) == ["secret_no", "secret_yes"]


def test_a_quantity_is_guessed_among_quantiles_within_a_tolerance_that_is_said():
    members, others = _sides(0, 300)
    model = remembering(*members, sharpness=20.0)
    (game,) = yeom_alone(model, members, others, columns=[2], bins=5)
    found = game.risks["yeom"]
    assert len(game.how["candidates"]) == 5
    assert game.tried[0].failed == ""
    far = found["mean absolute error, members"]
    assert far.value < far.baseline
    assert not any("AUC" in name for name in found)
    spread = np.diff(np.quantile(others[0][:, 2], [0.05, 0.95]))[0]
    assert game.how["tolerance"] == pytest.approx(spread / 10, rel=0.2)
    (wide,) = yeom_alone(model, members, others, columns=[2], bins=5, tolerance=100.0)
    assert wide.risks["yeom"]["accuracy, members"].value == 1.0
    assert any(f"within {game.how['tolerance']:g} of the true value" in note for note in game.notes)


def test_a_quantity_that_nearly_all_hold_at_its_largest_is_refused():
    def full(side):
        x, y = side
        many = torch.where(torch.arange(len(x)) % 25 == 0, torch.arange(len(x)).float(), 1e6)
        return torch.cat([x, many[:, None]], 1), y

    members, others = (full(side) for side in _sides(0, 600))
    with pytest.raises(InputError, match=r"must spread over 2 bins or more, but most .* hold 1e"):
        yeom_alone(nn.Linear(members[0].shape[1], 2), members, others, columns=[len(NAMES)])


def test_sides_of_two_sources_void_what_seems_a_leak():
    model, (x, y), others = world(0, leaky=True)
    other = torch.cat([others[0][:, :-1], others[0][:, -1:] + 2], 1), others[1]
    (game,) = yeom_alone(model, (x, y), other, columns=[0])
    (check,) = [check for check in game.checks if not check.passed]
    assert check.voids
    assert game.verdict.startswith("These figures measure something else than the model")


def test_large_seeds_are_seeds_too():
    (game,) = yeom_alone(*world(0, leaky=True, count=100), columns=[0], seed=2**32)
    assert game.how["seed"] == 2**32


def test_numbers_may_stand_for_categories():
    sides = [(torch.cat([(x[:, :1] * 7 + 3), x[:, 1:]], 1), y) for x, y in _sides(0, 200)]
    model = remembering(*sides[0])
    (game,) = yeom_alone(model, *sides, columns=[0], bins=1 + 1)
    assert game.how["candidates"] == ["3.0", "10.0"]
    many = [(torch.cat([torch.arange(len(x))[:, None] % 12 + 0.0, x[:, 1:]], 1), y) for x, y in sides]
    (codes,) = yeom_alone(model, *many, columns=[0], categorical=[0])
    assert len(codes.how["candidates"]) == 12
    assert codes.how["tolerance"] is None
    (quantity,) = yeom_alone(model, *many, columns=[0])
    assert quantity.how["tolerance"] > 0


def test_models_of_quantities_are_asked_too():
    members, others = (
        (x, (x[:, 0] - x[:, 1]) * 2 + torch.randn(len(x), generator=torch.Generator().manual_seed(len(x))))
        for x, _ in _sides(0, 300)
    )
    from sklearn.ensemble import ExtraTreesRegressor

    model = ExtraTreesRegressor(30, random_state=0).fit(members[0].numpy(), members[1].numpy())
    (game,) = infer_attributes(model, members, others, columns=[0])
    assert [one.attack for one in game.tried] == ["yeom", "imputation_times_model", "black_box"]
    assert game.risks["yeom"][WHOLE].low > 0
    (named,) = infer_attributes(model, members, others, columns=[0], attacks=["csmia"])
    assert "labels are quantities" in named.tried[0].failed


def test_a_column_that_gives_the_secret_away_is_named_and_dropped_it_is_filled_from_a_donor_with_the_candidate():
    def paired(x):
        return torch.cat([x, x[:, :1] * 5], 1)  # the last column gives the first away

    members, others = ((paired(x), y) for x, y in _sides(0, 200))

    class Suspicious(nn.Module):
        def forward(self, x):
            apart = (5 * x[:, 0] - x[:, -1]).square()
            return torch.stack([100 * apart + 2, torch.full((len(x),), -1.0)], 1)

    seen = []
    (game,) = infer_attributes(Suspicious(), members, others, columns=[0], attacks=[_seen(seen)])
    (away,) = [check for check in game.checks if not check.passed]
    assert f"`{len(NAMES)}` alone settles the secret of 100.0%" in away.says
    (game,) = infer_attributes(Suspicious(), members, others, columns=[0], drop=[len(NAMES)], attacks=[_seen(seen)])
    assert all(check.passed for check in game.checks)
    assert f"`{len(NAMES)}`" in game.knows
    assert any("most like the one asked about" in note for note in game.notes)
    plain, dropped = seen
    assert dropped.records.features.shape[1] == plain.records.features.shape[1] - 1
    for known in (dropped.records, dropped.auxiliary):
        assert known.answers().confidence.diff(dim=1).abs().max() < 1e-9
    assert plain.records.answers().confidence.diff(dim=1).abs().min() > 0
    donors = dropped.auxiliary.answers.func.__self__.filled.fills[0][1]  # of auxiliary records, not themselves
    assert (donors != np.arange(len(donors))[:, None]).all()
    assert torch.equal(dropped.secret[torch.from_numpy(donors)], torch.tensor([[0, 1]]).expand(len(donors), 2))


def test_a_column_that_gives_away_a_part_of_the_secrets_is_named():
    def partly(x):
        return torch.cat([x, torch.where(x[:, 1:2] > 0, x[:, :1], 0.5)], 1)  # of those with a one in the second column

    members, others = ((partly(x), y) for x, y in _sides(0, 200))
    model = nn.Linear(members[0].shape[1], 2)
    (game,) = yeom_alone(model, members, others, columns=[0])
    (away,) = [check for check in game.checks if not check.passed]
    assert f"`{len(NAMES)}` alone settles the secret of" in away.says
    (kept,) = yeom_alone(model, members, others, columns=[0], drop=[len(NAMES)])
    assert all(check.passed for check in kept.checks)


def test_one_rare_value_is_judged_by_the_auc():
    rng = np.random.default_rng(0)
    sides = [
        (torch.cat([torch.from_numpy(rng.random((len(x), 1)) < 0.1).float(), x[:, 1:]], 1), y)
        for x, y in _sides(0, 300)
    ]
    (game,) = yeom_alone(remembering(*sides[0]), *sides, columns=[0])
    assert game.tried[0].excess.name == "AUC, excess on members"
    assert any("how well guesses rank before" in note for note in game.notes)


def test_records_of_the_adversary_that_are_asked_about_are_noticed():
    model, members, others = world(0, leaky=True, count=100)
    (game,) = yeom_alone(model, members, others, columns=[0], auxiliary=members)
    (check,) = [check for check in game.checks if "others than those" in check.name]
    assert not check.passed
    assert "100.0% of the members and 0.0% of the non-members" in check.says


def test_a_strangers_attack_that_breaks_is_in_the_game():
    def broken(view):
        raise KeyError("no such thing")

    (game,) = infer_attributes(*world(0, leaky=True, count=100), columns=[0], attacks=[broken])
    assert game.tried[0].failed == "KeyError: 'no such thing'"
    assert game.shows is None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"columns": ["age"]}, "found 'age'. There are: 0, 1, 2"),
        ({"columns": []}, "at least one column"),
        ({"columns": [0], "drop": [0]}, "either guessed or dropped"),
        ({"columns": [0], "attacks": ["yeoman"]}, "Did you mean `yeom`"),
        ({"columns": [2], "categorical": [2]}, "2 to 100 different values in 10 or more"),
        ({"columns": [0], "most": 20}, "`most` must be a whole number of at least 50"),
        ({"columns": [0], "confidence": 2.0}, "`confidence` must lie between"),
        ({"columns": [0], "auxiliary": people(30, 9)}, "50 auxiliary records or more, found 30"),
        ({"columns": [2], "tolerance": -1.0}, "`tolerance` must be a number of at least 0, found -1.0"),
        ({"columns": [2], "tolerance": float("nan")}, "`tolerance` must be a number of at least 0, found nan"),
        ({"columns": [0], "seed": -1}, "`seed` must be a whole number of at least 0"),
    ],
)
def test_what_cannot_be_played_is_refused(settings, says):
    with pytest.raises(InputError, match=says):
        infer_attributes(*world(0, leaky=True, count=100), **settings)


def test_pictures_and_several_labels_are_refused():
    x, y = people(120, 0)
    pictures = torch.randn(120, 3, 4, 4)
    with pytest.raises(InputError, match="columns, found records of the shape"):
        infer_attributes(nn.Sequential(nn.Flatten(), nn.Linear(48, 2)), (pictures, y), (pictures, y), columns=[0])
    several = nn.functional.one_hot(y, 2).flip(0) + nn.functional.one_hot(y, 2)
    with pytest.raises(InputError, match="found several numbers a record"):
        infer_attributes(nn.Linear(x.shape[1], 2), (x, several.clamp(max=1)), (x, several.clamp(max=1)), columns=[0])
