"""Each defense does to a model what it says that it does; whether that helps is another question."""

import pytest
import torch
import torch.nn.functional as F
from defended import draw, fitted, halves, network, recipe
from torch import Tensor

from ml_privacy_meter import Defense, defenses

LONG = recipe(epochs=80, lr=0.05, batch_size=50)


def of_members(defense: Defense | None) -> tuple[float, float]:
    """The mean loss of members, and the mean entropy of what is answered to them, as a share of the most."""
    (x, y), inside = draw(), halves(100, 3)[:, 0]
    module = network()
    module.load_state_dict(fitted(defense, [0], used=LONG)[0])
    logs: Tensor = module(x[inside]).log_softmax(1).detach()
    entropy = -(logs.exp() * logs).sum(1).mean() / torch.tensor(3.0).log()
    return float(F.nll_loss(logs, y[inside])), float(entropy)


@pytest.fixture(scope="module")
def plain() -> tuple[float, float]:
    return of_members(None)


def test_relaxloss_keeps_the_loss_of_members_near_alpha(plain):
    assert plain[0] < 0.3
    assert abs(of_members(defenses.relaxloss(alpha=0.7))[0] - 0.7) < 0.15


def test_early_stopping_leaves_the_loss_of_members_higher(plain):
    assert of_members(defenses.early_stopping(epochs=5))[0] > plain[0] + 0.3


@pytest.mark.parametrize(
    "defense", [defenses.hamp(inputs=0, gamma=0.9), defenses.label_smoothing(share=0.5), defenses.dropout()], ids=str
)
def test_members_are_answered_less_surely(defense, plain):
    assert of_members(defense)[1] > plain[1] + 0.2


def test_hamp_brings_the_entropy_of_answers_to_that_of_its_labels():
    assert abs(of_members(defenses.hamp(inputs=0, gamma=0.8, alpha=0.0))[1] - 0.8) < 0.08


def test_the_entropy_of_answers_is_worth_alpha():
    small, large = (of_members(defenses.hamp(inputs=0, gamma=0.6, alpha=alpha))[1] for alpha in (0.0, 1.0))
    assert large > small + 0.1
