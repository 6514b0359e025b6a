"""What must not happen to reference models: strangers' code, old models under a new name, weights not theirs."""

import importlib
import sys

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from ml_privacy_meter import InputError
from ml_privacy_meter.targets import key
from ml_privacy_meter.training.keep import VOUCHED, _types
from ml_privacy_meter.training.recipe import fresh
from ml_privacy_meter.training.references import train_references

skops = pytest.importorskip("skops.io")


def types_of(model) -> list[str]:
    return list(skops.get_untrusted_types(data=skops.dumps(model)))


def test_functions_of_other_packages_are_built_by_no_kept_model():
    """Some of them run any text that they are given."""
    hidden = make_pipeline(FunctionTransformer(np.testing.runstring), LogisticRegression())
    with pytest.raises(InputError, match="numpy"):
        _types(types_of(hidden) or ["numpy.testing.runstring"], VOUCHED)
    _types(types_of(make_pipeline(StandardScaler(), LogisticRegression())), VOUCHED)


def test_a_class_without_a_text_has_no_key():
    """Two such classes of one name may do different things."""
    made: dict = {"torch": torch, "__name__": "typed"}
    exec("class Net(torch.nn.Linear):\n    pass", made)
    assert key.of_module(made["Net"](2, 2)) == ""
    assert key.of_module(torch.nn.Linear(2, 2)) != ""


def test_a_function_that_is_not_the_one_in_its_file_has_no_key(tmp_path, monkeypatch):
    file = tmp_path / "edited_training.py"
    file.write_text("def train(x, y, seed):\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    train = importlib.import_module("edited_training").train
    try:
        assert key.of_function(train) != ""
        file.write_text("def train(x, y, seed):\n    return 2\n")
        assert key.of_function(train) == ""
    finally:
        sys.modules.pop("edited_training")


def test_frozen_weights_are_not_drawn_anew_in_silence():
    net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 2))
    net[0].requires_grad_(False)
    with pytest.raises(InputError, match="Frozen weights"):
        fresh(net, 0)
    assert all(weight.requires_grad for weight in fresh(net.requires_grad_(False), 0).parameters())


@pytest.mark.parametrize("wrong", [{"count": 0}, {"count": True}, {"seed": -1}, {"workers": 0}])
def test_numbers_that_are_none_are_refused(wrong):
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    with pytest.raises(InputError, match=f"`{next(iter(wrong))}` must be a whole number"):
        train_references(LogisticRegression(), (x, y), (x + 1, y), **wrong)
