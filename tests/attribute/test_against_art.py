"""The same attacks by independent code, on the same records: the Adversarial Robustness Toolbox."""

import warnings

import numpy as np
import pytest
import torch
from hidden_worlds import remembering

from ml_privacy_meter.attribute import imputation, yeom
from ml_privacy_meter.inferring.attributes import infer_attributes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    attribute_inference = pytest.importorskip("art.attacks.inference.attribute_inference")
    membership_inference = pytest.importorskip("art.attacks.inference.membership_inference")
    classification = pytest.importorskip("art.estimators.classification")


def _people(count, seed):
    """Records whose second column mostly says what the first holds, as the label does."""
    rng = np.random.default_rng(seed)
    secret = rng.random(count) < 0.5
    told, label = (np.where(rng.random(count) < share, secret, ~secret) for share in (0.85, 0.7))
    x = np.column_stack([secret, told, rng.normal(size=(count, 3))]).astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy(label.astype(np.int64))


def test_guesses_are_those_of_art():
    class Confident(membership_inference.MembershipInferenceBlackBox):
        def __init__(self, estimator):
            super().__init__(estimator)

        def infer(self, x, y, **_):
            return self.estimator.predict(x)[np.arange(len(x)), y][:, None]

    members, others, own = (_people(500, seed) for seed in range(3))
    model, found = remembering(*members), {}

    def kept(name, attack):
        def keeping(view):
            found[name] = view.records.features, attack(view).argmax(1)
            return attack(view)

        return keeping

    attacks = [kept("yeom", lambda view: yeom(view, weighed=False)), kept("imputation", imputation)]
    (game,) = infer_attributes(model, members, others, columns=[0], auxiliary=own, attacks=attacks)
    assert not any(one.failed for one in game.tried)
    target = classification.PyTorchClassifier(
        torch.nn.Sequential(model, torch.nn.Softmax(1)), torch.nn.CrossEntropyLoss(), (5,), 2
    )
    features, ours = found["yeom"]
    rest, label = features[:, :-1].float().numpy(), features[:, -1].long().numpy()
    by_membership = attribute_inference.AttributeInferenceMembership(target, Confident(target), attack_feature=0)
    theirs = by_membership.infer(rest, label, values=[0.0, 1.0])
    assert (theirs == ours.numpy()).mean() > 0.995
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its use of numpy is older than the installed one
        baseline = attribute_inference.AttributeInferenceBaselineTrueLabel("gb", attack_feature=0)
        baseline.fit(own[0].numpy(), own[1].numpy())
        for name, (x, y) in (("members", members), ("non-members", others)):
            right = np.ravel(baseline.infer(x[:, 1:].numpy(), y.numpy(), values=[0.0, 1.0])) == x[:, 0].numpy()
            reached = game.risks["imputation"][f"accuracy, {name}"].value
            assert reached == pytest.approx(right.mean(), abs=0.02)
