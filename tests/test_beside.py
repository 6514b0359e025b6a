"""Reference models beside the target: in its columns, in the audit's order, opened when they are asked."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import worlds
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import ml_privacy_meter as pm
from ml_privacy_meter.beside import Beside
from ml_privacy_meter.case import prepare
from ml_privacy_meter.signals import Reader, Store, loss

NAMES = np.array(["ash", "birch", "cedar"])


@pytest.fixture(scope="module")
def sides():
    """Features without meaning, and classes by name."""
    x, y, member = (part.numpy() for part in worlds.draw(0, n=120, width=8))
    return (x[member], NAMES[y[member]]), (x[~member], NAMES[y[~member]])


def said(case, number):
    """What a reference model says of the audit's records."""
    return Reader(Store()).signal(lambda model, x, y: model(x), case.beside.models[number], case.everyone)


def test_an_audit_without_reference_models_has_none(sides):
    case = prepare(DecisionTreeClassifier(max_depth=2).fit(*sides[0]), *sides)
    assert case.beside == Beside()
    assert case.public == []


def test_memberships_and_answers_are_in_the_audits_order(sides):
    beside = pm.train_references(LogisticRegression(), *sides, count=2)
    case = prepare(LogisticRegression().fit(*sides[0]), *sides, references=beside, seed=3)
    place = {name: row for row, name in enumerate(case.everyone.id)}
    x = torch.from_numpy(np.concatenate([side[0] for side in sides]))
    inside = torch.cat([beside.members, beside.non_members])
    names = [f"members:{i}" for i in range(60)] + [f"non-members:{i}" for i in range(60)]
    rows = [place[name] for name in names]
    assert rows != sorted(rows)
    assert torch.equal(case.beside.inside[rows], inside)
    for number, model in enumerate(beside.models):
        expected = model.open().inner(x)
        assert np.allclose(said(case, number)[rows].exp(), expected, atol=1e-6)


def test_a_class_that_a_reference_model_never_saw_gets_the_targets_column(sides):
    (x, y), others = sides
    few = [(x, np.where(np.arange(60) == 3, "birch", np.where(y == "birch", "ash", y)))]
    few.append((others[0], np.where(others[1] == "birch", "cedar", others[1])))
    beside = pm.train_references(DecisionTreeClassifier(max_depth=2), *few, count=2)
    case = prepare(DecisionTreeClassifier(max_depth=8).fit(*few[0]), *few, references=beside)
    without = int(not beside.members[3, 1])
    assert case.target.classes == tuple(NAMES)
    assert said(case, without).shape == (120, 3)
    assert (said(case, without)[:, 1].exp() < 1e-30).all()
    assert (said(case, 1 - without)[:, 1].exp() > 1e-30).any()


def test_public_records_have_the_targets_classes_though_some_are_missing(sides):
    """Labels that are named by sorting are the target's: "cedar" is its third class, and not the second."""
    rng = torch.Generator().manual_seed(1)
    public = torch.randn(40, 8, generator=rng).numpy(), NAMES[[0, 2] * 20]
    model = pm.open_model(torch.nn.Linear(8, 3), classes="sorted")
    recipe = pm.Recipe(architecture=lambda: torch.nn.Linear(8, 3), epochs=1)
    numbered = public[0], np.array([0, 2] * 20)
    beside = pm.train_references(recipe, public=numbered, count=2)
    found = prepare(model, *sides, references=beside_of(beside, public)).beside
    assert set(found.public.labels.tolist()) == {0, 2}
    assert found.public_inside.shape == (40, 2)
    assert not found.inside.any()


def beside_of(references, public):
    """The same, their public records called by the names of classes."""
    return replace(references, public=replace(references.public, y=public[1]))


def test_a_model_answers_in_the_targets_order_of_classes_or_is_refused(sides):
    inside = np.random.default_rng(0).random((120, 2)) < 0.5
    x, y = (np.concatenate(of) for of in zip(*sides, strict=True))
    models = [LogisticRegression().fit(x[here], np.char.add("x", y[here])) for here in inside.T]
    beside = pm.own_references(models, inside[:60], inside[60:])
    case = prepare(LogisticRegression().fit(*sides[0]), *sides, references=beside)
    with pytest.raises(pm.InputError, match=r"Reference model 1 \(the first is 0\): The label .* none of the model's"):
        said(case, 1)


def test_a_reference_model_is_opened_each_time_it_is_asked_and_never_before(sides):
    opened = []

    def build():
        opened.append(1)
        return torch.nn.Linear(8, 3)

    numbered = [(x, np.searchsorted(NAMES, y)) for x, y in sides]
    recipe = pm.Recipe(architecture=build, epochs=1, precision="fp32")
    beside = pm.train_references(recipe, *numbered, count=2)
    before = len(opened)
    case = prepare(torch.nn.Linear(8, 3), *numbered, references=beside)
    assert len(opened) == before
    reader = Reader(Store())
    for _ in range(2):
        reader.signal(loss, case.beside.models[0], case.everyone)
    assert len(opened) == before + 1


def test_keys_hang_on_what_is_done_to_records_before(sides):
    numbered = [(x, np.searchsorted(NAMES, y)) for x, y in sides]
    inside = np.random.default_rng(0).random((120, 1)) < 0.5
    module = torch.nn.Linear(8, 3)

    def key_of(**settings):
        target = pm.open_model(torch.nn.Linear(8, 3), **settings)
        beside = pm.own_references([module], inside[:60], inside[60:])
        return prepare(target, *numbered, references=beside).beside.models[0].key

    assert key_of() == key_of() != ""
    assert key_of(preprocess=halved) not in ("", key_of())
    scale = 2
    assert key_of(preprocess=lambda x: x / scale) == ""


def halved(x):
    return x / 2
