"""The interface of 2020: what it learns from, what it judges, what it leaves behind."""

import inspect
import json
from pathlib import Path

import docs_files
import numpy as np
import pytest
import torch
from attack.worlds_of_2020 import CLASSES, EACH, WIDTH, drawn, fitted, handler, keras_model, written
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import ml_privacy_meter
from ml_privacy_meter import InputError
from ml_privacy_meter.attack import compare_models
from ml_privacy_meter.attack.meminf import initialize
from ml_privacy_meter.membership import access

pytestmark = pytest.mark.filterwarnings("ignore:.*__array__ implementation:DeprecationWarning")  # Keras' own
X, Y = drawn()
MEMBERS = slice(0, EACH)
SETTINGS = {"layers_to_exploit": [4, 5], "gradients_to_exploit": [3], "learning_rate": 0.002, "epochs": 20}


def set_up(model, data, folder, **settings):
    given = SETTINGS | {"networks": 1, "folder": folder} | settings
    return inspect.unwrap(initialize)(  # as its users call it: without the tests' own look at annotations
        target_train_model=model,
        target_attack_model=given.pop("other", model),
        train_datahandler=data,
        attack_datahandler=given.pop("other_data", data),
        **given,
    )


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """No page is drawn: reports have tests of their own."""
    docs_files.draw_nothing(monkeypatch)


@pytest.fixture
def unpictured(monkeypatch):
    monkeypatch.setattr("ml_privacy_meter.attack.plots.of_attack", lambda *found: {})
    monkeypatch.setattr("ml_privacy_meter.attack.plots.of_several", lambda *found: {})


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return written(tmp_path_factory.mktemp("data"), MEMBERS, x=X, y=Y)


@pytest.fixture(scope="module")
def model():
    return fitted(X[MEMBERS], Y[MEMBERS])


def test_in_a_leaky_world_it_finds_members(model, paths, tmp_path):
    attack = set_up(model, handler(paths), tmp_path / "logs", networks=2)
    epochs = attack.train_attack()
    found = attack.test_attack()
    assert found.report.risks["whitebox1"]["AUC"].low > 0.6
    assert found.accuracy > 0.6
    assert epochs.best > 0.6
    assert found.member_probs.mean() > found.nonmember_probs.mean() + 0.2
    assert {finding.attack for finding in found.report.findings} == {
        *("whitebox1", "threshold", "threshold(signal=gradient_norm)")
    }
    check_files(found)


def check_files(found):
    assert found.folder.name == "whitebox1"
    names = {path.name for path in found.folder.iterdir()}
    arrays = {f"{key}_{what}.npy" for key in ("m", "nm") for what in ("ids", "labels")}
    assert names == {*arrays, *("member_probs.npy", "nonmember_probs.npy", "results.json", "plots", "report")} | {
        "tensorboard"
    }
    pictures = {path.stem for path in (found.folder / "plots").iterdir()}
    assert pictures >= {*("accuracy", "privacy_risk", "roc", "gradient_norm", "risk_by_class")}
    assert pictures >= {f"privacy_risk_label{k}" for k in range(CLASSES)}
    for name in ("member_probs", "nonmember_probs"):
        assert np.array_equal(np.load(found.folder / f"{name}.npy"), getattr(found, name))
    for key, count in (("m", len(found.member_probs)), ("nm", len(found.nonmember_probs))):
        rows = [int(one.split(":")[1]) for one in np.load(found.folder / f"{key}_ids.npy")]
        assert len(rows) == count
        assert np.load(found.folder / f"{key}_labels.npy").tolist() == Y[rows].tolist()
        assert all((row < EACH) == (key == "m") for row in rows)
    said = json.loads((found.folder / "results.json").read_text())
    assert said["accuracy"] == found.accuracy
    events = EventAccumulator(str(found.folder / "tensorboard"), size_guidance={"images": 0}).Reload()
    held_back = said["accuracy_of_each_epoch_held_back"]
    assert list(held_back) == [f"network {k}, {how} the weights" for k in (1, 2) for how in ("without", "with")]
    for what, curve in held_back.items():
        assert np.allclose([event.value for event in events.Scalars(f"whitebox1/accuracy, {what}")], curve)
    last = [max(held_back[f"network {k}, with the weights"]) for k in (1, 2)]
    assert said["best_accuracy_held_back"] == pytest.approx(np.mean(last))
    assert "whitebox1/AUC" in events.Tags()["scalars"]
    assert pictures <= set(events.Tags()["images"])


