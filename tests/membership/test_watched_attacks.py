"""Attacks of somebody who watched the training: what they add up, and of whom."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import worlds

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership import (
    MembershipGame,
    Update,
    rehearsals,
    snapshots,
    threshold,
    update_cosine,
    update_dot,
)
from ml_privacy_meter.signals import Moved, gradients, loss, update_alignment


@pytest.fixture(scope="module")
def view():
    return worlds.leaky().view


def test_snapshots_are_summed_with_the_model_itself(view):
    x, y = view.records.x, view.records.labels
    expected = -sum(loss(model, x, y) for model in (view.target, *view.snapshots))
    torch.testing.assert_close(snapshots(view), expected.detach())


def test_the_dot_and_the_cosine_are_those_of_explicit_gradients(view):
    x, y = view.records.x, view.records.labels
    dot = cosine = 0.0
    for update in view.updates:
        by = -gradients(update.sent, x, y)
        along = update.change()["weight"].flatten().double()
        dot = dot + by @ along
        cosine = cosine + torch.nn.functional.cosine_similarity(by, along[None])
    torch.testing.assert_close(update_dot(view), dot, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(update_cosine(view), cosine, rtol=1e-4, atol=1e-6)


def of(client: str, round: int, seed: int, model: torch.nn.Linear) -> Update:
    change = {"weight": torch.randn(model.weight.shape, generator=torch.Generator().manual_seed(seed))}
    return Update(Moved(model, change), model, lambda: change, round, client)


@pytest.mark.parametrize("attack", [update_dot, update_cosine])
def test_each_record_is_held_against_the_updates_of_the_client_that_is_asked_about(view, attack):
    updates = {name: tuple(of(name, r, 10 * r + k, view.target) for r in (0, 1)) for k, name in enumerate("ab")}
    alone = {name: attack(replace(view, updates=of_one)) for name, of_one in updates.items()}
    both = replace(view, updates=updates["a"] + updates["b"])
    torch.testing.assert_close(attack(both), alone["a"] + alone["b"])
    client = np.array(["a", "b", "c"])[np.arange(600) % 3]
    expected = torch.where(torch.from_numpy(client == "a"), alone["a"], alone["b"])
    expected[torch.from_numpy(client == "c")] = 0  # sent nothing
    torch.testing.assert_close(attack(replace(both, client=client)), expected)


def test_averages_answer_for_every_client(view):
    """Behind secure aggregation, whose record it is cannot be asked."""
    everyone = replace(view, updates=(of("everyone", 0, 1, view.target),))
    asked = replace(everyone, client=np.array(["a", "b"])[np.arange(600) % 2])
    assert torch.equal(update_dot(asked), update_dot(everyone))


@pytest.mark.parametrize("attack", [snapshots, update_dot, update_cosine])
def test_where_nothing_was_watched_they_say_what_they_need(view, attack):
    with pytest.raises(InputError, match=r"found (nothing|none)"):
        attack(replace(view, snapshots=(), updates=()))


def test_in_rehearsals_nobody_watched():
    """No reference model was watched: what was seen of the target would be taken for theirs."""
    view = worlds.leaky(models=8).view
    assert view.snapshots
    assert view.updates
    for game in rehearsals(replace(view, client=np.full(600, "a"))):
        assert game.view.snapshots == game.view.updates == ()
        assert game.view.client is None


def test_who_is_asked_about_goes_with_the_record_into_folds(view):
    client = np.array(["a", "b"])[np.arange(600) % 2]
    seen = []

    def attack(part):
        seen.append((part.client, np.asarray(part.records.id).astype(int) % 2))
        return threshold(part)

    attack.needs_known = True
    MembershipGame(replace(view, client=client), worlds.leaky().member).play(attack)
    for names, parity in seen:
        assert np.array_equal(names == "b", parity == 1)


def test_small_updates_of_models_in_half_precision_are_not_lost():
    torch.manual_seed(0)
    model, x, y = torch.nn.Linear(5, 2).half(), torch.randn(6, 5).half(), torch.arange(6) % 2
    change = {name: torch.randn(p.shape, dtype=torch.float64) for name, p in model.named_parameters()}
    small = {name: value * 1e-9 for name, value in change.items()}
    found, whole = (update_alignment(Moved(model, moved), x, y) for moved in (small, change))
    torch.testing.assert_close(found * 1e9, whole, rtol=1e-2, atol=1e-3)
    assert whole.abs().min() > 1e-2
