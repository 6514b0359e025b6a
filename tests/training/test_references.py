"""Reference models are trained once, kept at once, and fit the records that they were trained on."""

import io
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from torch import nn
from tqdm import tqdm
from training.makers import everyone, my_training, two_sides

from ml_privacy_meter import InputError, as_records
from ml_privacy_meter.defenses import label_smoothing
from ml_privacy_meter.records import scan
from ml_privacy_meter.targets import fit, open_model
from ml_privacy_meter.training import (
    Recipe,
    References,
    load_outputs,
    own_references,
    plan,
    plan_references,
    train_references,
)

__all__ = ["my_training"]


def test_models_are_trained_on_balanced_halves_and_can_be_asked(my_training, tmp_path):
    members, others = two_sides(81)
    references = train_references(my_training.train, members, others, count=4, store=tmp_path / "store")
    assert len(references) == len(references.models) == 4
    assert references.members.shape == (len(members[1]), 4)
    assert references.non_members.shape == (len(others[1]), 4)
    assert (torch.cat([references.members, references.non_members]).sum(1) == 2).all()
    assert references.says["count"] == 4
    for reference, inside in zip(references.models, references.members.T.numpy(), strict=True):
        model = reference.open(("0", "1", "2"))
        target, a, _ = fit(model, as_records(members), as_records(others))
        right = (target(a.x).argmax(1) == a.labels).numpy()
        assert right[inside].mean() > right[~inside].mean()
    assert len({reference.key for reference in references.models}) == 4


def test_a_model_is_the_one_that_the_function_makes_of_its_records(my_training):
    x, y = everyone()
    references = train_references(my_training.train, *two_sides(), count=3, seed=5)
    inside = torch.cat([references.members, references.non_members]).numpy()
    seeds = [int(line) for line in my_training.CALLS.read_text().split()]
    for model, (reference, seed) in enumerate(zip(references.models, seeds, strict=True)):
        expected = my_training.train(x[inside[:, model]], y[inside[:, model]], seed)
        assert np.array_equal(reference.open().inner(torch.from_numpy(x)), expected.predict_proba(x))


def test_the_same_call_trains_nothing_a_second_time(my_training, tmp_path):
    made = [train_references(my_training.train, *two_sides(), count=4, store=tmp_path / "store") for _ in range(2)]
    assert my_training.calls() == 4
    assert [r.key for r in made[0].models] == [r.key for r in made[1].models]
    assert torch.equal(made[0].members, made[1].members)


def test_more_models_are_trained_beside_those_that_are_there(my_training, tmp_path):
    call = partial(train_references, my_training.train, *two_sides(), store=tmp_path / "store")
    eight, sixteen = call(count=8), call(count=16)
    assert my_training.calls() == 16
    assert [r.key for r in sixteen.models[:8]] == [r.key for r in eight.models]
    assert torch.equal(sixteen.members[:, :8], eight.members)
    call(count=5)
    assert my_training.calls() == 16


def test_other_data_labels_settings_or_seed_are_trained_anew(my_training, tmp_path):
    members, others = two_sides()
    store, train = tmp_path / "store", my_training.train
    moved = (np.where(members[0] == members[0].max(), 0, members[0]), members[1])
    relabelled = (members[0], np.roll(members[1], 1))
    train_references(train, members, others, count=2, store=store)
    for number, (how, sides, seed) in enumerate(
        [
            (train, (moved, others), 0),
            (train, (relabelled, others), 0),
            (train, (others, members), 0),
            (train, (members, others), 1),
            (partial(train, depth=2), (members, others), 0),
            (partial(train, depth=1), (members, others), 0),
        ]
    ):
        train_references(how, *sides, count=2, seed=seed, store=store)
        assert my_training.calls() == 2 * (number + 2)


def test_a_spoilt_file_is_trained_anew(my_training, tmp_path):
    call = partial(train_references, my_training.train, *two_sides(), count=4, store=tmp_path / "store")
    file = call().models[1].file
    file.write_bytes(file.read_bytes()[:-1])
    assert call().models[1].open()
    assert my_training.calls() == 5


