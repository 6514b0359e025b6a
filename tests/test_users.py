"""Who contributed to the training: found where the model knows its users, not found where it knows none."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from oracles import auc as slow_auc
from user_worlds import FIRST, audited, world

import ml_privacy_meter as pm
from ml_privacy_meter.case import prepare
from ml_privacy_meter.membership import MembershipGame, View, gap, needs_known, threshold
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.users import by_user


def of_users(seed=0, attacks=(threshold,), *, made=None, **settings):
    """The figures by user alone."""
    model, members, others, _ = world(seed, **settings) if made is None else made
    case = prepare(model, members, others, users="customer", seed=seed)
    game = MembershipGame(View(case.target, case.everyone, Reader(Store())), case.member)
    findings = [pm.Finding(attack.__name__, "", "", None) for attack in attacks]
    return by_user(case, game, attacks, findings, fpr=[0.1], seed=seed)


@pytest.fixture(scope="module")
def leaky():
    return audited(attacks=[threshold, gap])


def test_users_are_found_by_records_that_were_not_trained_on_the_more_the_better(leaky):
    found = leaky.by_user
    assert found.held_out
    assert (found.inside, found.outside, found.left_out) == (40, 40, 0)
    one, four = found.findings[0].rows
    assert (one.known, four.known) == (1, 4)
    assert four.risks[0].surely > 0.5
    assert four.risks[0].value > one.risks[0].value
    assert four.risks[0].trials == 80
    assert [risk.name for risk in four.risks] == ["AUC", "TPR@10%FPR"]


def test_single_records_are_not_set_against_those_of_users_outside(leaky):
    assert len(leaky.records) == 40 * 12
    assert leaky.about["members"] == leaky.about["non_members"] == 40 * FIRST


@pytest.mark.parametrize("seed", range(8))
def test_a_model_that_knows_no_user_tells_nothing(seed):
    found, check = of_users(seed, leaks=False)
    risk = found.findings[0].rows[-1].risks[0]
    assert risk.surely < 0.5
    assert abs(risk.value - 0.5) < 0.25
    assert not check[0].voids


def test_where_users_differ_without_the_model_the_figures_are_void():
    found, (check,) = of_users(shift=3.0)
    assert check.voids
    assert not check.passed
    baseline = found.findings[0].rows[-1].risks[0].baseline
    assert baseline == dict(found.blind)[4].value > 0.9


def test_an_attack_is_averaged_over_the_records_of_each_user():
    model, members, others, inside = made = world(3)
    found, _ = of_users(3, made=made)
    case = prepare(model, members, others, users="customer", seed=3)
    score, seen = {}, {}

    def attack(view):
        one = threshold(view)
        # which record is which, an attack cannot know; this one only looks on
        seen["rows"], seen["score"] = view.records.rows, one
        return one

    game = MembershipGame(View(case.target, case.everyone, Reader(Store())), case.member)
    by_user(case, game, [attack], [pm.Finding("attack", "", "", None)], fpr=[0.1], seed=3)
    for row, value in zip(seen["rows"], seen["score"], strict=True):
        score.setdefault(case.user[row], []).append(float(value))
    truth = {f"customer {u}": bool(here) for u, here in enumerate(inside)}
    means = {name: np.mean(values[:4]) for name, values in score.items()}
    slow = slow_auc([means[n] for n in means if truth[n]], [means[n] for n in means if not truth[n]])
    assert found.findings[0].rows[1].risks[0].value == pytest.approx(slow)


def test_the_most_exposed_users_are_named(leaky):
    found = leaky.by_user
    assert found.exposed_by == (found.exposed_by[0], 4)
    assert len(found.exposed) == 20
    inside = {f"customer {u}" for u in np.flatnonzero(world()[3])}
    assert {one.user for one in found.exposed} < inside
    scores = [one.score for one in found.exposed]
    assert scores == sorted(scores, reverse=True)
    assert all(one.trained == FIRST and one.share == 1 / 40 for one in found.exposed)
    assert found.exposed[0].above >= found.exposed[-1].above > 0.5


def test_users_who_gave_more_are_told_apart_from_those_who_gave_less():
    model, members, others, inside = world(users=160)
    rng = np.random.default_rng(0)
    order = {name: k for k, name in enumerate(rng.permutation(np.unique(members.groups["customer"])))}
    place = np.tile(np.arange(FIRST), 80)
    kept = np.array([place[i] < 1 + order[n] % FIRST for i, n in enumerate(members.groups["customer"])])
    made = (model, members.take(np.flatnonzero(kept)), others, inside)
    found, _ = of_users(made=made)
    parts = found.findings[0].shares
    assert [part.users for part in parts] == [28, 26, 26]
    assert [part.lowest for part in parts] == sorted(part.lowest for part in parts)
    assert parts[0].highest < parts[2].lowest
    assert all(part.auc.trials == part.users + 80 for part in parts)


def test_an_attack_that_fails_costs_the_others_nothing_and_one_that_knows_too_much_is_left_out():
    def broken(view):
        raise ValueError("no")

    known = needs_known(lambda view: torch.zeros(len(view.records)))
    known.__name__ = "known"
    found, _ = of_users(attacks=(broken, known, threshold))
    assert [(one.attack, one.failed) for one in found.findings] == [("broken", "ValueError: no"), ("threshold", "")]


def test_no_figure_is_given_of_too_few_users():
    found, (check,) = of_users(users=30)
    (row,) = found.findings[0].rows
    assert row.risks[0].value is None
    assert "Not checked" in check.says
    assert found.exposed == ()


def test_users_of_one_kind_are_refused():
    model, members, others, _ = world()
    known = np.isin(others.groups["customer"], members.groups["customer"])
    with pytest.raises(pm.InputError, match="two kinds"):
        pm.audit(model, members, others.take(np.flatnonzero(known)), users="customer", attacks=[threshold])


def test_a_column_that_is_not_there_is_refused():
    model, members, others, _ = world()
    with pytest.raises(pm.InputError, match="found `customer`"):
        pm.audit(model, members, others, users="author")


def test_two_audits_say_the_same_of_users():
    documents = [json.dumps(audited(users=60, attacks=[partial(threshold)])._document["by_user"]) for _ in range(2)]
    assert documents[0] == documents[1] != "null"
