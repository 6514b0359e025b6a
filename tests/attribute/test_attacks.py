"""Attacks on hidden columns: each finds what a model remembers, and nothing of records that it never saw."""

from collections import Counter
from dataclasses import replace
from functools import partial

import pytest
import torch
from hidden_worlds import world

from ml_privacy_meter import InputError, attribute
from ml_privacy_meter.attribute import Answers, AttributeGame, Guesses, csmia, imputation, lomia, prior, yeom
from ml_privacy_meter.attribute.learner import learned
from ml_privacy_meter.inferring.attributes import ATTACKS, infer_attributes

BLANK = 12
LEARNING = {"candidates": 2, "seed": 0}


def _view(leaky=True, **settings):
    """The view of a world, as an attack sees it."""
    seen = []

    def spy(view):
        seen.append(view)
        return view.prior.expand(len(view.records.features), -1)

    infer_attributes(*world(0, leaky=leaky), columns=[0], attacks=[spy], **settings)
    return seen[0]


@pytest.fixture(scope="module")
def view():
    return _view()


@pytest.fixture(scope="module")
def leaky():
    (game,) = infer_attributes(*world(1, leaky=True, count=600), columns=[0], seed=1)
    return {one.attack: one for one in game.tried}


@pytest.fixture(scope="module")
def blank():
    found = Counter()
    for seed in range(BLANK):
        (game,) = infer_attributes(*world(seed, leaky=False, count=200), columns=[0], seed=seed)
        found.update({one.attack: one.excess.low > 0 for one in game.tried} | {"any": bool(game.shows)})
    return found


@pytest.mark.parametrize("name", ATTACKS)
def test_what_a_model_remembers_is_found(leaky, name):
    assert leaky[name].excess.low > 0
    assert leaky[name].says
    assert not leaky[name].sees.startswith("Not said")


@pytest.mark.parametrize("name", [*ATTACKS, "any"])
def test_of_records_that_it_never_saw_nothing_is_found_more_often_than_luck_explains(blank, name):
    assert blank[name] <= 2


