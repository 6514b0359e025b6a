"""What trains reference models, and what comes of them."""

import os
import random
from dataclasses import replace
from functools import partial
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from torch import nn
from training.makers import everyone, my_training, two_sides

from ml_privacy_meter import InputError, as_records
from ml_privacy_meter.records import scan
from ml_privacy_meter.targets import fit, open_model
from ml_privacy_meter.training import Recipe, plan_references, train_references
from ml_privacy_meter.training.data import matched
from ml_privacy_meter.training.keep import VOUCHED, aligned, made_of, open_kept
from ml_privacy_meter.training.ways import way_of_estimator, way_of_function

__all__ = ["my_training"]
X, Y = everyone(60)
ALL = np.ones((60, 1), bool)


def once(way, x=X, y=Y, inside=ALL, seeds=(1,), device="cpu"):
    return way.train(x, y, inside, seeds, device=device, progress=lambda share: None)


def opened(way, made, tmp_path: Path, classes=None):
    file = tmp_path / f"model.{made.suffix}"
    file.write_bytes(made.content)
    return way.open(file, classes)


def network(x, y, seed):
    """A network whose mode matters, trained a little."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        optimizer.step()
    return model


def test_a_torch_module_answers_as_it_did_for_any_number_of_records(tmp_path):
    way = way_of_function(network)
    [made] = once(way)
    model = opened(way, made, tmp_path)
    wanted = network(X, Y, 1).eval()(torch.from_numpy(X))
    assert made.suffix == "pt2"
    for size in (1, 2, 16, 60):
        torch.testing.assert_close(model.inner(torch.from_numpy(X[:size])), wanted[:size])


def test_a_module_is_kept_that_takes_other_numbers_than_the_records_are(tmp_path):
    def train(x, y, seed):
        return nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(24, 3))

    way = way_of_function(train)
    small = np.abs(X).astype(np.uint8).clip(0, 4)
    [made] = once(way, x=small)
    sides = [as_records((small[:30], Y[:30])), as_records((small[30:], Y[30:]))]
    target, a, _ = fit(opened(way, made, tmp_path), *sides)
    assert target(a.x).shape == (30, 3)


def test_a_module_is_kept_that_was_trained_on_a_table(tmp_path):
    frame = pd.DataFrame(X.astype(float), columns=list("abcdef"))
    way = way_of_function(lambda x, y, seed: nn.Linear(6, 3))
    [made] = once(way, x=frame)
    target, a, _ = fit(opened(way, made, tmp_path), as_records((frame, Y)), as_records((frame, Y)))
    assert target(a.x[0:60]).shape == (60, 3)


@pytest.mark.filterwarnings("ignore:.*__array__ implementation:DeprecationWarning")
def test_a_keras_model_is_kept_as_keras_keeps_it(tmp_path):
    way = way_of_function(lambda x, y, seed: keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)]))
    [made] = once(way)
    model = opened(way, made, tmp_path)
    assert made.suffix == "keras"
    assert model.inner(torch.from_numpy(X)).shape == (60, 3)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x):
        return self.layer(x) if float(x.sum()) > 0 else self.layer(-x)


def test_a_module_that_cannot_be_exported_is_refused_with_what_to_do():
    with pytest.raises(InputError, match=r"torch.export cannot write this Branching: .*Give a recipe"):
        once(way_of_function(lambda x, y, seed: Branching()))


def test_a_module_that_refuses_its_own_records_is_refused():
    with pytest.raises(InputError, match=r"refuses a batch of the shape \(16, 6\).*`forward`"):
        once(way_of_function(lambda x, y, seed: nn.Linear(7, 3)))


def test_a_module_whose_training_diverged_is_refused():
    def train(x, y, seed):
        module = nn.Linear(6, 3)
        nn.init.constant_(module.weight, torch.nan)
        return module

    with pytest.raises(InputError, match=r"finite numbers, found .*nan.* smaller learning rate"):
        once(way_of_function(train))


@pytest.mark.parametrize("found", [None, 3, "model", {"a": 1}, lambda x: x])
def test_what_is_no_model_is_refused(found):
    with pytest.raises(InputError, match=f"an nn.Module, a Keras model or an estimator.*{type(found).__name__}"):
        once(way_of_function(lambda x, y, seed: found))


def test_a_function_that_fails_is_quoted_with_its_seed():
    def train(x, y, seed):
        raise RuntimeError("no memory left")

    with pytest.raises(InputError, match="60 records with the seed 17, and failed: RuntimeError: no memory left") as e:
        once(way_of_function(train), seeds=(17,))
    assert isinstance(e.value.__cause__, RuntimeError)


class Majority(ClassifierMixin, BaseEstimator):
    def fit(self, x, y):
        self.classes_, self.counts_ = np.unique(y, return_counts=True)
        return self

    def predict_proba(self, x):
        return np.tile(self.counts_ / self.counts_.sum(), (len(x), 1))


def test_own_estimators_are_kept_and_those_of_strangers_are_not(tmp_path):
    way = way_of_estimator(Majority())
    [made] = once(way)
    assert opened(way, made, tmp_path).inner(torch.from_numpy(X)).shape == (60, 3)
    assert once(way_of_function(lambda x, y, seed: Majority().fit(x, y)))  # defined beside its function
    with pytest.raises(InputError, match=r"built of types of lightgbm, .*, found .*Majority"):
        made_of(Majority().fit(X, Y), X, VOUCHED)
    file = tmp_path / "model.skops"
    with pytest.raises(InputError, match=r"found .*Majority"):
        open_kept(file, VOUCHED, None)


def test_an_estimator_that_cannot_be_written_is_refused():
    with pytest.raises(InputError, match=r"found .*<lambda>"):
        once(way_of_estimator(make_pipeline(FunctionTransformer(lambda x: x), LogisticRegression())))

    def train(x, y, seed):
        model = LogisticRegression().fit(x, y)
        model.notes_ = (note for note in "ab")
        return model

    with pytest.raises(InputError, match="skops cannot write this LogisticRegression"):
        once(way_of_function(train))


def test_estimators_are_cloned_and_seeded_wherever_they_take_a_seed(tmp_path):
    whole = make_pipeline(PCA(3, svd_solver="randomized"), BaggingClassifier(DecisionTreeClassifier(), 3))
    way = way_of_estimator(whole)
    first, again, other = (once(way, seeds=(seed,))[0] for seed in (1, 1, 2))
    answers = [opened(way, made, tmp_path).inner(torch.from_numpy(X)) for made in (first, again, other)]
    assert np.array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])
    assert not hasattr(whole, "classes_")
    assert whole.get_params()["baggingclassifier__random_state"] is None
    inner = opened(way, other, tmp_path).inner.model
    places = ("pca__random_state", "baggingclassifier__random_state", "baggingclassifier__estimator__random_state")
    assert [inner.get_params()[place] for place in places] == [2, 2, 2]


def test_randomness_that_a_function_does_not_seed_follows_from_the_seed_and_leaves_no_trace():
    drawn = []

    def train(x, y, seed):
        drawn.append((float(torch.rand(1)), random.random(), float(np.random.rand())))  # noqa: NPY002
        return LogisticRegression().fit(x, y)

    def states():
        # not that of `random`: the checks of annotations in tests draw from it
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()  # noqa: NPY002

    before = states()
    once(way_of_function(train), inside=np.ones((60, 3), bool), seeds=(1, 2, 1))
    assert drawn[0] == drawn[2]
    assert all(a != b for a, b in zip(*drawn[:2], strict=True))
    assert states() == before


def test_a_function_gets_copies_of_its_records_and_the_labels_as_they_came():
    names, seen = np.array(["ash", "birch", "cedar"])[Y], []
    x, inside = X.copy(), np.arange(60)[:, None] % 2 == 0

    def train(x, y, seed):
        seen.append((x.copy(), y))
        x[:] = 0
        return LogisticRegression().fit(x, y)

    once(way_of_function(train), x=x, y=names, inside=inside)
    assert np.array_equal(x, X)
    assert np.array_equal(seen[0][0], X[::2])
    assert np.array_equal(seen[0][1], names[::2])


def test_a_class_that_an_estimator_never_saw_has_probability_zero(tmp_path):
    way = way_of_estimator(RandomForestClassifier(3))
    [made] = once(way, inside=(Y != 1)[:, None])
    columns = opened(way, made, tmp_path, ("0", "1", "2")).inner(torch.from_numpy(X))
    own = opened(way, made, tmp_path).inner(torch.from_numpy(X))
    assert own.shape == (60, 2)
    assert np.array_equal(columns[:, [0, 2]], own)
    assert not columns[:, 1].any()


def test_an_estimator_answers_in_the_order_of_the_targets_classes(tmp_path):
    way = way_of_estimator(LogisticRegression())
    [made] = once(way)
    own, turned = (opened(way, made, tmp_path, classes) for classes in (None, ("2", "0", "1")))
    assert turned.classes == ("2", "0", "1")
    x = torch.from_numpy(X)
    assert np.array_equal(turned.inner(x), own.inner(x)[:, [2, 0, 1]])
    with pytest.raises(InputError, match="no class that the target does not, found 2"):
        opened(way, made, tmp_path, ("0", "1"))


@pytest.mark.parametrize("classes", [2, 3])
def test_a_decision_function_puts_a_class_that_it_never_saw_far_below(classes):
    y = Y % classes
    model = LinearSVC().fit(X, y)
    wide = aligned(open_model(model), ("0", "x", "1", "2"))
    answers = wide.inner(torch.from_numpy(X))
    assert answers.shape == (60, 4)
    columns = [0, 2] if classes == 2 else [0, 2, 3]
    assert np.array_equal(np.array([0, 1, 2])[answers[:, columns].argmax(1)], model.predict(X))
    assert (answers[:, 1] < answers[:, columns].min(1) - 20).all()


def test_a_regressor_is_opened_as_it_is(tmp_path):
    way = way_of_estimator(Ridge())
    [made] = once(way, y=X[:, 0])
    assert opened(way, made, tmp_path, None).gives == "values"


def test_the_key_of_a_function_is_its_files_content_and_its_plain_settings(my_training):
    train = my_training.train
    assert way_of_function(train).key == way_of_function(f"{my_training.__name__}:train").key != ""
    keys = [way_of_function(how).key for how in (train, my_training.dies_once, partial(train, depth=1))]
    assert len(set(keys)) == 3
    file = Path(my_training.__file__)
    file.write_text(file.read_text() + "\n# edited\n")
    assert way_of_function(train).key != keys[0]


def test_what_hangs_on_more_than_a_file_has_no_key(my_training):
    def within(x, y, seed):
        return my_training.train(x, y, seed)

    held = {"depth": [3]}
    for how in (within, partial(my_training.train, **held), partial(my_training.train, X), my_training.train.__call__):
        assert way_of_function(how).key == ""
    assert way_of_estimator(make_pipeline(FunctionTransformer(lambda x: x))).key == ""


def test_the_key_of_an_estimator_is_its_class_and_all_its_settings():
    keys = [
        way_of_estimator(estimator).key
        for estimator in (
            LogisticRegression(),
            LogisticRegression(C=2),
            Ridge(),
            BaggingClassifier(DecisionTreeClassifier(max_depth=2)),
            BaggingClassifier(DecisionTreeClassifier(max_depth=3)),
        )
    ]
    assert len(set(keys)) == 5
    assert way_of_estimator(LogisticRegression().fit(X, Y)).key == keys[0]


def target(last: int = 3, *more: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, last), *more)


QUICK = Recipe(epochs=8, batch_size=8, lr=0.05, precision="fp32")


def correct(references, members, others, **settings):
    """The mean share of right answers of each model, inside and outside of its training set."""
    sides = [scan(as_records(side), name="side").records for side in (members, others)]
    whole, right = references.inside(*sides).numpy(), []
    for reference in references.models:
        model, a, b = fit(reference.open(), *sides)
        right.append([(model(side.x[0 : len(side)]).argmax(1) == side.labels).numpy() for side in (a, b)])
    correct = np.concatenate([np.stack(side, 1) for side in zip(*right, strict=True)])
    return correct[whole].mean(), correct[~whole].mean()


def test_a_recipe_trains_the_targets_own_architecture_anew(tmp_path):
    sides, like = two_sides(), target()
    before = [weight.clone() for weight in like.parameters()]
    references = train_references(QUICK, *sides, like=like, count=4, store=tmp_path)
    inside, outside = correct(references, *sides)
    assert inside > outside + 0.1
    assert all(torch.equal(a, b) for a, b in zip(before, like.parameters(), strict=True))
    weights = [reference.open().inner[0].weight for reference in references.models]
    assert all(not torch.equal(weights[0], weight) for weight in weights[1:])


def test_a_recipe_is_known_again_by_its_settings_and_architecture(tmp_path):
    def done(recipe, like):
        return plan_references(recipe, *two_sides(), like=like, count=2, store=tmp_path).done

    train_references(QUICK, *two_sides(), like=target(), count=2, store=tmp_path)
    assert done(QUICK, target()) == 2  # whatever the target's weights are
    for field, value in {"lr": 0.06, "epochs": 9, "optimizer": "sgd", "batch_size": 9}.items():
        assert done(replace(QUICK, **{field: value}), target()) == 0
    assert done(QUICK, nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))) == 0
    assert done(QUICK, target(4)) == 0


def test_models_that_are_trained_together_are_those_that_are_trained_alone(tmp_path):
    way, data = matched(QUICK, [scan(as_records(side), name="side").records for side in two_sides()], target())
    inside = np.arange(81)[:, None] % 2 == np.arange(4) % 2
    weights = []
    for groups in ([[0, 1, 2, 3]], [[0], [1], [2], [3]]):
        made = [m for g in groups for m in once(way, data.x, data.y, inside[:, g], seeds=[10 + j for j in g])]
        weights.append([opened(way, one, tmp_path).inner[2].weight for one in made])
    for a, b in zip(*weights, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_a_recipe_may_name_what_builds_the_module(my_training):
    file = Path(my_training.__file__)
    file.write_text("from torch import nn\n\ndef build():\n    return nn.Linear(6, 3)\n")
    file.rename(file.with_name("my_network.py"))
    references = train_references(replace(QUICK, architecture="my_network:build"), *two_sides(), count=2)
    assert isinstance(references.models[0].open().inner, nn.Linear)


def test_a_recipe_takes_the_targets_classes_and_what_is_done_to_records_before(tmp_path):
    (x, y), (others, labels) = two_sides()
    names = np.array(["ash", "birch", "cedar"])
    tables = [pd.DataFrame(part, columns=list("abcdef")).assign(town="Ulm") for part in (x, others)]
    sides = [(tables[0], names[y]), (tables[1], names[labels])]
    like = open_model(target(), classes=["cedar", "ash", "birch"], preprocess=without_town)
    references = train_references(QUICK, *sides, like=like, count=4)
    assert references.models[0].open().classes == ("cedar", "ash", "birch")
    inside, outside = correct(references, *sides)
    assert inside > outside + 0.1


def without_town(frame):
    return frame.drop(columns="town").to_numpy(np.float32, copy=True)


@pytest.mark.parametrize("module", [target(1), target(1, nn.Flatten(0))])
def test_a_recipe_trains_two_classes_from_one_logit(module):
    (x, y), (others, labels) = two_sides()
    sides = [(x, y % 2), (others, labels % 2)]
    inside, outside = correct(train_references(replace(QUICK, epochs=40), *sides, like=module, count=4), *sides)
    assert inside > outside + 0.1


def test_a_recipe_trains_quantities():
    (x, _), (others, _) = two_sides()
    sides = [(x, x[:, 0].astype(float)), (others, others[:, 0].astype(float))]
    model = train_references(QUICK, *sides, like=target(1), count=2).models[0].open()
    fitted, a, _ = fit(model, *map(as_records, sides))
    assert nn.functional.mse_loss(fitted(a.x).squeeze().double(), a.labels) < 0.3


@pytest.mark.parametrize(
    ("like", "says"),
    [
        (None, "found no target model"),
        (LogisticRegression().fit(X, Y), "found LogisticRegression"),
        (target(3, nn.Softmax(1)), "gives logits, and this Sequential gives probabilities"),
        (target(1, nn.Sigmoid()), "gives logits, and this Sequential gives probabilities"),
    ],
)
def test_what_no_recipe_can_train_is_refused(like, says):
    (x, y), (others, labels) = two_sides()
    with pytest.raises(InputError, match=says):
        train_references(QUICK, (x, y % 2), (others, labels % 2), like=like, count=2)
