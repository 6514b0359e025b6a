"""Attacks in rehearsals: the same ones for all, those that learn in few, and failures that cost no other."""

from dataclasses import replace
from functools import partial

import pytest
import torch
import worlds

from ml_privacy_meter import InputError
from ml_privacy_meter.findings import Finding
from ml_privacy_meter.membership import View, bavaria, learns, rehearsed_by, stacked, threshold
from ml_privacy_meter.rehearsing import FEW, Rehearsed, rehearse, with_rehearsals
from ml_privacy_meter.risk import auc
from ml_privacy_meter.signals import loss


@pytest.fixture(scope="module")
def game():
    return worlds.leaky(models=4)


def test_every_attack_plays_against_every_reference_model_with_the_truth_known(game):
    found = rehearse(game, {"a": threshold, "b": bavaria})
    assert found.check().passed
    for scores in found.scores.values():
        assert torch.equal(torch.stack([one.truth for one in scores], 1), game.view.inside)


def test_without_reference_models_there_is_nothing_to_say():
    assert rehearse(worlds.leaky(), {"a": threshold}) == Rehearsed({}, {}, {})


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_reference_models_are_said_to_be_too_few(count):
    found = rehearse(worlds.leaky(models=count), {"a": threshold})
    assert found.scores == {}
    assert not found.check().passed
    assert not found.check().voids
    assert f"found {count}" in found.check().says


def test_an_attack_that_learns_plays_few_games(game):
    played = []

    @learns
    def slow(view: View):
        played.append(view)
        return threshold(view)

    assert len(rehearse(game, {"slow": slow, "quick": threshold}).scores["slow"]) == FEW
    assert len(played) == FEW + 1  # and once against the target, with as many reference models


def test_an_attack_that_is_rehearsed_another_way_is_asked_once_with_its_settings(game):
    asked = []

    def in_its_way(view, *, few, depth=0):
        asked.append((view, few, depth))
        yield from ()

    @rehearsed_by(in_its_way)
    def own(view: View, *, depth: int = 0):
        raise AssertionError("not played as it is")

    found = rehearse(game, {"own": partial(own, depth=3), "quick": threshold})
    assert asked == [(game.view, FEW, 3)]
    assert "own" not in found.scores
    assert len(found.scores["quick"]) == 4


def test_stacked_is_rehearsed_with_settings_of_its_own(game):
    found = rehearse(game, {"stacked": partial(stacked, games=4, folds=2)})
    assert found.failed == {}
    assert len(found.scores["stacked"]) == FEW


def test_an_attack_that_fails_once_is_out_and_the_others_go_on(game):
    calls = []

    def breaks(view: View):
        calls.append(1)
        if len(calls) == 2:
            raise ValueError("out of ideas")
        return threshold(view)

    def refuses(view: View):
        raise InputError("Not today.")

    found = rehearse(game, {"breaks": breaks, "refuses": refuses, "works": threshold})
    assert set(found.scores) == {"works"}
    assert len(found.scores["works"]) == 4
    assert len(calls) == 2
    assert found.failed == {"breaks": "ValueError: out of ideas", "refuses": "Not today."}
    check = found.check()
    assert not check.passed
    assert "breaks: ValueError: out of ideas" in check.says
    assert "refuses: Not today." in check.says


def test_an_interruption_is_none_of_these_failures(game):
    def interrupted(view: View):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rehearse(game, {"interrupted": interrupted})


def shown(view: View):
    """As many as there are reference models for a record, and the target's loss, by which records differ."""
    return view.signals(loss).reference.shape[1] + view.of_target(loss).sigmoid() / 2


def number(scores) -> set[int]:
    return set(scores.score.int().tolist())


@pytest.mark.parametrize("models", [4, 5, 6])
def test_the_target_is_judged_with_as_many_reference_models_as_in_every_rehearsal_that_counts(models):
    """What is set in rehearsals holds for scores of one scale; an odd last model has one reference more than others."""
    found = rehearse(worlds.leaky(models=models), {"shown": shown})
    pairs = models // 2 * 2
    least = models - 2
    assert [number(one) for one in found.scores["shown"]] == [{least}] * pairs
    assert number(found.matched["shown"]) == {least}


def test_a_chosen_figure_is_corrected_for_the_number_of_figures_alone(game):
    scores = game.play(bavaria)
    risk = replace(auc(scores), surely=auc(scores, confidence=0.9999).low)
    finding = Finding("a", "", "", scores, (risk,))
    told = partial(with_rehearsals, alone=[partial(auc, confidence=0.99)], fpr=[0.1], confidence=0.95)
    rehearsed = rehearse(game, {"a": bavaria})
    assert told(finding, rehearsed, chosen={"AUC": "a"}).risks[0].surely == auc(scores, confidence=0.99).low
    assert told(finding, rehearsed, chosen={"AUC": "b"}).risks[0].surely == risk.surely
