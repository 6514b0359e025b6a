import re
from dataclasses import fields, replace
from functools import partial

import numpy as np
import pytest
import torch
from informed_worlds import PUBLIC, X, Y, again, drawn, exact, game
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.naive_bayes import GaussianNB

from ml_privacy_meter import InputError
from ml_privacy_meter.reconstruction import (
    DoesNotApplyError,
    InformedGame,
    InformedView,
    Linear,
    Shadows,
    closed_form,
    learned,
    likeliest,
    range_of,
    refitted,
)

PLACES = (0, 7, 20, 41)


@pytest.mark.parametrize("attack", [closed_form, likeliest])
def test_at_the_optimum_of_a_softmax_regression_the_missing_record_can_be_read(attack):
    for place in PLACES:
        one = game(place)
        found = one.play(attack)
        assert float(found.psnr) > 60 > float(one.nearest())
        assert found.labels.tolist() == [int(Y[place])]


@pytest.mark.parametrize("attack", [closed_form, likeliest])
def test_and_of_a_logistic_regression_of_two_classes(attack):
    y = (Y > 0).long()
    for place in PLACES:
        found = game(place, y=y).play(attack)
        assert float(found.psnr) > 60
        assert found.labels.tolist() == [int(y[place])]


@pytest.mark.parametrize(("model", "l2"), [(LinearRegression(), 0.0), (Ridge(alpha=2.0), 2.0)])
def test_and_of_a_linear_regression_with_its_quantity(model, l2):
    y = X @ torch.arange(6.0).double() + 0.1 * torch.randn(60, generator=torch.Generator().manual_seed(0)).double()
    model.fit(X.numpy(), y.numpy())
    released = torch.tensor(np.append(model.coef_, model.intercept_))[None]
    view = InformedView(released, X[1:], y[1:], PUBLIC[0], PUBLIC[1].double(), range_of(X), linear=Linear(1, False, l2))
    found = InformedGame(view, X[:1]).play(closed_form)
    assert float(found.psnr) > 60
    assert float(found.labels) == pytest.approx(float(y[0]))


def test_a_penalty_of_the_intercept_is_reckoned_with():
    model = exact()
    rows = np.c_[X.numpy(), np.ones(60)]
    model.set_params(fit_intercept=False).fit(rows, Y.numpy())
    right, wrong = (Linear(3, True, 1.0, penalised=penalised) for penalised in (True, False))
    view = InformedView(
        torch.tensor(model.coef_).reshape(1, -1), X[1:], Y[1:], *PUBLIC, range_of(X, (0, 1)), linear=right
    )
    assert float(InformedGame(view, X[:1]).play(closed_form).psnr) > 60
    assert float(InformedGame(replace(view, linear=wrong), X[:1]).play(closed_form).psnr) < 30


@pytest.mark.parametrize("attack", [closed_form, likeliest])
def test_of_a_record_that_was_not_trained_on_nothing_can_be_read(attack):
    games = [game(place, trained=False) for place in PLACES]
    assert sum(float(one.play(attack).psnr) > float(one.nearest()) for one in games) <= 1


def test_noise_hides_the_record_and_less_so_from_who_reckons_with_it():
    medians = {
        attack: [
            float(torch.cat([game(place, noise=noise).play(attack).psnr for place in range(12)]).median())
            for noise in (1e-5, 1e-3, 1e-2)
        ]
        for attack in (closed_form, likeliest)
    }
    for first, second, third in medians.values():
        assert first > second + 10 > third + 10
    assert all(b > a for a, b in zip(medians[closed_form], medians[likeliest], strict=True))


def test_a_linear_attack_says_where_it_does_not_apply():
    blind = game(0).view
    for attack in (closed_form, likeliest):
        with pytest.raises(DoesNotApplyError, match="it is not"):
            attack(replace(blind, linear=None))
    with pytest.raises(DoesNotApplyError, match="linear classifier"):
        likeliest(replace(blind, linear=Linear(3, False, 1.0)))
    with pytest.raises(DoesNotApplyError, match=re.escape("at most 3,000 weights, found 3,001")):
        likeliest(replace(blind, weights=torch.zeros(1, 3001)))


def test_training_again_finds_the_record_of_naive_bayes():
    for place in PLACES:
        one = game(place, model=GaussianNB(), refit=again(GaussianNB(), place))
        found = one.play(refitted)
        assert float(found.psnr) > 60
        assert found.labels.tolist() == [int(Y[place])]


def test_training_again_finds_no_record_that_was_not_trained_on():
    games = [game(place, model=GaussianNB(), trained=False, refit=again(GaussianNB(), place)) for place in PLACES]
    assert sum(float(one.play(partial(refitted, steps=4)).psnr) > float(one.nearest()) for one in games) <= 1