def test_in_a_blank_world_it_finds_nothing(unpictured, tmp_path):
    """Members in name only; chance alone puts one of many intervals above one half."""
    lucky = 0
    for seed in range(5):
        x, y = drawn(seed)
        blank = fitted(*drawn(seed + 50, EACH))
        attack = set_up(blank, handler(written(tmp_path, MEMBERS, x=x, y=y), seed=seed), tmp_path / "logs", seed=seed)
        attack.train_attack()
        lucky += attack.test_attack(tensorboard=False).report.risks["whitebox1"]["AUC"].low > 0.5
    assert lucky <= 1


def test_what_it_has_learned_from_is_never_judged(model, paths, unpictured, tmp_path):
    """Even where the second handler deals its records out in another way, and its file holds them in other digits."""
    first = handler(paths)
    (tmp_path / "again.txt").write_text(paths["dataset_path"].read_text().replace(",", "0, "))
    other = handler(paths | {"dataset_path": tmp_path / "again.txt"}, seed=7)
    attack = set_up(model, first, tmp_path / "logs", other_data=other)
    attack.train_attack()
    found = attack.test_attack(tensorboard=False)
    seen = first.load_train()
    judged = set(found.report.records["id"])
    shared = set(seen.members.id) & set(other.load_test().members.id)
    assert shared
    assert not judged & set(seen.members.id)
    assert not judged & set(seen.non_members.id)
    assert set(attack.learned.keys) == set(seen.keys)


def test_what_it_learns_on_model_a_it_finds_in_model_b(model, paths, unpictured, tmp_path):
    other = fitted(X[EACH : 2 * EACH], Y[EACH : 2 * EACH], seed=1)
    others = written(tmp_path, slice(EACH, 2 * EACH), x=X, y=Y)
    attack = set_up(model, handler(paths), tmp_path / "logs", other=other, other_data=handler(others, seed=3))
    attack.train_attack()
    found = attack.test_attack(tensorboard=False).report
    assert found.risks["whitebox1"]["AUC"].low > 0.55
    assert "another model" in found.findings[0].sees
    assert found.about["member_accuracy"] > 0.95  # of the model that is judged


def test_keras_models_are_attacked_too(paths, unpictured, tmp_path):
    model = keras_model(X[MEMBERS], Y[MEMBERS])
    attack = set_up(model, handler(paths), tmp_path / "logs", layers_to_exploit=[2, 4])
    attack.train_attack()
    assert attack.test_attack(tensorboard=False).report.risks["whitebox1"]["AUC"].low > 0.55


def test_the_gradients_of_keras_models_are_those_of_single_passes(paths, unpictured, tmp_path):
    model = keras_model(X[MEMBERS], Y[MEMBERS], epochs=2)
    attack = set_up(model, handler(paths), tmp_path / "logs", layers_to_exploit=[], gradients_to_exploit=[1])
    attack.train_attack()
    records = attack.test_attack(tensorboard=False).report.records
    weights = [weight for weight in model.parameters() if weight.is_floating_point()]
    for row in range(3):
        _, at = records["id"][row].split(":")
        at = int(at)
        p = model(torch.from_numpy(X[at : at + 1]), training=False)
        loss = -p.double().clamp(min=torch.finfo(torch.float32).tiny).log()[0, Y[at]]
        norm = torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)]).norm()
        assert -records["score: threshold(signal=gradient_norm)"][row] == pytest.approx(float(norm), rel=1e-3)


def test_images_reach_each_model_with_its_channels_in_place(unpictured, tmp_path):
    import keras

    rng = np.random.default_rng(0)
    images, y = rng.integers(0, 256, (120, 3, 6, 5)), rng.integers(0, 2, 120)
    text = [";".join(",".join(map(str, c)) for c in one.reshape(3, -1)) for one in images]
    paths = {"dataset_path": tmp_path / "all.txt", "member_dataset_path": tmp_path / "members.txt"}
    for path, count in zip(paths.values(), (120, 60), strict=True):
        path.write_text("".join(f"{one};{label}\n" for one, label in list(zip(text, y, strict=True))[:count]))
    data = handler(paths, input_shape=(6, 5, 3), attack_percentage=50, normalization=True)
    for model in (
        torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.Flatten(), torch.nn.Linear(24, 2)),
        keras.Sequential(
            [keras.layers.Input((6, 5, 3)), keras.layers.Conv2D(2, 3), keras.layers.Flatten(), keras.layers.Dense(2)]
        ),
    ):
        attack = set_up(model, data, tmp_path / "logs", layers_to_exploit=[1], gradients_to_exploit=[1, 2], epochs=2)
        attack.train_attack()
        assert len(attack.test_attack(tensorboard=False).member_probs) == 30


def test_the_same_seed_gives_the_same_results(model, paths, unpictured, tmp_path):
    found = []
    for seed in (0, 0, 1):
        attack = set_up(model, handler(paths), tmp_path / "logs", seed=seed)
        attack.train_attack()
        found.append(attack.test_attack(tensorboard=False))
    texts = [(one.folder / "report" / "report.json").read_text() for one in found]
    told = [{key: value for key, value in json.loads(text).items() if key != "paths"} for text in texts]
    for one in told:
        one["about"].pop("times", None)
        one.pop("times", None)
    assert told[0] == told[1]
    assert told[0] != told[2]
    assert (found[0].folder / "results.json").read_text() == (found[1].folder / "results.json").read_text()