def test_a_run_that_was_killed_goes_on_where_it_was(my_training, tmp_path):
    script = f"""
        from training.makers import two_sides
        from ml_privacy_meter.training import train_references
        train_references("{my_training.__name__}:dies_at_fourth", *two_sides(), count=6, store="store")
    """
    path = os.pathsep.join([p for p in sys.path if p])
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}
    )
    assert killed.returncode == -signal.SIGKILL
    references = train_references(my_training.dies_at_fourth, *two_sides(), count=6, store=tmp_path / "store")
    seeds = my_training.CALLS.read_text().split()
    assert len(seeds) == 7  # the fourth twice: it was in training
    assert seeds[3] == seeds[4]
    assert len(set(seeds)) == len(references) == 6


def test_two_runs_at_once_train_each_model_once(my_training, tmp_path):
    call = partial(train_references, my_training.train, *two_sides(), store=tmp_path / "store")
    with ThreadPoolExecutor(2) as pool:
        four, six = pool.map(lambda count: call(count=count), [4, 6])
    assert my_training.calls() == 6
    assert [r.key for r in four.models] == [r.key for r in six.models[:4]]


def test_a_function_that_hangs_on_more_than_its_file_is_kept_for_this_run_alone(my_training, tmp_path):
    depth = 2
    for calls in (2, 4):
        references = train_references(
            lambda x, y, seed: my_training.train(x, y, seed, depth), *two_sides(), count=2, store=tmp_path / "store"
        )
        assert my_training.calls() == calls
    assert references.says["kept"] == "for this run"
    assert all(reference.key for reference in references.models)
    assert not (tmp_path / "store").exists()


def test_estimators_are_known_again(tmp_path):
    estimator = DecisionTreeClassifier(max_depth=2)
    assert plan_references(estimator, *two_sides(), count=3, store=tmp_path).done == 0
    train_references(estimator, *two_sides(), count=3, store=tmp_path)
    assert plan_references(DecisionTreeClassifier(max_depth=2), *two_sides(), count=3, store=tmp_path).done == 3
    assert plan_references(DecisionTreeClassifier(max_depth=3), *two_sides(), count=3, store=tmp_path).done == 0


def test_models_of_public_records_know_neither_members_nor_non_members():
    public = everyone(60)
    references = train_references(LogisticRegression(), *two_sides(), public=public, count=3)
    assert not references.members.any()
    assert not references.non_members.any()
    assert references.members.shape == (len(two_sides()[0][1]), 3)
    assert ((references.public_inside.sum(0) - 30).abs() <= 1).all()
    assert len(references.public) == 60


def test_public_records_suffice():
    references = train_references(LogisticRegression(), public=everyone(60), count=2)
    sides = [scan(as_records(side), name="side").records for side in two_sides()]
    assert references.inside(*sides).shape == (81, 2)
    assert not references.inside(*sides).any()


def test_tables_with_words_are_trained_on_as_tables():
    x, y = everyone(100)
    frame = pd.DataFrame(x, columns=list("abcdef")).assign(town=np.where(x[:, 0] > 0, "Ulm", "Aix"))
    labels = np.array(["ash", "birch", "cedar"])[y]
    seen = []

    def train(x, y, seed):
        seen.append((x, y))
        return LogisticRegression().fit(x[["a", "b"]], y)

    sides = [(frame[:50], labels[:50]), (frame[50:], labels[50:])]
    references = train_references(train, *sides, count=2)
    inside = references.inside(*(scan(as_records(side), name="side").records for side in sides))[:, 1].numpy()
    assert list(seen[1][0].columns) == [*"abcdef", "town"]
    assert seen[1][0].reset_index(drop=True).equals(frame[inside].reset_index(drop=True))
    assert (seen[1][1] == labels[inside]).all()


def test_a_class_of_two_records_is_known_to_all_models():
    x, y = everyone(80)
    y = np.where(np.arange(80) < 2, 7, y)
    references = train_references(LogisticRegression(), (x[:40], y[:40]), (x[40:], y[40:]), count=6)
    assert all(reference.open().classes == ("0", "1", "2", "7") for reference in references.models)


def test_quantities_are_trained_on_too():
    x, _ = everyone(80)
    y = x[:, 0] * 2.0
    references = train_references(DecisionTreeClassifier(), (x[:40], y[:40] > 0), (x[40:], y[40:] > 0), count=2)
    assert len(references) == 2
    from sklearn.linear_model import Ridge

    models = train_references(Ridge(), (x[:40], y[:40]), (x[40:], y[40:]), count=2).models
    target, a, _ = fit(models[0].open(), as_records((x[:40], y[:40])), as_records((x[40:], y[40:])))
    assert torch.nn.functional.mse_loss(target(a.x).squeeze().double(), a.labels.double()) < 0.1