def test_training_again_needs_to_know_how():
    with pytest.raises(DoesNotApplyError, match="not known how"):
        refitted(game(0).view)


def shadowed(leaks: bool, seed: int = 0) -> InformedGame:
    """Weights that are a product of the record, and differ by its class; or that are only noise."""
    draw = torch.Generator().manual_seed(seed)
    mix = torch.randn(3, 6, 20, generator=draw).double()

    def weights(x, y):
        told = torch.einsum("nf,nfw->nw", x - 0.5, mix[y]) + 3 * mix[y, 0]
        return told if leaks else torch.randn(len(x), 20, generator=draw).double()

    (x, y), (own, labels) = drawn(300, seed=5), drawn(30, seed=6)
    view = InformedView(
        weights(own, labels), X, Y, *PUBLIC, range_of(X, (0, 1)), shadows=Shadows(x, y, weights(x, y)), seed=seed
    )
    return InformedGame(view, own)


def test_models_with_other_records_teach_to_read_the_unknown_one():
    one = shadowed(True)
    found = one.play(learned)
    assert float((found.psnr > one.nearest()).double().mean()) > 0.9
    assert float((found.labels == drawn(30, seed=6)[1]).double().mean()) > 0.9


def test_they_teach_nothing_where_weights_say_nothing():
    one = shadowed(False)
    assert float((one.play(learned).psnr > one.nearest()).double().mean()) < 0.2


def test_quantities_are_learned_beside_the_features():
    one = shadowed(True)
    shadows, y = one.view.shadows, lambda x: x.sum(1)
    found = InformedGame(replace(one.view, shadows=replace(shadows, y=y(shadows.x)), y=y(X)), one.records).play(learned)
    assert float(np.corrcoef(found.labels, y(one.records))[0, 1]) > 0.8


def test_learning_needs_models_to_learn_from():
    with pytest.raises(DoesNotApplyError, match="say how to train"):
        learned(game(0).view)
    few = Shadows(X[:5], Y[:5], torch.zeros(5, 21))
    with pytest.raises(InputError, match="At least 10 models are needed to learn from, found 5"):
        learned(replace(game(0).view, shadows=few))


def test_the_same_view_gives_the_same_guess_and_models_in_another_order_the_same_guesses():
    one, order = shadowed(True), torch.randperm(30, generator=torch.Generator().manual_seed(3))
    first, other = (
        one.play(learned),
        InformedGame(replace(one.view, weights=one.view.weights[order]), one.records[order]),
    )
    assert torch.equal(first.psnr, one.play(learned).psnr)
    assert torch.allclose(other.play(learned).psnr, first.psnr[order])
    two = game(0)
    assert all(torch.equal(two.play(a).psnr, two.play(a).psnr) for a in (closed_form, likeliest))


def test_the_view_does_not_hold_the_record():
    one = game(7)
    held = [getattr(one.view, field.name) for field in fields(one.view)]
    for part in held:
        if isinstance(part, torch.Tensor) and part.shape[1:] == (6,):
            assert not (part == X[7]).all(1).any()


def test_a_column_counts_by_its_own_range_and_one_that_never_varies_by_the_others():
    x = torch.tensor([[0.0, 10.0, 5.0], [1.0, 30.0, 5.0]])
    found = range_of(x)
    assert found.width.tolist() == [1.0, 20.0, 10.5]
    assert found.cut(torch.tensor([[9.0, 0.0, float("nan")]])).tolist() == [[2.0, 0.0, 0.0]]
    assert range_of(torch.rand(4, 1, 8, 8)).width.ndim == 0
    with pytest.raises(InputError, match="must differ from one another"):
        range_of(torch.ones(3, 2))
    with pytest.raises(InputError, match="the least and the largest"):
        range_of(x, (1.0, 0.0))


def test_likeness_is_measured_in_shares_of_the_range():
    view = replace(game(0).view, range=range_of(X * torch.arange(1, 7)), x=X[1:] * torch.arange(1, 7))
    one = InformedGame(view, X[[0]] * torch.arange(1, 7))
    off = one.play(lambda view: (one.records + 0.1 * view.range.width, Y[:1]))
    assert float(off.psnr) == pytest.approx(20)


def test_a_game_refuses_what_is_no_guess_and_records_of_another_shape():
    one = game(0)
    with pytest.raises(InputError, match=re.escape("must give records of shape (1, 6) and a label for each")):
        one.play(lambda view: X[:1])
    with pytest.raises(InputError, match=re.escape("one record of shape (6,) for each of 1 models, found (2, 6)")):
        InformedGame(one.view, X[:2])
