"""Surrogates beside those of the Adversarial Robustness Toolbox: the same door, the same records, as large a net."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from ml_privacy_meter.extraction import random_records
from ml_privacy_meter.inferring.copies import extract_model

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    extraction = pytest.importorskip("art.attacks.extraction")
    classification = pytest.importorskip("art.estimators.classification")


def by_art(view, *, soft):
    """KnockoffNets, or CopycatCNN."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    adam = torch.optim.Adam(module.parameters(), 1e-2)
    loss = torch.nn.CrossEntropyLoss()
    copy = classification.PyTorchClassifier(module, loss, (64,), 10, optimizer=adam, device_type="cpu")
    target = classification.BlackBoxClassifier(lambda x: view.ask(torch.from_numpy(x).double()).numpy(), (64,), 10)
    order = torch.randperm(len(view.pool), generator=torch.Generator().manual_seed(view.seed))[: view.left]
    settings = {"batch_size_fit": 64, "batch_size_query": 512, "nb_epochs": 60, "nb_stolen": len(order)}
    attack = extraction.KnockoffNets if soft else extraction.CopycatCNN
    more = {"verbose": False} if soft else {}
    attack(target, use_probability=soft, **settings, **more).extract(
        view.pool[order].numpy().astype(np.float32), thieved_classifier=copy
    )
    return lambda x: torch.from_numpy(copy.predict(x.numpy().astype(np.float32)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("soft", [True, False])
def test_copies_agree_with_the_model_as_often_as_those_of_art(soft):
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    x, y = x[order] / 16, y[order]
    model = LogisticRegression(max_iter=1000).fit(x[:500], y[:500])
    attacks = [partial(random_records, soft=soft), partial(by_art, soft=soft)]
    settings = {"attacks": attacks, "budgets": (600,), "noise": 50, "device": "cpu"}
    found = extract_model(model, (x[:500], y[:500]), (x[500:], y[500:]), **settings)
    ours, theirs = (one.risks[0] for one in found.tried)
    assert found.how["queries"] == {f"{name}(soft={soft})": [600] for name in ("random_records", "by_art")}
    assert ours.name == theirs.name == "fidelity"
    assert abs(ours.value - theirs.value) <= 0.02
