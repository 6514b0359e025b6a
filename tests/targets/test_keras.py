import os
import subprocess
import sys
import warnings
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras
import pytest
import torch
from targets.worlds_of_models import both

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets import fit, open_model

pytestmark = pytest.mark.filterwarnings("ignore:.*__array__ implementation:DeprecationWarning")


def network(activation: str = "softmax") -> "keras.Model":
    keras.utils.set_random_seed(0)
    layers = keras.layers
    last = layers.Dense(3, activation=activation)
    return keras.Sequential([layers.Input((5,)), layers.Dense(8, "relu"), layers.Dropout(0.5), last])


@pytest.mark.parametrize("activation", ["softmax", "linear"])
def test_a_keras_file_is_an_nn_module_with_its_own_answers(tmp_path: Path, activation: str) -> None:
    model = network(activation)
    model.save(tmp_path / "m.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        target, members, _ = fit(open_model(tmp_path / "m.keras"), *both())
    expected = model(members.x[0:9], training=False).detach()
    answer = target(members.x[0:9])
    torch.testing.assert_close(answer.softmax(1), expected.softmax(1) if activation == "linear" else expected)
    assert target.access == "parameters"
    assert isinstance(target.inner, torch.nn.Module)
    assert sum(p.numel() for p in target.parameters() if p.is_floating_point()) == 75
    assert "75 parameters" in target.says
    assert target.deterministic
    torch.testing.assert_close(target.train()(members.x[0:9]), answer)
    assert answer.requires_grad


def test_a_keras_model_in_memory_is_left_as_it_was() -> None:
    model = network()
    flags = [part.training for part in model.modules()]
    target, _, _ = fit(open_model(model), *both())
    assert [part.training for part in model.modules()] == flags
    assert target.key
    assert target.key == fit(open_model(model), *both())[0].key
    model.layers[0].kernel.assign_add(torch.ones(5, 8))
    assert target.key != fit(open_model(model), *both())[0].key


def test_code_in_a_keras_file_is_not_run(tmp_path: Path) -> None:
    layers = keras.layers
    keras.Sequential([layers.Input((5,)), layers.Lambda(lambda x: x * 2)]).save(tmp_path / "m.keras")
    with pytest.raises(InputError, match="needs code of its own"):
        open_model(tmp_path / "m.keras")


def test_records_of_another_shape_are_refused_with_both_shapes(tmp_path: Path) -> None:
    network().save(tmp_path / "m.keras")
    with pytest.raises(InputError, match=r"shape \(32, 4\).*a batch of records x 5"):
        fit(open_model(tmp_path / "m.keras"), *both(features=4))


def test_keras_on_another_backend_is_refused(tmp_path: Path) -> None:
    network().save(tmp_path / "m.keras")
    code = (
        "import sys, types\n"
        "import keras\n"
        "keras.config.backend = lambda: 'jax'\n"
        "from ml_privacy_meter.targets import open_model\n"
        f"open_model({str(tmp_path / 'm.keras')!r})\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "InputError: Keras must run on its torch backend, it was imported on jax" in run.stderr


def test_the_backend_is_torch_where_nobody_chose(tmp_path: Path) -> None:
    network().save(tmp_path / "m.keras")
    code = (
        "from ml_privacy_meter.targets import open_model\n"
        f"print(open_model({str(tmp_path / 'm.keras')!r}).kind)\n"
        "import keras; print(keras.config.backend())\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert run.stdout.split("\n")[:2] == ["Keras model", "torch"]
