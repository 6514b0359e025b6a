import json
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from informed_worlds import drawn, exact
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from ml_privacy_meter import InputError, open_model
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.games import Game, Tried
from ml_privacy_meter.inferring.records import _verdict, reconstruct_records
from ml_privacy_meter.reconstruction import closed_form, refitted

(X, Y), (NX, NY), (PX, PY) = drawn(60), drawn(60, seed=1), drawn(200, seed=2)
MEMBERS, OTHERS = (X.numpy(), Y.numpy()), (NX.numpy(), NY.numpy())
TRAIN = {"optimizer": "sgd", "lr": 0.5, "momentum": 0.0, "epochs": 20, "batch_size": 1000, "schedule": "constant"}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def play(model=None, members=MEMBERS, others=OTHERS, **settings) -> Game:
    model = model or exact().fit(*MEMBERS)
    return reconstruct_records(model, members, others, **{"secrets": 10, "noise": (), "span": (0, 1), **settings})


def test_members_of_a_softmax_regression_are_read_off_its_weights_and_non_members_are_not():
    game = play(noise=(1e-4, 1e-2))
    assert game.shows
    for name in ("closed_form", "likeliest"):
        risks = game.risks[name]
        assert risks["median PSNR, members (dB)"].low > 60 > 40 > risks["median PSNR, members (dB)"].baseline
        assert risks["median PSNR, non-members (dB)"].value < 30
        assert risks["label right, members"].value == 1
        assert risks["above 30 dB, non-members"].value == 0
    (curve,) = game.curves
    for line in curve.lines:
        assert [place for place, _ in line.points] == [1e-4, 1e-2]
        assert line.points[0][1].value > line.points[1][1].value + 15
    assert all(check.passed for check in game.checks)
    assert "give away training records" in game.verdict


def test_a_model_of_other_records_gives_away_none():
    shown = [
        play(exact().fit(*(part.numpy() for part in drawn(60, seed=seed))), seed=seed, secrets=6).shows
        for seed in range(3, 11)
    ]
    assert sum(shown) <= 1


def test_of_few_records_no_false_comfort_is_given():
    game = play(secrets=2)
    assert not game.shows
    assert "No leak" not in game.verdict
    assert "take it for a leak" in game.verdict


def test_it_says_where_training_stopped_before_its_optimum():
    game = play(LogisticRegression(tol=1e-1, max_iter=20).fit(*MEMBERS), attacks=["closed_form"])
    assert [check.passed for check in game.checks] == [False, True]
    assert "stopped before its optimum" in game.checks[0].says


def test_members_among_public_records_are_no_comfort():
    game = play(public=MEMBERS, attacks=["closed_form"])
    assert not game.shows
    assert [check.passed for check in game.checks] == [True, False]
    assert "10 equal a record" in game.checks[1].says


def test_the_verdict_names_the_attack_that_shows_the_leak():
    def tried(name, psnr, low):
        risks = [Risk("median PSNR", value, value, value, 10.0, 9) for value in (psnr, psnr, 12.0, 0.0)]
        return Tried(name, "says", "sees", tuple(risks), Risk("excess", low + 0.1, low, 1.0, 0.0, 9))

    assert "`sure` reconstructs" in _verdict((tried("sure", 30.0, 0.2), tried("unsure", 50.0, -0.2)), own_weights=True)


def test_with_a_wrong_penalty_less_can_be_read():
    right, wrong = (play(attacks=["closed_form"], l2=l2).risks["closed_form"] for l2 in (1.0, 5.0))
    assert right["median PSNR, members (dB)"].value > 60 > wrong["median PSNR, members (dB)"].value


def test_estimators_without_an_optimum_are_fitted_again():
    game = play(GaussianNB().fit(*MEMBERS), secrets=4)
    assert [one.attack for one in game.tried] == ["refitted"]
    assert game.risks["refitted"]["median PSNR, members (dB)"].value > 60
    assert game.tried[0].excess.value == 1
    assert game.checks[0].passed


def test_pipelines_are_fitted_again_too():
    model = make_pipeline(StandardScaler(), GaussianNB()).fit(*MEMBERS)
    game = play(model, secrets=2, attacks=[partial(refitted, steps=3)])
    assert game.risks["refitted(steps=3)"]["median PSNR, members (dB)"].value > 30


def test_it_says_where_training_again_gives_another_model():
    model = GaussianNB().fit(X.numpy()[:50], Y.numpy()[:50])
    game = play(model, secrets=2, attacks=[partial(refitted, steps=1)])
    assert [check.passed for check in game.checks] == [False, True]


def test_quantities_and_their_records_are_read_off_a_ridge_regression():
    y, other = ((x @ torch.arange(6.0).double() + 0.05 * x[:, 0].cos() ** 9).numpy() for x in (X, NX))
    noise = np.random.default_rng(0).normal(0, 0.1, 60)
    model = Ridge(alpha=0.5).fit(X.numpy(), y + noise)
    game = play(model, (X.numpy(), y + noise), (NX.numpy(), other), attacks=[closed_form])
    assert game.risks["closed_form"]["median PSNR, members (dB)"].value > 60
    assert game.risks["closed_form"]["label right, members"].value == 1