def test_a_recipes_models_are_kept_at_earlier_epochs_too(tmp_path):
    members, others = two_sides()
    recipe = Recipe(nn.Linear(6, 3), epochs=4, batch_size=16, lr=0.1)
    given = {"count": 2, "store": tmp_path}
    found = train_references(recipe, members, others, **given, snapshots=(3, 1))
    x = torch.from_numpy(members[0])
    for model, earlier in zip(found.models, found.snapshots, strict=True):
        answers = [one.open().inner(x).detach() for one in (*earlier, model)]
        assert len({one.key for one in (*earlier, model)}) == len({one.open().key for one in (*earlier, model)}) == 3
        steps = [float((after - before).abs().max()) for before, after in pairwise(answers)]
        assert min(steps) > 0
    files = {file.name for file in (tmp_path / "references").glob("*.safetensors")}
    again = train_references(recipe, members, others, **given, snapshots=(1, 3))
    assert {file.name for file in (tmp_path / "references").glob("*.safetensors")} == files
    assert [one.key for one in again.snapshots[0]] == [one.key for one in found.snapshots[0]]
    assert plan_references(recipe, members, others, **given, snapshots=(1, 3)).done == 2
    assert plan_references(recipe, members, others, **given, snapshots=(2,)).done == 0
    plain = train_references(recipe, members, others, **given)
    assert plain.snapshots == ()
    torch.testing.assert_close(plain.models[0].open().inner(x), found.models[0].open().inner(x), rtol=0, atol=0)
    assert [one.epoch for one in found.snapshots[1]] == [1, 3]
    assert found.says["trained"].endswith("kept after epochs 1, 3, too")


@pytest.mark.parametrize("snapshots", [(0,), (4,), (1, 1)])
def test_epochs_that_there_are_not_are_refused(snapshots):
    with pytest.raises(InputError, match="different epochs, at least 1 and below the recipe's 4"):
        train_references(Recipe(nn.Linear(6, 3), epochs=4), *two_sides(), snapshots=snapshots)


@pytest.mark.parametrize(
    ("train", "defense"), [(LogisticRegression(), None), (Recipe(nn.Linear(6, 3)), label_smoothing())], ids=str
)
def test_earlier_moments_are_kept_of_plain_recipes_alone(train, defense):
    with pytest.raises(InputError, match="`snapshots` are kept of models that a `Recipe` trains"):
        train_references(train, *two_sides(), snapshots=(1,), defense=defense)


def test_snapshots_of_own_models_are_a_list_for_each():
    inside = np.array([[True, False]] * 4)
    with pytest.raises(InputError, match="a list for each of 2 reference models, found 1"):
        own_references(["a", "b"], inside, ~inside, snapshots=[["a"]])


def test_a_plan_says_what_would_be_trained_and_trains_nothing(my_training, tmp_path):
    call = partial(plan_references, my_training.train, *two_sides(81), count=5, store=tmp_path / "store")
    first = call()
    assert (first.count, first.done, first.tasks, first.workers) == (5, 0, 5, 1)
    assert first.sizes == (40, 41)
    assert my_training.__name__ in first.says
    assert my_training.calls() == 0
    assert first.estimate() > 0
    assert my_training.calls() == call().done == 1
    train_references(my_training.train, *two_sides(81), count=5, store=tmp_path / "store")
    assert my_training.calls() == 5
    assert call().estimate() == 0


def test_a_bar_shows_models_and_after_the_first_an_estimate_of_the_whole(my_training, monkeypatch):
    shown = io.StringIO()
    settings = {"disable": False, "file": shown, "mininterval": 0}
    monkeypatch.setattr(plan, "tqdm", lambda **given: tqdm(**given | settings))
    train_references(my_training.train, *two_sides(), count=3)
    states = [line for line in shown.getvalue().split("\r") if "References" in line]
    assert "0/3" in states[0]
    assert "in all" not in states[0]
    assert "3/3" in states[-1]
    assert "about 00:0" in states[-1]


