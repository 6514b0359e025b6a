"""Defenses that change answers alone: what is given, and what it keeps from whom."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from ml_privacy_meter import InputError, Recipe, audit, defenses, membership, signals, train_model, train_references
from ml_privacy_meter.defenses.memguard import _guarded, _misleading, _trained
from ml_privacy_meter.report import threats

P = torch.tensor([[0.523, 0.301, 0.176], [0.04, 0.9, 0.06], [1 / 3, 1 / 3, 1 / 3]], dtype=torch.float64)


def given(defense, probabilities: torch.Tensor = P) -> torch.Tensor:
    """What a model gives that has these for its probabilities."""
    model = train_model(Recipe(architecture=nn.Linear(2, 3), epochs=1), sides()[0], defense=defense)
    assert model.after is not None
    return model.after(probabilities)


def sides(many: int = 60) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2 * many, 2)).astype(np.float32), rng.integers(0, 3, 2 * many)
    return (x[:many], y[:many]), (x[many:], y[many:])


def test_rounding_gives_fewer_digits():
    torch.testing.assert_close(
        given(defenses.rounding(digits=1)), torch.tensor([[0.5, 0.3, 0.2], [0, 0.9, 0.1], [0.3, 0.3, 0.3]]).double()
    )


def test_top_k_spreads_the_rest_evenly():
    expected = torch.tensor([[0.523, 0.2385, 0.2385], [0.05, 0.9, 0.05], [1 / 3, 1 / 3, 1 / 3]]).double()
    torch.testing.assert_close(given(defenses.top_k(k=1)), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(given(defenses.top_k(k=2))[:2], P[:2])
    torch.testing.assert_close(given(defenses.top_k(k=9)), P)


def test_label_only_gives_the_label_alone():
    assert given(defenses.label_only())[:2].tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("defense", [defenses.rounding(digits=1), defenses.top_k(k=1), defenses.label_only()], ids=str)
def test_who_asks_for_labels_sees_what_was_there_before(defense):
    rows = torch.rand(200, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64).softmax(1) ** 8
    rows /= rows.sum(1, keepdim=True)
    told = given(defense, rows)
    best = told == told.amax(1, keepdim=True)
    assert best[torch.arange(200), rows.argmax(1)].all()  # rounding may tie it with others


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: defenses.rounding(digits=-1), "`digits` must be a whole number of at least 0, found -1"),
        (lambda: defenses.top_k(k=0), "`k` must be a whole number of at least 1, found 0"),
        (lambda: defenses.memguard(public=sides()[1], budget=0), "`budget` must lie between 0 and 2, found 0"),
    ],
)
def test_settings_are_looked_at(wrong, says):
    with pytest.raises(InputError, match=says):
        wrong()


def told_apart(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Answers about members, which are sure, and about others."""
    rng = torch.Generator().manual_seed(seed)
    sure, less = ((width * torch.randn(300, 4, generator=rng, dtype=torch.float64)).softmax(1) for width in (6.0, 1.5))
    return sure, less


def test_memguard_misleads_its_network_and_leaves_labels_as_they_are():
    sure, less = told_apart()
    network = _trained((sure, less), seed=0, epochs=15)
    unseen, _ = told_apart(1)
    before = network(unseen.float().sort(1, descending=True).values)[:, 0] > 0
    moved = _misleading(unseen, network, steps=100)
    after = network(moved.float().sort(1, descending=True).values)[:, 0] > 0
    assert before.double().mean() > 0.7
    assert (before != after).double().mean() > 0.9
    torch.testing.assert_close(moved.sum(1), torch.ones(300, dtype=torch.float64))
    assert torch.equal(moved.argmax(1), unseen.argmax(1))


def test_memguard_keeps_to_its_budget_and_repeats_itself():
    sure, less = told_apart()
    network = _trained((sure, less), seed=0, epochs=15)
    moved = _misleading(sure, network, steps=60)
    whole = (moved - sure).abs().sum(1).mean()
    for budget in (0.02, 0.1):
        told = _guarded(sure, network=network, budget=budget, steps=60)
        spent = (told - sure).abs().sum(1).mean()
        assert 0.5 * min(budget, whole) < spent < 1.3 * budget
        assert torch.equal(told, _guarded(sure, network=network, budget=budget, steps=60))
        apart = _guarded(sure[7:30], network=network, budget=budget, steps=60)
        torch.testing.assert_close(apart, told[7:30], atol=1e-3, rtol=0)


def test_memguard_answers_in_a_models_place(tmp_path):
    inside, outside = sides()
    defense = defenses.memguard(public=outside, steps=20, epochs=2)
    model = train_model(Recipe(architecture=nn.Linear(2, 3), epochs=5), inside, defense=defense, store=tmp_path)
    again = train_model(Recipe(architecture=nn.Linear(2, 3), epochs=5), inside, defense=defense, store=tmp_path)
    assert model.after_key == again.after_key != ""
    report = audit(model, inside, outside, attacks=[membership.threshold])
    assert report.about["access"] == "outputs"
    other = defenses.memguard(public=inside, steps=20, epochs=2)
    assert str(other) != str(defense)  # other public records are another defense


def test_labels_alone_still_tell_members_where_answers_are_hidden():
    """The defense hides the loss, and an adversary who asks about near copies finds what it hid."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(240, 20)).astype(np.float32)
    y = rng.integers(0, 2, 240)
    inside, outside = (x[:120], y[:120]), (x[120:], y[120:])
    network = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))
    recipe = Recipe(architecture=network, epochs=200, batch_size=40, lr=3e-3, precision="fp32")
    defense = defenses.label_only()
    model = train_model(recipe, inside, defense=defense)
    references = train_references(recipe, inside, outside, count=8, defense=defense, like=model)
    robust = partial(membership.bavaria, signal=signals.label_robustness)
    report = audit(model, inside, outside, references=references, attacks=[membership.gap, robust])
    plain, near = (finding.risks[0] for finding in report.findings)
    assert near.low > plain.value


def test_an_audit_asks_about_near_copies_by_itself():
    inside, outside = sides(120)
    recipe = Recipe(architecture=nn.Linear(2, 3), epochs=2)
    for defense, asked in ((None, False), (defenses.rounding(digits=1), True)):
        report = audit(train_model(recipe, inside, defense=defense), inside, outside)
        seen = {finding.attack: finding.sees for finding in report.findings}
        assert ("threshold(signal=label_robustness)" in seen) == asked
        if asked:
            assert threats.level(seen["threshold(signal=label_robustness)"]) == threats.LABELS