def test_a_linear_network_is_read_where_its_weight_decay_is_said():
    torch.manual_seed(0)
    model, decay = nn.Linear(6, 3).double(), 0.02
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=500, tolerance_grad=1e-13, tolerance_change=0)

    def loss():
        optimizer.zero_grad()
        found = nn.functional.cross_entropy(model(X), Y)
        found = found + decay / 2 * sum(p.square().sum() for p in model.parameters())
        found.backward()
        return found

    optimizer.step(loss)
    game = play(model, (X, Y), (NX, NY), l2=decay * 60, penalised=True, attacks=["closed_form"])
    assert game.risks["closed_form"]["median PSNR, members (dB)"].value > 60
    assert all(check.passed for check in game.checks)


def test_networks_trained_like_the_model_give_away_the_record_to_who_trains_many():
    sides = [(x.float(), y) for x, y in ((X, Y), (NX, NY), (PX, PY))]
    game = play(network(), *sides[:2], public=sides[2], train=TRAIN, shadows=150)
    risks = game.risks["learned"]
    assert risks["median PSNR, members (dB)"].value > risks["median PSNR, members (dB)"].baseline + 5
    assert game.tried[0].excess.low > 0
    assert risks["median PSNR, non-members (dB)"].value < risks["median PSNR, non-members (dB)"].baseline
    assert "not the model itself" in game.notes[0]
    assert game.how["shadows"] == 150


def test_networks_of_a_quantity_are_taken():
    sides = [(x.float(), x.sum(1).float() + 0.1 * y) for x, y in ((X, Y), (NX, NY), (PX, PY))]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
    game = play(model, *sides[:2], public=sides[2], train={**TRAIN, "lr": 0.05}, shadows=100)
    assert not game.tried[0].failed
    assert game.risks["learned"]["median PSNR, members (dB)"].trials == 10


def test_weights_that_are_not_to_be_had_are_not_read():
    opened = replace(open_model(exact().fit(*MEMBERS)), after=lambda p: p.round(decimals=2), after_says="rounding")
    with pytest.raises(InputError, match="pass through rounding"):
        play(opened)


def test_who_does_not_know_the_initial_weights_learns_less():
    sides = [(x.float(), y) for x, y in ((X, Y), (NX, NY), (PX, PY))]
    game = play(network(), *sides[:2], public=sides[2], train=TRAIN, shadows=150, known_start=False)
    assert not game.shows
    assert "draws its own initial weights" in game.notes[0]


def test_tables_with_names_for_columns_and_classes_are_taken():
    names, classes = [f"f{i}" for i in range(6)], np.array(["red", "green", "blue"])
    sides = [pd.DataFrame(x.numpy(), columns=names).assign(y=classes[y]) for x, y in ((X, Y), (NX, NY))]
    model = exact().fit(sides[0][names], sides[0].y)
    game = reconstruct_records(model, *sides, secrets=5, noise=())
    assert game.risks["closed_form"]["median PSNR, members (dB)"].value > 60
    assert game.risks["closed_form"]["label right, members"].value == 1


def test_opened_models_are_taken_the_same_game_comes_again_and_json_holds_it():
    model = exact().fit(*MEMBERS)
    first, again = play(model, attacks=["closed_form"]), play(open_model(model), attacks=["closed_form"])
    assert first == again
    assert first != play(model, attacks=["closed_form"], seed=1)
    json.dumps(asdict(first))
    assert "array" not in repr(first)
    assert "tensor" not in repr(first)


def test_several_attacks_are_judged_together_and_one_that_breaks_is_there_as_failed():
    def breaks(view):
        """Breaks."""
        raise ValueError("broken")

    game = play(attacks=["closed_form", breaks, "learned"], secrets=2)
    failed = {one.attack: one.failed for one in game.tried}
    assert failed["breaks"] == "ValueError: broken"
    assert "say how to train" in failed["learned"]
    assert not failed["closed_form"]
    assert game.tried[0].excess.surely < game.tried[0].excess.low


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": nn.Sequential(nn.Linear(6, 3).double(), nn.Tanh())}, "as `train`"),
        ({"model": DecisionTreeClassifier(), "attacks": ["refitted"]}, "holds none"),
        ({"attacks": ["closed"]}, "closed_form"),
        ({"attacks": "closed_form"}, "must be a list of at least one attack"),
        ({"attacks": ["closed_form", closed_form]}, "named once"),
        ({"noise": (1e-2, 1e-4)}, "positive numbers that rise"),
        ({"secrets": 1}, "secrets"),
        ({"model": network(), "train": {"epoch": 3}}, "epochs"),
        ({"span": (1, 0)}, "the least and the largest"),
        ({"others": (OTHERS[0][:3], OTHERS[1][:3])}, "4 non-members"),
    ],
)
def test_what_cannot_be_played_is_refused(settings, message):
    if isinstance(settings.get("model"), DecisionTreeClassifier):
        settings = {**settings, "model": settings["model"].fit(*MEMBERS)}
    with pytest.raises(InputError, match=message):
        play(**settings)


def test_columns_of_words_are_refused():
    sides = [pd.DataFrame({"a": x[:, 0], "b": ["p", "q"] * 30, "y": y}) for x, y in ((X, Y), (NX, NY))]

    class Any:
        classes_ = np.array([0, 1, 2])

        def get_params(self, deep=True):
            return {}

        def fit(self, x, y):
            return self

        def predict_proba(self, x):
            return np.full((len(x), 3), 1 / 3)

    with pytest.raises(InputError, match="columns of words: b"):
        reconstruct_records(Any(), *sides)
