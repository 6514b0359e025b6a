"""What holds for every defense that changes how models are trained."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from defended import draw, fitted, lira_auc, network, recipe
from torch import nn

from ml_privacy_meter import Defense, InputError, defenses, train_model

PUBLIC = np.random.default_rng(7).normal(size=(60, 6)).astype(np.float32), np.zeros(60, np.int64)
OF_CLASSES = [
    defenses.label_smoothing(share=0.3),
    defenses.relaxloss(alpha=1.05),
    defenses.hamp(inputs=0),
    defenses.distillation(),
    defenses.distillation(public=PUBLIC),
    defenses.selena(models=4, without=2),
]
TRAINING = [*OF_CLASSES, defenses.l2(strength=0.01), defenses.dropout(), defenses.early_stopping(epochs=2)]


@pytest.mark.parametrize("defense", TRAINING, ids=str)
def test_models_trained_together_come_out_as_alone(defense):
    together = fitted(defense, [0, 1, 2])
    for j in range(3):
        (alone,) = fitted(defense, [j])
        for name, weight in alone.items():
            torch.testing.assert_close(together[j][name], weight, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("defense", TRAINING, ids=str)
def test_models_are_others_than_without(defense):
    assert not torch.allclose(fitted(defense, [0])[0]["0.weight"], fitted(None, [0])[0]["0.weight"], atol=1e-3)


@pytest.mark.parametrize("defense", TRAINING, ids=str)
def test_a_model_has_the_names_of_the_bare_one_and_answers_like_it(defense):
    x, y = (part.numpy() for part in draw())
    one = train_model(recipe(), (x, y), seed=3, defense=defense)
    bare = network()
    bare.load_state_dict(one.inner.state_dict())
    torch.testing.assert_close(one.inner.eval()(torch.from_numpy(x)), bare(torch.from_numpy(x)))


FOUND_AGAIN = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from defended import draw, network, recipe
from ml_privacy_meter import defenses, train_model

records = tuple(part.numpy() for part in draw())
other = (records[0] + 1, records[1])
makes = [
    lambda: defenses.hamp(inputs=10), lambda: defenses.hamp(), defenses.label_smoothing, defenses.l2, defenses.dropout,
    defenses.relaxloss, lambda: defenses.relaxloss(alpha=2.0), lambda: defenses.early_stopping(epochs=1),
    defenses.distillation, lambda: defenses.distillation(public=records), lambda: defenses.distillation(public=other),
    defenses.selena, lambda: defenses.selena(models=3, without=1),
]
keys = [make().key for make in makes]
assert all(keys) and len({*keys}) == len(keys), keys
assert keys == [make().key for make in makes]
for _ in range(2):
    train_model(recipe(architecture=network(), epochs=2), records, store=sys.argv[1], defense=makes[0]())
    assert len([*Path(sys.argv[1]).rglob("*.safetensors")]) == 1
"""


def test_the_same_defense_finds_its_models_again_and_another_does_not(tmp_path):
    """In a process of its own: where annotations are checked at every call, no function's content is known."""
    paths = [str(Path(__file__).parents[1]), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    subprocess.run([sys.executable, "-c", FOUND_AGAIN, str(tmp_path), *paths], check=True)


@pytest.mark.parametrize("defense", OF_CLASSES, ids=str)
@pytest.mark.parametrize("y", [torch.rand(100), torch.rand(100, 3) > 0.5], ids=["quantities", "several labels"])
def test_what_is_no_single_class_is_refused(defense, y):
    with pytest.raises(InputError, match=f"{defense.name} needs records that have one class each"):
        fitted(defense, [0], y=y)


@pytest.mark.parametrize("defense", OF_CLASSES, ids=str)
def test_one_output_for_two_classes_is_the_logit_of_the_second(defense):
    """A network with one output learns as one whose first output is always 0."""
    _, y = draw(classes=2)

    class Zero(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network(classes=1)

        def forward(self, x):
            out = self.inner(x)
            return torch.cat([torch.zeros_like(out), out], 1)

    one = fitted(defense, [0], used=recipe(architecture=lambda: network(classes=1)), y=y.bool())[0]
    two = fitted(defense, [0], used=recipe(architecture=Zero), y=y)[0]
    for name, weight in one.items():
        torch.testing.assert_close(two[f"inner.{name}"], weight, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: defenses.l2(strength=0), "`strength` must lie between 0 and inf"),
        (lambda: defenses.dropout(rate=1), "`rate` must lie between 0 and 1"),
        (lambda: defenses.label_smoothing(share=1.5), "`share` must lie between 0 and 1"),
        (lambda: defenses.relaxloss(alpha=-1), "`alpha` must lie between 0 and inf"),
        (lambda: defenses.relaxloss(upper=1.5), "`upper` must lie between 0 and 1"),
        (lambda: defenses.hamp(gamma=1), "`gamma` must lie between 0 and 1"),
        (lambda: defenses.hamp(alpha=-0.1), "`alpha` of hamp must be at least 0"),
        (lambda: defenses.hamp(inputs=-1), "`inputs` of hamp"),
        (lambda: defenses.hamp(inputs=0, training=False), "`inputs` of hamp"),
        (lambda: defenses.distillation(temperature=0), "`temperature` must lie between 0 and inf"),
        (lambda: defenses.selena(models=True), "`models` of selena"),
        (lambda: defenses.selena(models=5, without=5), "`without` of selena must be a whole number from 1 to 4"),
        (lambda: fitted(defenses.l2(strength=0.1), [0], used=recipe(weight_decay=0.2)), "more than the recipe's own"),
        (lambda: fitted(defenses.early_stopping(epochs=5), [0]), "at most the recipe's 4"),
        (lambda: fitted(defenses.early_stopping(epochs=0), [0]), "at least 1"),
        (lambda: fitted(defenses.dropout(), [0], used=recipe(architecture=lambda: nn.Linear(6, 3))), "two linear"),
        (lambda: fitted(defenses.selena(models=60), [0]), "found 50 records for 60"),
        (lambda: fitted(defenses.distillation(public=(PUBLIC[0][:, :5], None)), [0]), "`public` of distillation"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()


LEAKY = {"architecture": lambda: network(60, 2), "epochs": 60, "lr": 0.01}


@pytest.fixture(scope="module")
def undefended() -> float:
    return lira_auc(None, recipe(**LEAKY))


def test_the_world_leaks(undefended):
    assert undefended > 0.9


@pytest.mark.parametrize(
    ("defense", "least"),
    [
        (defenses.early_stopping(epochs=3), 0.15),
        (defenses.relaxloss(alpha=0.6), 0.15),
        (defenses.selena(models=6, without=3), 0.15),
        (defenses.dropout(rate=0.8), 0.03),
    ],
    ids=str,
)
def test_who_knows_the_defense_sees_less(defense: Defense, least, undefended):
    assert lira_auc(defense, recipe(**LEAKY)) < undefended - least


def test_a_student_of_public_records_shows_less_of_the_members(undefended):
    x = np.random.default_rng(9).normal(size=(240, 60)).astype(np.float32)
    public = defenses.distillation(public=(x, np.zeros(240, np.int64)))
    assert lira_auc(public, recipe(**LEAKY)) < undefended - 0.1