def test_results_never_take_the_place_of_others(model, paths, unpictured, tmp_path):
    (tmp_path / "logs" / "whitebox1").mkdir(parents=True)
    attack = set_up(model, handler(paths), tmp_path / "logs", epochs=1)
    attack.train_attack()
    folders = [attack.test_attack(tensorboard=False).folder.name for _ in range(2)]
    assert folders == ["whitebox1-2", "whitebox1-3"]
    assert not list((tmp_path / "logs" / "whitebox1").iterdir())
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {"whitebox1", *folders}


def test_raw_records_are_saved_only_where_they_are_asked_for(model, paths, unpictured, tmp_path):
    attack = set_up(model, handler(paths), tmp_path / "logs", epochs=1)
    attack.train_attack()
    found = attack.test_attack(features=True, tensorboard=False)
    for key in ("m", "nm"):
        rows = [int(one.split(":")[1]) for one in np.load(found.folder / f"{key}_ids.npy")]
        assert np.array_equal(np.load(found.folder / f"{key}_features.npy"), X[rows])


def test_layers_may_be_named_and_last_is_the_last(model, paths, unpictured, tmp_path):
    scores = []
    for layers, gradients in (([5], [3]), (["4"], ["4"])):
        attack = set_up(
            model, handler(paths), tmp_path / "logs", layers_to_exploit=layers, gradients_to_exploit=gradients, epochs=2
        )
        attack.train_attack()
        scores.append(attack.test_attack(tensorboard=False).member_probs)
    assert np.allclose(*scores)


@pytest.mark.parametrize("wrong", [0, 6, -1, "fc"])
def test_a_layer_that_is_not_there_is_refused_with_those_that_are(wrong, model, paths):
    data = handler(paths)
    with pytest.raises(InputError, match=r"no layer .* 1 `0` \(Linear\), 2 `1` \(ReLU\), 3 .* 5 `4` \(Linear\)"):
        set_up(model, data, "logs", layers_to_exploit=[wrong])
    with pytest.raises(InputError, match=r"no layer with parameters|no layer .* 1 `0` \(Linear\)"):
        set_up(model, data, "logs", gradients_to_exploit=[wrong])
    with pytest.raises(InputError, match="no layer"):
        set_up(model, data, "logs", other=torch.nn.Linear(WIDTH, CLASSES), layers_to_exploit=[2])