def test_references_need_a_column_for_each_model():
    inside = torch.ones(5, 2, dtype=torch.bool)
    assert len(References((1, 2), inside, inside[:3])) == 2
    with pytest.raises(InputError, match="found 3 models and 2 and 2 columns"):
        References((1, 2, 3), inside, inside[:3])


def test_records_that_the_models_were_not_trained_from_are_refused():
    references = train_references(LogisticRegression(), *two_sides(), count=2)
    sides = [scan(as_records(side), name="side").records for side in two_sides()]
    assert torch.equal(references.inside(*sides)[: len(sides[0])], references.members)
    with pytest.raises(InputError, match="members of this audit, found others"):
        references.inside(*sides[::-1])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"train": 3}, "function .x, y, seed. -> model"),
        ({"train": LogisticRegression}, "function .x, y, seed. -> model"),
        ({"train": "nowhere:train"}, "`nowhere:train` cannot be imported"),
        ({"count": 0}, "`count` must be a whole number of at least 1"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0"),
        ({"members": None}, "members and non-members, or on `public`"),
        ({"engine": "joblip"}, "Did you mean `joblib`"),
        ({"workers": 2}, 'engine="joblib"'),
        ({"engine": "joblib", "workers": 0}, "`workers` must be a whole number of at least 1"),
    ],
)
def test_what_cannot_be_trained_is_refused(settings, says):
    members, others = two_sides()
    given = {"train": LogisticRegression(), "members": members, "non_members": others, "count": 2} | settings
    with pytest.raises(InputError, match=says):
        train_references(given.pop("train"), given.pop("members"), given.pop("non_members"), **given)


def test_own_models_come_with_a_matrix_for_each_set():
    models = [open_model(lambda x: x) for _ in range(3)]
    references = own_references(models, np.eye(4, 3), torch.ones(5, 3, dtype=torch.bool))
    assert torch.equal(references.members, torch.eye(4, 3).bool())
    assert references.non_members.all()
    assert list(references.models) == models
    with pytest.raises(InputError, match="`members` must have a column for each of 3 models"):
        own_references(models, np.eye(3, 4), np.ones((5, 3)))
    with pytest.raises(InputError, match="9 rows for 81 members"):
        references.inside(as_records(everyone()), as_records(everyone()))


def saved(tmp_path, **changed):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), (4, 10)).astype(np.float32)
    arrays = {"probabilities": probabilities, "inside": np.arange(40).reshape(4, 10) % 2} | changed
    np.savez(tmp_path / "refs.npz", **{name: array for name, array in arrays.items() if array is not None})
    return tmp_path / "refs.npz", arrays


def test_saved_outputs_stand_in_for_models(tmp_path):
    file, arrays = saved(tmp_path)
    references = load_outputs(file)
    assert len(references) == 4
    assert references.models == ()
    assert references.gives == "probabilities"
    assert np.array_equal(references.outputs[slice(1, 3)].numpy(), arrays["probabilities"][1:3])
    x, y = everyone(40)
    sides = [as_records((x[:6], y[:6])), as_records((x[6:10], y[6:10]))]
    assert np.array_equal(references.inside(*sides).numpy(), arrays["inside"].T.astype(bool))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"inside": None}, "must hold `inside` and either"),
        ({"logits": np.ones((4, 10, 3))}, "either `logits` or `probabilities`, found: inside, logits, probabilities"),
        ({"probabilities": np.ones((4, 10))}, r"`probabilities` .* \(models, records, classes\), found .* \(4, 10\)"),
        ({"probabilities": np.ones((4, 10, 3))}, "sum to one, found .* model 0, record 0"),
        ({"inside": np.ones((10, 4))}, r"`inside` .* 4 models and 10 records .* \(10, 4\)"),
        ({"inside": np.full((4, 10), 2)}, "True or False"),
        ({"inside": np.full((4, 10), None)}, "not a whole .npz file of plain arrays"),
        ({"probabilities": None, "logits": np.full((4, 10, 3), np.nan)}, "`logits` .* finite"),
    ],
)
def test_saved_outputs_that_do_not_fit_are_refused(tmp_path, changed, says):
    with pytest.raises(InputError, match=says):
        load_outputs(saved(tmp_path, **changed)[0])


def test_a_file_that_is_not_there_or_no_archive_is_refused(tmp_path):
    with pytest.raises(InputError, match="found nothing"):
        load_outputs(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(InputError, match="not a whole"):
        load_outputs(tmp_path / "text.npz")
