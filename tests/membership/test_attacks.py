"""Every attack of the table, against worlds in which the truth is known."""

import inspect
from dataclasses import replace
from functools import lru_cache, partial

import attacks
import numpy as np
import pytest
import torch
import worlds
from scipy.stats import binom

from ml_privacy_meter import membership
from ml_privacy_meter.membership import MembershipGame, View, describe
from ml_privacy_meter.risk import advantage, auc
from ml_privacy_meter.types import marked

EACH = pytest.mark.parametrize(("attack", "models"), [(row[0], row[3]) for row in attacks.ATTACKS], ids=describe)


@lru_cache
def leaky(models: int = 0) -> MembershipGame:
    return worlds.leaky(models=models)


@lru_cache
def blank(seed: int, models: int) -> MembershipGame:
    return worlds.blank(seed, models)


def informed(game: MembershipGame) -> View:
    """The view, with other records: as a population, and as records whose membership is known."""
    x, y, member = worlds.draw(5)
    others = worlds.records(x, y)
    return replace(game.view, population=others, known=others, known_member=member)


@pytest.mark.parametrize(("attack", "measure", "_", "models"), attacks.ATTACKS, ids=describe)
def test_finds_the_leak_where_there_is_one(attack, measure, _, models):
    risk = measure(leaky(models).play(attack))
    assert risk.low > risk.baseline


@pytest.mark.parametrize(("attack", "_", "count", "models"), attacks.ATTACKS)
@pytest.mark.usefixtures("unchecked")
def test_finds_nothing_where_there_is_nothing(attack, _, count, models):
    """An interval of 95% may lie above chance in one of 40 worlds without a leak; not in more than luck explains."""
    found = dict.fromkeys((auc, attacks.TPR_AT_5, advantage), 0)
    for seed in range(count):
        scores = blank(seed, models).play(attack)
        for measure in found:
            risk = measure(scores)
            found[measure] += risk.low > risk.baseline
    assert max(found.values()) <= binom.isf(0.01, count, 0.025)


@EACH
def test_follows_the_order_of_the_records(attack, models):
    game = leaky(models)
    order = np.random.default_rng(0).permutation(len(game.member))
    whole = game.view.records
    moved = worlds.records(whole.x[order], whole.labels[order])
    inside = None if game.view.inside is None else game.view.inside[order]
    here = informed(game)
    there = replace(here, records=moved, inside=inside)
    torch.testing.assert_close(attack(there), attack(here)[order])


@EACH
def test_answers_the_same_to_the_same_view(attack, models):
    assert torch.equal(leaky(models).play(attack).score, leaky(models).play(attack).score)


@EACH
def test_scores_each_record_by_itself_and_not_by_who_else_is_asked_about(attack, models):
    """What is known of records from all of them together is left to attacks with reference models."""
    if models or attack is membership.gradient_clusters:
        pytest.skip("priors, shared variances and clusters are fitted over all records")
    view = informed(leaky())
    some = replace(view, records=view.records.take(np.arange(0, 600, 7)))
    torch.testing.assert_close(attack(some), attack(view)[::7])


@pytest.mark.parametrize("attack", [row[0] for row in attacks.ATTACKS if row[3]], ids=describe)
def test_does_not_hang_on_the_order_of_the_reference_models(attack):
    view = leaky(8).view
    order = [6, 7, 2, 3, 0, 1, 4, 5]
    models, earlier = (tuple(of[j] for j in order) for of in (view.references, view.reference_snapshots))
    turned = replace(view, references=models, reference_snapshots=earlier, inside=view.inside[:, order])
    assert np.corrcoef(attack(turned), attack(view))[0, 1] > (0.98 if marked(attack, "learns") else 1 - 1e-9)


def test_every_public_attack_stands_in_the_table():
    public = {n for n in membership.__all__ if "Sees: " in (getattr(membership, n).__doc__ or "")}
    assert public == {attack.__name__ for attack in attacks.NAMED}


@pytest.mark.parametrize("attack", attacks.NAMED, ids=describe)
def test_every_attack_says_what_it_sees_and_where_it_comes_from(attack):
    text = inspect.getdoc(attack)
    assert "\n\nSees: " in text
    assert "\n\nSource: " in text


def test_a_view_holds_no_truth():
    """Whatever can be reached from a view by its fields: no tensor or array that equals the truth."""

    def reached(thing, depth=4):
        yield thing
        if depth and hasattr(thing, "__dict__"):
            for part in vars(thing).values():
                yield from reached(part, depth - 1)

    truth = leaky().member.numpy()
    for part in reached(leaky().view):
        if isinstance(part, np.ndarray | torch.Tensor) and tuple(part.shape) == truth.shape:
            assert not np.array_equal(np.asarray(part).astype(bool), truth)


def test_no_record_is_judged_by_what_was_learned_from_it():
    """An attack that copies scores from the population finds nothing of its own there."""
    game = worlds.blank()

    @membership.needs_population
    def recognised(view):
        known = view.population.x[slice(0, len(view.population))]
        asked = view.records.x[slice(0, len(view.records))]
        return (torch.cdist(asked, known).amin(1) < 1e-6).double()

    assert game.play(recognised).score.sum() == 0


def test_an_attack_with_a_population_of_its_own_is_played_once():
    game = worlds.blank()
    x, y, _ = worlds.draw(77)
    calls = []

    @membership.needs_population
    def counting(view):
        calls.append(len(view.records))
        return torch.zeros(len(view.records))

    MembershipGame(replace(game.view, population=worlds.records(x, y)), game.member).play(counting)
    assert calls == [600]
    game.play(counting)
    assert calls == [600, 120, 120, 120, 120, 120]


def test_an_attack_is_described_by_its_settings():
    from ml_privacy_meter.signals import entropy

    assert describe(partial(membership.threshold, signal=entropy)) == "threshold(signal=entropy)"
    assert describe(membership.gap) == "gap"


@pytest.mark.parametrize("attack", [row[0] for row in attacks.ATTACKS if not row[3]], ids=describe)
def test_an_attack_without_reference_models_asks_none(attack):
    def refuses(x):
        raise AssertionError("a reference model was asked")

    game = leaky()
    attack(replace(informed(game), references=(refuses,), inside=game.member[:, None]))
