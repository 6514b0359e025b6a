"""Attacks of somebody who watched the training: what they add up, and of whom."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import worlds

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership import (
    MembershipGame,
    Update,
    as_rehearsed,
    bavaria,
    lira,
    rehearsals,
    rmia,
    snapshots,
    stacked,
    threshold,
    update_cosine,
    update_dot,
    watches_of,
    whitebox_by_references,
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


@pytest.fixture(scope="module")
def beside():
    """With reference models that were kept at the same moments."""
    return worlds.leaky(models=8).view


def test_in_rehearsals_nobody_watched_unless_reference_models_were_kept_at_the_same_moments(beside):
    """What was seen of the target would be taken for theirs."""
    assert beside.snapshots
    assert beside.updates
    for game in rehearsals(replace(beside, reference_snapshots=(), client=np.full(600, "a"))):
        assert game.view.snapshots == game.view.updates == game.view.reference_snapshots == ()
        assert game.view.client is None
    earlier = dict(zip(beside.references, beside.reference_snapshots, strict=True))
    for game in rehearsals(beside):
        assert game.view.snapshots == earlier[game.view.target]
        assert game.view.reference_snapshots == tuple(earlier[one] for one in game.view.references)
        matched = as_rehearsed(beside, game.view)
        assert (matched.target, matched.snapshots) == (beside.target, beside.snapshots)


@pytest.mark.parametrize("attack", [lira, bavaria, rmia])
def test_at_each_moment_the_target_is_held_against_reference_models_of_that_moment(beside, attack):
    def alone(k: int):
        models = tuple(earlier[k] for earlier in beside.reference_snapshots)
        return attack(replace(beside, target=beside.snapshots[k], references=models))

    expected = attack(beside) + alone(2) + alone(1)
    torch.testing.assert_close(attack(beside, snapshots=2), expected / 3 if attack is rmia else expected)


def test_moments_are_the_last_one_and_others_evenly_before_it(beside):
    many = tuple(torch.nn.Identity() for _ in range(30))
    view = replace(beside, snapshots=many, reference_snapshots=((), many[:3]))
    assert [many.index(one) for one in view.moments(5)[1:]] == [29, 23, 17, 11, 5]
    assert view.moments(20)[1:] == many[:9:-1]
    assert view.moments(5, 1) == (view.references[1], many[2], many[1], many[0])
    assert view.moments(0) == (view.target,)


@pytest.mark.parametrize("attack", [lira, bavaria, rmia, whitebox_by_references])
@pytest.mark.parametrize("less", [{"reference_snapshots": ()}, {"snapshots": ()}], ids=str)
def test_moments_that_nobody_kept_are_refused_with_what_to_do(beside, attack, less):
    with pytest.raises(InputError, match=r"`snapshots` = 2 .* found 0 of one\. Give"):
        attack(replace(beside, **less), snapshots=2)


def test_a_number_of_moments_below_0_is_refused(beside):
    with pytest.raises(InputError, match="= -1 asks for earlier moments, 0 or more"):
        lira(beside, snapshots=-1)


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


def test_an_attack_is_known_to_watch_by_its_settings_too():
    assert watches_of(snapshots) == watches_of(partial(lira, snapshots=2)) == "snapshots"
    assert watches_of(partial(stacked, also=(partial(lira, snapshots=2),))) == "snapshots"
    assert watches_of(update_dot) == "updates"
    assert watches_of(lira) == watches_of(partial(lira, snapshots=0)) == ""