@pytest.mark.parametrize("name", [*ATTACKS, "prior", "imputation"])
def test_permuted_records_give_permuted_answers_and_the_same_view_the_same(view, name):
    attack, order = getattr(attribute, name), torch.randperm(len(view.records.features))
    answers, neurons = view.records.answers(), view.records.neurons
    moved = replace(
        view.records,
        features=view.records.features[order],
        label=view.records.label[order],
        answers=lambda: replace(
            answers,
            confidence=answers.confidence[order],
            certainty=answers.certainty[order],
            agrees=answers.agrees[order],
        ),
        neurons=lambda numbers: neurons(numbers)[order],
    )
    found = attack(view)
    assert torch.equal(found, attack(view))
    torch.testing.assert_close(attack(replace(view, records=moved)), found[order], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", sorted({*ATTACKS, "prior", "imputation"} - {"lomia"}))
def test_an_answer_does_not_hang_on_who_else_is_asked_about(view, name):
    first, answers, neurons = slice(0, 40), view.records.answers(), view.records.neurons
    few = replace(
        view.records,
        features=view.records.features[first],
        label=view.records.label[first],
        answers=lambda: replace(
            answers,
            confidence=answers.confidence[first],
            certainty=answers.certainty[first],
            agrees=answers.agrees[first],
        ),
        neurons=lambda numbers: neurons(numbers)[first],
    )
    attack = getattr(attribute, name)
    torch.testing.assert_close(attack(replace(view, records=few)), attack(view)[first])


def test_the_adversarys_records_are_non_members_that_are_not_asked_about_and_all_members_are(view):
    own, asked = ({tuple(row) for row in known.features.tolist()} for known in (view.auxiliary, view.records))
    members, others = ({tuple(row) for row in x[:, 1:].double().tolist()} for x, _ in world(0, leaky=True)[1:])
    assert own.isdisjoint(asked)
    assert {row[:-1] for row in own} < others  # the label comes last
    assert members < {row[:-1] for row in asked} <= members | others
    inside = [tuple(row[:-1]) in members for row in view.records.features.tolist()]
    assert 0.4 < sum(inside[: len(inside) // 2]) / sum(inside) < 0.6  # their order says nothing


def test_the_one_value_with_which_the_model_is_right_is_guessed_by_csmia_else_the_surest_or_the_least_sure(view):
    answers = Answers(
        confidence=torch.zeros(3, 2),
        certainty=torch.tensor([[0.5, 0.9], [0.6, 0.7], [0.9, 0.8]]),
        agrees=torch.tensor([[True, False], [True, True], [False, False]]),
    )
    found = csmia(replace(view, records=replace(view.records, answers=lambda: answers)))
    assert found.argmax(1).tolist() == [0, 1, 1]


def test_yeom_weighs_the_models_confidence_by_how_common_a_value_is(view):
    held = replace(view, secret=torch.zeros_like(view.secret))
    assert (yeom(held) - yeom(held, weighed=False)).diff(dim=1).max() < -4
    assert prior(held).argmax(1).unique().tolist() == [0]


def test_imputation_learns_what_other_columns_tell_and_no_value_is_impossible():
    rng = torch.Generator().manual_seed(0)
    x = torch.randint(3, (400, 2), generator=rng).double()
    y = x[:, 0].long()
    found = learned(x[:300], y[:300], x[300:], (True, False), candidates=4, seed=0)
    assert (found.argmax(1) == y[300:]).all()
    torch.testing.assert_close(found.exp().sum(1), torch.ones(100, dtype=torch.float64))
    assert found.isfinite().all()


def test_where_there_is_too_little_to_learn_from_values_have_their_shares(view):
    few = learned(view.records.features[:8], torch.tensor([0] * 6 + [1] * 2), view.records.features, (), **LEARNING)
    torch.testing.assert_close(few[5].exp(), torch.tensor([0.7, 0.3], dtype=torch.float64))


@pytest.mark.parametrize("attack", [csmia, lomia])
def test_attacks_on_named_classes_refuse_quantities(view, attack):
    answers = replace(view.records.answers(), agrees=None, certainty=None)
    with pytest.raises(InputError, match="labels are quantities"):
        attack(replace(view, records=replace(view.records, answers=lambda: answers)))


def test_neurons_says_that_the_models_inside_is_needed(view):
    blind = replace(view, records=replace(view.records, neurons=None))
    with pytest.raises(InputError, match="not seen"):
        attribute.neurons(blind)


def test_neurons_looks_at_few_neurons_the_best(view):
    asked = []

    def watched(numbers):
        asked.append(numbers)
        return view.records.neurons(numbers)

    partial(attribute.neurons, count=1)(replace(view, records=replace(view.records, neurons=watched)))
    assert 1 <= len(asked[0]) <= 2


def test_ties_share_a_guess_and_a_score_must_be_finite():
    right = torch.tensor([[True, False], [False, True]])
    guesses = Guesses(torch.tensor([[1.0, 1.0], [0.0, 2.0]]), right)
    assert guesses.hit.tolist() == [0.5, 1.0]
    assert guesses.odds.tolist() == [[0.0, 0.0], [-2.0, 2.0]]
    with pytest.raises(InputError, match="finite"):
        Guesses(torch.tensor([[1.0, float("nan")], [0.0, 0.0]]), right)


def test_an_attack_that_answers_in_another_shape_is_refused(view):
    game = AttributeGame(view, torch.zeros(len(view.records.features), 2, dtype=torch.bool))
    with pytest.raises(InputError, match="a score for each of 2 candidates"):
        game.play(lambda view: view.prior)


def test_attacks_multiply_the_very_imputation_that_they_are_compared_with(view):
    assert imputation(view) is imputation(view)
    extra = attribute.imputation_times_model(view) - view.records.answers().confidence
    torch.testing.assert_close(extra, imputation(view))