def test_layers_of_keras_are_those_of_its_own_list(paths):
    data = handler(paths)
    with pytest.raises(InputError, match=r"1 `.*` \(Dense\), 2 `.*` \(Dropout\), 3 `.*` \(Dense\), 4 `.*` \(Dense\)"):
        set_up(keras_model(X[:9], Y[:9], epochs=1), data, "logs", layers_to_exploit=[5])
    with pytest.raises(InputError, match=r"1 `.*` \(Dense\), 2 `.*` \(Dense\), 3 `.*` \(Dense\)\."):
        set_up(keras_model(X[:9], Y[:9], epochs=1), data, "logs", layers_to_exploit=[], gradients_to_exploit=[4])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"optimizer": "sdg"}, "no optimizer `sdg`. Did you mean `sgd`?"),
        ({"optimizer": None}, "no optimizer `none`"),
        ({"epochs": 0}, "`epochs`"),
        ({"epochs": "100"}, "`epochs` must be a whole number of at least 1, found '100'"),
        ({"networks": 1.5}, "`networks` must be a whole number of at least 1, found 1.5"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0"),
        ({"learning_rate": "0.1"}, "`learning_rate` must lie between 0 and inf, found '0.1'"),
        ({"model_name": 7}, "`model_name` must be a name that a folder may have, found 7"),
        ({"layers_to_exploit": [3, 1.5]}, "by its number or its name, found 1.5"),
        ({"other_data": "data"}, "must come from `attack_data`, found a str"),
        ({"learning_rate": 0}, "`learning_rate`"),
        ({"learning_rate": float("nan")}, "`learning_rate` must lie between 0 and inf, found nan"),
        ({"model_name": "a/b"}, "`model_name` must be a name that a folder may have"),
        ({"model_name": ".."}, "`model_name`"),
        ({"layers_to_exploit": None, "gradients_to_exploit": None, "exploit_loss": False}, "must exploit"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, says, model, paths):
    with pytest.raises(InputError, match=says):
        set_up(model, handler(paths), "logs", **settings)


@pytest.mark.parametrize("which", [4, "4", np.array([4])])
def test_a_layer_alone_or_of_numpy_is_a_layer(which, model, paths):
    attack = set_up(model, handler(paths), "logs", layers_to_exploit=which, gradients_to_exploit=None)
    assert attack.exploited.layers == ((which,) if isinstance(which, str) else (4,))


def test_an_attack_must_be_trained_before_it_is_tested(model, paths):
    attack = set_up(model, handler(paths), "logs")
    with pytest.raises(InputError, match=r"`whitebox1` must be trained first: call train_attack\(\)"):
        attack.test_attack()
    assert not Path("logs").exists()


def test_a_model_of_other_sizes_is_refused_with_what_to_do(model, paths, unpictured, tmp_path):
    other = torch.nn.Sequential(
        *(torch.nn.Linear(WIDTH, 64), torch.nn.ReLU(), torch.nn.Linear(64, 20), torch.nn.ReLU()),
        torch.nn.Linear(20, CLASSES),
    )
    attack = set_up(model, handler(paths), tmp_path / "logs", other=other, epochs=1)
    attack.train_attack()
    with pytest.raises(InputError, match="must have the layers that it has learned from, in the same sizes"):
        attack.test_attack()
    assert not (tmp_path / "logs").exists()


def test_too_few_records_that_are_left_are_refused(model, paths, tmp_path):
    attack = set_up(model, handler(paths, attack_percentage=81), tmp_path / "logs", epochs=1)
    attack.train_attack()
    with pytest.raises(InputError, match="20 members or more from which it has not learned, found 19"):
        attack.test_attack()


def test_attacks_are_compared_on_the_same_records(model, paths, tmp_path):
    data = handler(paths)
    white = set_up(model, data, tmp_path / "logs")
    black = set_up(
        model, data, tmp_path / "logs", layers_to_exploit=[5], gradients_to_exploit=None, model_name="blackbox1"
    )
    for attack in (white, black):
        attack.train_attack()
    report, folder = ml_privacy_meter.attack.compare_models(white, black, folder=tmp_path / "logs")
    assert [finding.attack for finding in report.findings][:2] == ["whitebox1", "blackbox1"]
    assert folder == tmp_path / "logs" / "comparison"
    assert {path.name for path in folder.iterdir()} == {"plots", "report", "tensorboard"}
    assert {path.name for path in (folder / "plots").iterdir()} == {"roc.png", "comparison.png"}
    learned = set(data.load_train().members.id)
    assert not learned & set(report.records["id"])


def test_answers_and_labels_are_enough_to_find_members(unpictured, tmp_path):
    """Of many classes, which of the answers is the label's is too much to be found out from few records."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3 * EACH, WIDTH)).astype(np.float32).round(3), rng.permutation(np.arange(3 * EACH) % 30)
    model = fitted(x[MEMBERS], y[MEMBERS], steps=150, classes=30)
    data = handler(written(tmp_path, MEMBERS, x=x, y=y))
    only = {"layers_to_exploit": [5], "gradients_to_exploit": None, "exploit_loss": False}
    black = set_up(model, data, tmp_path / "logs", **only)
    black.train_attack()
    finding = black.test_attack(tensorboard=False).report.findings[0]
    assert {risk.name: risk for risk in finding.risks}["AUC"].low > 0.8
    assert access(black.of_view()) == "outputs"
    assert "The target model's outputs" in black.of_view().__doc__


@pytest.mark.parametrize("last", [torch.nn.Identity(), torch.nn.Softmax(1)], ids=["logits", "probabilities"])
def test_only_a_layer_that_gives_the_answer_is_read_without_the_weights(last, model, paths, tmp_path):
    whole = torch.nn.Sequential(*model, last)
    inside = {"gradients_to_exploit": None, "exploit_loss": False, "epochs": 1}
    seen = {}
    for which in (4, 6):
        attack = set_up(whole, handler(paths), tmp_path, **inside, layers_to_exploit=[which])
        attack.train_attack()
        seen[which] = access(attack.of_view())
    assert seen == {4: "parameters", 6: "outputs"}


def test_attacks_that_differ_in_more_than_what_they_exploit_are_not_compared(model, paths, tmp_path):
    data = handler(paths)
    one = set_up(model, data, tmp_path)
    with pytest.raises(InputError, match="two attacks or more with names of their own, found whitebox1"):
        compare_models(one)
    with pytest.raises(InputError, match="names of their own, found whitebox1, whitebox1"):
        compare_models(one, set_up(model, data, tmp_path))
    with pytest.raises(InputError, match="`b` has others than `whitebox1`"):
        compare_models(one, set_up(model, handler(paths), tmp_path, model_name="b"))
    with pytest.raises(InputError, match="must be trained first"):
        compare_models(one, set_up(model, data, tmp_path, model_name="b"))
