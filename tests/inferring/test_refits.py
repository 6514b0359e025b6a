from functools import partial

import numpy as np
import pytest
import torch
from informed_worlds import PUBLIC, X, Y, drawn, exact
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from torch import nn

from ml_privacy_meter import InputError, Recipe, as_records, open_model, targets
from ml_privacy_meter.inferring.refits import by_recipe, fit_of, fitted, linear_of, with_each
from ml_privacy_meter.reconstruction import InformedGame, InformedView, range_of, refitted
from ml_privacy_meter.training.data import matched


def again(*, known_start: bool = True, rows=slice(1, None)):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    recipe = Recipe(optimizer="sgd", lr=0.5, momentum=0.0, epochs=8, batch_size=100, precision="fp32")
    way, _ = matched(recipe, [as_records((X.float(), Y), name="records")], open_model(model))
    return by_recipe(way, X[rows], Y[rows], seed=0, known_start=known_start, device="cpu")


def test_training_a_network_again_finds_the_record():
    refit = again()
    view = InformedView(refit(X[:1], Y[:1]), X[1:], Y[1:], *PUBLIC, range_of(X, (0, 1)), refit=refit)
    game = InformedGame(view, X[:1])
    found = game.play(partial(refitted, steps=2, starts=1, nudge=0.05))
    assert float(found.psnr) > float(game.nearest()) + 10
    assert found.labels.tolist() == [int(Y[0])]


def test_networks_of_the_same_records_are_the_same_where_the_start_is_known():
    twice = X[[0, 0]], Y[[0, 0]]
    one, other = again()(*twice)
    assert torch.allclose(one, other, atol=1e-6)
    one, other = again(known_start=False)(*twice)
    assert (one - other).abs().max() > 0.1


def test_without_one_more_the_network_is_trained_on_the_known_records_alone():
    alone, whole = again()(X[:0], Y[:0]), again(rows=slice(0, 59))(X[59:], Y[59:])
    assert alone.shape == (1, 83)
    assert (again(rows=slice(0, None))(X[:0], Y[:0]) - whole).abs().max() < 1e-4
    assert (alone - whole).abs().max() > 1e-4


def test_one_more_record_stands_where_it_stood():
    fit = fit_of(GaussianNB().fit(X.numpy(), Y.numpy()), 0)
    whole = fit(X, Y)
    for place in (0, 30, 59):
        rest = np.arange(60) != place
        assert torch.equal(with_each(fit, X[rest], Y[rest], place)(X[[place]], Y[[place]])[0], whole)


def read(model, *, x=X, y=Y, l2=None, classes=True):
    sides = [as_records((part.numpy(), of.numpy()), name="records") for part, of in ((x, y), (x, y))]
    target, _, _ = targets.fit(open_model(model), *sides)
    return linear_of(target, x[:20], classes=classes, l2=l2, penalised=False)


def test_linear_models_say_how_they_were_regularised():
    linear, weights = read(exact(C=0.25).fit(X.numpy(), Y.numpy()))
    assert (linear.rows, linear.l2, linear.penalised) == (3, 4.0, False)
    assert weights.shape == (21,)
    binary = (Y > 0).long()
    linear, _ = read(LogisticRegression(solver="liblinear").fit(X.numpy(), binary.numpy()), y=binary)
    assert (linear.rows, linear.l2, linear.penalised) == (1, 1.0, True)
    quantity = X.sum(1) + 0.01 * Y
    linear, _ = read(Ridge(alpha=3.0).fit(X.numpy(), quantity.numpy()), y=quantity, classes=False)
    assert (linear.rows, linear.l2, linear.classes) == (1, 3.0, False)
    assert read(exact().fit(X.numpy(), Y.numpy()), l2=7.0)[0].l2 == 7.0


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(class_weight="balanced"),
        LogisticRegression(fit_intercept=False),
        LogisticRegression(solver="saga", l1_ratio=1.0, tol=0.1),
        GaussianNB(),
    ],
)
def test_those_with_another_optimum_are_not_taken_for_linear(model):
    assert read(model.fit(X.numpy(), Y.numpy())) is None


def test_a_network_is_linear_only_where_it_answers_as_its_weights_say():
    torch.manual_seed(0)
    plain, bent = nn.Linear(6, 3).double(), nn.Sequential(nn.Linear(6, 3).double(), nn.Tanh())
    assert read(plain, l2=1.0)[0].rows == 3
    assert read(plain) is None
    assert read(bent, l2=1.0) is None


def test_what_was_learned_is_read_off_any_estimator_that_holds_arrays():
    one, other = (fitted(GaussianNB().fit(*(p.numpy() for p in drawn(60, seed=seed)))) for seed in (0, 1))
    assert one.shape == other.shape
    assert not torch.equal(one, other)
    with pytest.raises(InputError, match="holds none"):
        fitted(type("Empty", (), {})())
