import numpy as np
import pytest
import torch
from informed_worlds import drawn, exact
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB
from torch import nn

from ml_privacy_meter.inferring.informed import as_it_is, sets, trained_like_it

(X, Y), (NX, NY) = drawn(60), drawn(60, seed=1)


def prepared(model, **settings):
    members, others = (X.numpy(), Y.numpy()), (NX.numpy(), NY.numpy())
    given = {"secrets": 6, "span": None, "rng": np.random.default_rng(0), **settings}
    return sets(model.fit(*members), members, others, None, **given)


def rows(of, among):
    return (of[:, None] == among[None]).all(2).any(1)


def test_of_a_member_all_others_are_known_and_of_a_control_all_members():
    own = prepared(exact())
    inside, outside = as_it_is(own, l2=None, penalised=False, seed=0).games(0.0)
    assert (len(inside), len(outside)) == (6, 6)
    for game in inside:
        assert len(game.view.x) == 59
        assert rows(game.records, X).all()
        assert not rows(game.records, torch.cat([game.view.x, game.view.public])).any()
    for game in outside:
        assert len(game.view.x) == 60
        assert rows(game.records, NX).all()
        assert not rows(game.records, torch.cat([game.view.x, game.view.public])).any()


def test_training_again_with_the_record_in_its_place_gives_the_model_itself():
    own = prepared(SGDClassifier(loss="log_loss", shuffle=False, random_state=0))
    for game, place in zip(as_it_is(own, l2=None, penalised=False, seed=0).games(0.0)[0], own.asked, strict=True):
        assert torch.equal(game.view.refit(game.records, Y[[place]]), game.view.weights)


def test_public_records_are_half_of_the_non_members_unless_they_are_given():
    own = prepared(GaussianNB())
    assert (len(own.public), len(own.controls)) == (30, 6)
    assert rows(own.public.x, NX).all()
    assert not rows(own.public.x, own.controls.x).any()
    other = prepared(GaussianNB(), rng=np.random.default_rng(1))
    assert not np.array_equal(own.asked, other.asked)


def test_the_range_tells_nothing_of_the_records_that_are_asked_about():
    held = prepared(GaussianNB()).asked
    far = X.numpy().copy()
    far[held, 0] += 7
    model, others = GaussianNB().fit(far, Y.numpy()), (NX.numpy(), NY.numpy())
    own = sets(model, (far, Y.numpy()), others, None, secrets=6, span=None, rng=np.random.default_rng(0))
    assert np.array_equal(own.asked, held)
    assert own.range.high[0] <= 1


@pytest.mark.parametrize("known", [True, False])
def test_who_trains_networks_again_begins_with_their_initial_weights_only_if_these_are_known(known):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3))
    sides = [(x.float(), y) for x, y in ((X, Y), (NX, NY))]
    own = sets(model, *sides, None, secrets=3, span=None, rng=np.random.default_rng(0))
    train = {"optimizer": "sgd", "epochs": 2, "batch_size": 100}
    made = trained_like_it(own, train=train, shadows=10, known_start=known, seed=0, device="cpu")
    (game,) = made.games(0.0)[0]
    again = game.view.refit(game.records, Y[own.asked])
    assert [torch.allclose(one, other) for one, other in zip(again, game.view.weights, strict=True)] == [known] * 3
