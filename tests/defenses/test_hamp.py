import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from defended import draw, network, recipe
from torch import nn

from ml_privacy_meter import InputError, audit, defenses, membership, train_model, train_references
from ml_privacy_meter.defenses.hamp import _loss, _random_like, _reordered, _sure
from ml_privacy_meter.targets.open import open_model

RNG = torch.Generator().manual_seed(0)
ANSWER, Y = torch.randn(2, 7, 5, generator=RNG), torch.randint(5, (2, 7), generator=RNG)


@pytest.mark.parametrize("gamma", [0.05, 0.6, 0.99])
@pytest.mark.parametrize("classes", [2, 10, 100])
def test_a_label_has_the_share_of_all_entropy_and_names_its_class(gamma, classes):
    sure = _sure(gamma, classes)
    label = [sure, *[(1 - sure) / (classes - 1)] * (classes - 1)]
    assert sum(label) == pytest.approx(1)
    assert -sum(p * math.log(p) for p in label) == pytest.approx(gamma * math.log(classes))
    assert sure > 1 / classes


def test_the_loss_is_that_of_each_record_by_hand():
    sure, by_hand = _sure(0.8, 5), 0.0
    for answer, y in zip(ANSWER, Y, strict=True):
        for row, label in zip(answer, y.tolist(), strict=True):
            told = [sure if c == label else (1 - sure) / 4 for c in range(5)]
            given = row.softmax(0).tolist()
            divergence = sum(t * math.log(t / p) for t, p in zip(told, given, strict=True))
            by_hand += (divergence + 0.3 * sum(p * math.log(p) for p in given)) / 7
    constant = 2 * 0.8 * math.log(5)  # the entropy of the labels of two models
    torch.testing.assert_close(_loss(ANSWER, Y, gamma=0.8, alpha=0.3) - constant, torch.tensor(by_hand))


def wrapped(seed: int = 1, inputs: int = 40):
    x, y = (part.numpy() for part in draw())
    torch.manual_seed(0)
    opened = open_model(network())
    return defenses.hamp(training=False, inputs=inputs).wrap(opened, x, y, seed)


def test_answers_are_those_of_random_inputs_in_the_order_of_the_models_own():
    after = wrapped().after
    own = torch.rand(200, 3, generator=RNG).double().softmax(1)
    given = after(own)
    assert torch.equal(given.argsort(1), own.argsort(1))
    rows = after.keywords["rows"]
    assert len(rows) == 40
    assert all(any(torch.equal(one.sort().values, row) for row in rows) for one in given)
    torch.testing.assert_close(given.sum(1), torch.ones(200).double())
    assert torch.equal(torch.cat([after(one[None]) for one in own]), given)


def test_answers_tell_the_order_alone():
    own = torch.rand(200, 5, generator=RNG).double().softmax(1)
    rows = torch.rand(30, 5, generator=RNG).double().softmax(1).sort(1).values
    sharper = own**3 / (own**3).sum(1, keepdim=True)
    assert torch.equal(_reordered(own, rows=rows), _reordered(sharper, rows=rows))
    used = {tuple(row.tolist()) for row in _reordered(own, rows=rows).sort(1).values}
    assert len(used) > 20


def test_the_key_is_of_the_random_answers():
    assert wrapped().after_key == wrapped().after_key != wrapped(seed=2).after_key


def test_random_inputs_lie_within_the_records():
    rng = np.random.default_rng(0)
    floats = rng.normal(size=(50, 3)).astype(np.float32) * [1, 10, 100]
    whole = rng.integers(0, 256, (50, 4, 4), dtype=np.uint8)
    for values in (floats.astype(np.float32), whole, whole > 100, rng.integers(-5, 5, (50, 2))):
        found = _random_like(values, 500, rng)
        assert found.dtype == values.dtype
        assert found.shape == (500, *values.shape[1:])
        assert (found.min(0) >= values.min(0)).all()
        assert (found.max(0) <= values.max(0)).all()
        assert len(np.unique(found.reshape(500, -1), axis=0)) > 50 or values.dtype == bool
    frame = pd.DataFrame({"age": rng.integers(18, 90, 50), "kind": rng.choice(["a", "b"], 50), "z": rng.random(50)})
    found = _random_like(frame, 100, rng)
    assert (found.dtypes == frame.dtypes).all()
    assert set(found["kind"]) == {"a", "b"}


def test_a_model_whose_classes_are_always_even_is_refused():
    x, y = (part.numpy() for part in draw())
    even = nn.Linear(6, 3)
    nn.init.zeros_(even.weight)
    nn.init.constant_(even.bias, 2.0)
    with pytest.raises(InputError, match="one class is the likeliest"):
        defenses.hamp(training=False, inputs=20).wrap(open_model(even), x, y, 0)


def test_labels_stay_and_the_weights_are_out_of_reach():
    x, y = (part.numpy() for part in draw())
    sides, used = ((x[:50], y[:50]), (x[50:], y[50:])), recipe(architecture=network())
    defense = defenses.hamp(inputs=100)
    target = train_model(used, sides[0], defense=defense)
    references = train_references(used, *sides, count=4, defense=defense, like=target)
    attacks = [membership.gap, membership.lira]
    found = audit(target, *sides, references=references, attacks=attacks)
    bare = audit(replace(target, after=None), *sides, attacks=[membership.gap])
    assert found.about["access"] == "outputs"
    assert "hamp(inputs=100)" in found.about["model"]
    assert found.findings[0].risks[0].value == bare.findings[0].risks[0].value


def test_answers_of_an_estimator_are_wrapped_too():
    pytest.importorskip("skops")
    from sklearn.linear_model import LogisticRegression

    x, y = (part.numpy() for part in draw())
    frame = pd.DataFrame(x, columns=list("abcdef"))
    opened = train_model(LogisticRegression(), (frame, y), defense=defenses.hamp(training=False, inputs=30))
    assert opened.after_says == "hamp(inputs=30)"
    assert opened.after.keywords["rows"].shape == (30, 3)
