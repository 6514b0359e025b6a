import copy
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from targets.worlds_of_models import both, export, logits, network, records
from torch import nn

from ml_privacy_meter import signals
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets import fit, open_model


def script(module: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(module).save(str(path))
    return path


def test_a_module_answers_with_its_own_logits() -> None:
    members, others = both()
    module = network()
    target, members, others = fit(open_model(module), members, others)
    target.eval()
    torch.testing.assert_close(target(members.x[0:7]), logits(module, members.x[0:7]))
    assert target.access == "parameters"
    assert members.labels.dtype == torch.int64
    assert "75 parameters" in target.says
    assert "logits of 3 classes" in target.says
    assert target.inner is module


def test_opening_and_fitting_leave_the_users_module_as_it_was() -> None:
    module = network()
    module.append(nn.BatchNorm1d(3))
    module[0].eval()  # some parts frozen, as users do
    flags = [part.training for part in module.modules()]
    weights = copy.deepcopy(module.state_dict())
    random = torch.get_rng_state()
    fit(open_model(module), *both())
    assert [part.training for part in module.modules()] == flags
    assert all(torch.equal(value, weights[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    assert next(module.parameters()).device.type == "cpu"


def test_flags_are_restored_when_the_model_refuses_the_records() -> None:
    module = network(features=9)
    with pytest.raises(InputError):
        fit(open_model(module), *both(features=5))
    assert all(part.training for part in module.modules())


def test_the_key_follows_weights_and_not_the_object() -> None:
    keys = [fit(open_model(network(seed=seed)), *both())[0].key for seed in (1, 1, 2)]
    assert keys[0] == keys[1] != keys[2]
    assert keys[0]


@pytest.mark.parametrize("outputs", ["logits", "probabilities"])
def test_the_key_follows_how_outputs_are_read(outputs: str) -> None:
    module = nn.Sequential(network(), nn.Softmax(dim=1))
    said = fit(open_model(module, outputs=outputs), *both())[0]
    assert (said.key == fit(open_model(module), *both())[0].key) == (outputs == "probabilities")


@pytest.mark.parametrize("suffix", [".pt2", ".pt"])
def test_an_exported_program_is_known_by_its_content(tmp_path: Path, suffix: str) -> None:
    members, others = both()
    module = network()
    path = export(module, members.x[0:4], tmp_path / f"model{suffix}")
    target, members, _ = fit(open_model(path), members, others)
    for size in (1, 2, 33):
        torch.testing.assert_close(target.eval()(members.x[0:size]), logits(module, members.x[0:size]))
    assert target.deterministic
    assert "exported" in target.says


def test_an_exported_program_of_a_fixed_batch_is_called_with_that_batch(tmp_path: Path) -> None:
    members, others = both()
    module = network()
    path = export(module, members.x[0:4], tmp_path / "model.pt2", dynamic=False)
    target, members, _ = fit(open_model(str(path)), members, others)
    for size in (1, 4, 11):
        torch.testing.assert_close(target(members.x[0:size]), logits(module, members.x[0:size]))


def test_an_exported_program_that_takes_two_records_at_least_answers_for_one(tmp_path: Path) -> None:
    class Pairs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch._check(x.shape[0] >= 2)
            return self.layer(x)

    members, others = both(size=33)
    module = Pairs()
    shapes = ({0: torch.export.Dim("records", min=2, max=16)},)
    program = torch.export.export(module, (members.x[0:4],), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "model.pt2")
    target, members, _ = fit(open_model(tmp_path / "model.pt2"), members, others)
    with pytest.raises(RuntimeError):
        module(members.x[0:1])
    torch.testing.assert_close(target(members.x[0:1]), module.layer(members.x[0:1]))
    torch.testing.assert_close(target(members.x[0:33]), module.layer(members.x[0:33]))


def test_an_export_in_memory_is_taken_as_program_and_as_module() -> None:
    members, others = both()
    module = network().eval()
    shapes = ({0: torch.export.Dim("records")},)
    program = torch.export.export(module, (members.x[0:4],), dynamic_shapes=shapes)
    for model in (program, program.module()):
        target, fitted, _ = fit(open_model(model), members, others)
        torch.testing.assert_close(target.eval()(fitted.x[0:5]), logits(module, members.x[0:5]))


def test_a_module_of_a_fixed_export_is_called_with_its_batch() -> None:
    members, others = both()
    module = network().eval()
    program = torch.export.export(module, (members.x[0:4],))
    target, members, _ = fit(open_model(program.module()), members, others)
    torch.testing.assert_close(target(members.x[0:9]), logits(module, members.x[0:9]))


def test_a_copy_of_a_target_is_a_target_of_its_own(tmp_path: Path) -> None:
    members, others = both()
    module = network()
    files = [export(network(), members.x[0:4], tmp_path / "m.pt2"), script(network(), tmp_path / "m.pt")]
    for model in (module, *files):
        target, members, others = fit(open_model(model), members, others)
        twin = copy.deepcopy(target).double().eval()
        assert {p.dtype for p in twin.parameters()} == {torch.float64}
        assert all(p.is_leaf and p.requires_grad for p in twin.parameters())
        assert twin.inner is not target.inner
        assert {p.dtype for p in target.parameters()} == {torch.float32}
        torch.testing.assert_close(target.eval()(members.x[0:3]), logits(network(), members.x[0:3]))


def test_an_export_with_active_dropout_is_known_not_to_be_deterministic(tmp_path: Path) -> None:
    members, others = both()
    shapes = ({0: torch.export.Dim("records")},)
    program = torch.export.export(network().train(), (members.x[0:4],), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "model.pt2")
    random = torch.get_rng_state()
    target, _, _ = fit(open_model(tmp_path / "model.pt2"), members, others)
    assert not target.deterministic
    assert "different answers" in target.says
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("name", ["model.pt", "model.ts", "model.torchscript", "model.bin"])
def test_torchscript_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    members, others = both()
    module = network()
    target, members, _ = fit(open_model(script(module, tmp_path / name)), members, others)
    torch.testing.assert_close(target.eval()(members.x[0:7]), logits(module, members.x[0:7]))
    assert target.deterministic
    assert target.access == "parameters"


def test_frozen_torchscript_has_no_flags_and_works(tmp_path: Path) -> None:
    members, others = both()
    module = network().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.freeze(torch.jit.script(module)).save(str(tmp_path / "model.pt"))
    target, members, _ = fit(open_model(tmp_path / "model.pt"), members, others)
    torch.testing.assert_close(target.eval()(members.x[0:7]), logits(module, members.x[0:7]))


FACTORY = """
from torch import nn
def build():
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
def halved(batch):
    return batch / 2
class Stranger:
    pass
nothing = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_models.py").write_text(FACTORY)
    (tmp_path / "broken.py").write_text("def f(:")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_models", raising=False)
    return tmp_path


@pytest.mark.parametrize("form", ["safetensors", "plain", "wrapped", "parallel"])
def test_a_factory_is_filled_with_weights(folder: Path, form: str) -> None:
    members, others = both()
    module = network()
    state = module.state_dict()
    path = folder / ("w.safetensors" if form == "safetensors" else "w.pt")
    if form == "safetensors":
        save_file(state, path)
    elif form == "wrapped":
        torch.save({"state_dict": state, "epoch": 3}, path)
    else:
        torch.save({f"module.{k}": v for k, v in state.items()} if form == "parallel" else state, path)
    before = list(sys.path)
    random = torch.get_rng_state()
    opened = open_model("my_models:build", weights=path)
    assert sys.path == before
    assert torch.equal(torch.get_rng_state(), random)
    target, members, _ = fit(opened, members, others)
    torch.testing.assert_close(target.eval()(members.x[0:7]), logits(module, members.x[0:7]))
    (folder / "my_models.py").write_text(FACTORY + "\nmore = 1\n")
    assert open_model("my_models:build", weights=path).key != opened.key


def test_weights_of_another_model_are_refused_by_name(folder: Path) -> None:
    state = network().state_dict()
    state["extra.bias"] = state.pop("0.weight")
    torch.save(state, folder / "w.pt")
    with pytest.raises(InputError, match=r"missing: 0\.weight; unexpected: extra\.bias"):
        open_model("my_models:build", weights=folder / "w.pt")
    torch.save(network(features=6).state_dict(), folder / "w.pt")
    with pytest.raises(InputError, match=r"0\.weight \(8, 6\) where the model has \(8, 5\)"):
        open_model("my_models:build", weights="w.pt")


def test_weights_that_are_pickles_or_missing_or_corrupt_are_refused(folder: Path) -> None:
    torch.save(network(), folder / "whole.pt")
    (folder / "bad.safetensors").write_bytes(b"\xff" * 50)
    (folder / "bad.pt").write_bytes(b"PK\x03\x04" + b"\0" * 50)
    torch.save([torch.ones(2)], folder / "list.pt")
    for name, words in {
        "whole.pt": "plain weights",
        "none.pt": "does not exist",
        "bad.safetensors": "cannot be opened",
        "bad.pt": "plain weights",
        "list.pt": "by name",
    }.items():
        with pytest.raises(InputError, match=words):
            open_model("my_models:build", weights=folder / name)


@pytest.mark.parametrize("name", ["my_models:nothing", "my_models:absent", "no_such_module:f", "broken:f"])
def test_a_factory_that_is_not_there_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"package\.module:function"):
        open_model(name)


def test_a_factory_that_fails_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"without arguments, it failed: TypeError"):
        open_model("my_models:halved")


def test_weights_without_a_factory_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="factory"):
        open_model(network(), weights="w.pt")


def test_preprocessing_is_named_or_given_and_is_part_of_the_key(folder: Path) -> None:
    members, others = both()
    module = network()
    target, fitted, _ = fit(open_model(module, preprocess="my_models:halved"), members, others)
    torch.testing.assert_close(target.eval()(fitted.x[0:7]), logits(module, members.x[0:7] / 2))
    assert target.key
    assert target.key != fit(open_model(module), members, others)[0].key
    held = 2.0
    assert fit(open_model(module, preprocess=lambda batch: batch / held), members, others)[0].key == ""


def test_floating_records_are_cast_to_the_models_floats() -> None:
    members, others = both()
    members, others = (records(r.x.double(), r.y) for r in (members, others))
    target, members, _ = fit(open_model(network()), members, others)
    assert target.eval()(members.x[0:3]).dtype == torch.float32
    assert "cast from float64 to float32" in target.says


def test_integers_go_as_they_are_where_the_model_takes_them_and_as_floats_elsewhere() -> None:
    draw = torch.Generator().manual_seed(0)
    sets = [
        records(torch.randint(0, 9, (40, 5), generator=draw, dtype=torch.uint8), torch.arange(40) % 3) for _ in "mn"
    ]
    target, members, _ = fit(open_model(network()), *sets)
    assert target.eval()(members.x[0:3]).shape == (3, 3)
    assert "cast from uint8 to float32" in target.says
    words = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(20, 3))
    target, members, _ = fit(open_model(words), *sets)
    assert "cast from uint8 to int64" in target.says
    target, _, _ = fit(open_model(nn.Sequential(nn.Flatten(), Scaled())), *sets)
    assert "cast" not in target.says


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.dtype == torch.uint8
        return self.layer(x / 255)


def test_a_frame_of_numbers_becomes_a_tensor_and_a_frame_of_words_is_refused() -> None:
    members, others = both()
    frames = [records(pd.DataFrame(r.x.numpy(), columns=list("abcde")), r.y) for r in (members, others)]
    frames = [records(Frame(r.x), r.y) for r in frames]
    module = network()
    target, fitted, _ = fit(open_model(module), *frames)
    torch.testing.assert_close(target.eval()(fitted.x[0:7]), logits(module, members.x[0:7]))
    wordy = [records(Frame(r.x.of.assign(town="Ulm")), r.y) for r in frames]
    with pytest.raises(InputError, match=r"other kinds: town.*preprocess"):
        fit(open_model(module), *wordy)


class Frame:
    """Rows of a data frame."""

    def __init__(self, of: pd.DataFrame) -> None:
        self.of = of

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, index: slice | np.ndarray) -> pd.DataFrame:
        return self.of.iloc[index]


def test_records_of_another_shape_are_refused_with_both_shapes(tmp_path: Path) -> None:
    module = network(features=9)
    path = export(module, torch.randn(4, 9), tmp_path / "m.pt2")
    ts = script(module, tmp_path / "m.pt")
    convolution = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(3))
    convolution(torch.randn(1, 3, 8, 8))
    for model, takes in ((module, "9 numbers"), (path, "records x 9"), (ts, "9 numbers"), (convolution, "3 channels")):
        with pytest.raises(InputError, match=rf"shape \(32, 5\).*{takes}.*own words: \w+"):
            fit(open_model(model), *both(features=5))


def test_outputs_that_are_not_finite_name_the_record() -> None:
    members, others = both()
    others.x[3, 0] = torch.nan
    with pytest.raises(InputError, match="record n3"):
        fit(open_model(network()), members, others)


def test_a_model_that_answers_with_something_else_is_refused() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x, x

    class Mean(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean(dim=0)

    with pytest.raises(InputError, match="found a tuple of 2"):
        fit(open_model(Two()), *both())
    with pytest.raises(InputError, match=r"shape \(5,\) for 32 records"):
        fit(open_model(Mean()), *both())


def test_an_empty_set_is_refused() -> None:
    members, _ = both()
    with pytest.raises(InputError, match="non-members is empty"):
        fit(open_model(network()), members, records(torch.empty(0, 5), torch.empty(0, dtype=torch.long)))


def test_a_setting_beside_the_weights_belongs_to_the_key() -> None:
    class Cut(nn.Module):
        def __init__(self, cut: object) -> None:
            super().__init__()
            self.cut = cut

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :3]

    keys = [open_model(Cut(cut)).key for cut in (1.0, 2.0, torch.ones(2), torch.zeros(2), {"a": [1]}, {"a": [2]})]
    assert len(set(keys)) == 6
    assert all(keys)
    assert open_model(Cut(1.0)).key == keys[0]
    assert open_model(Cut(object())).key == ""


@pytest.mark.parametrize("setting", [{"trusted": ["a.B"]}, {"output_name": "scores"}])
def test_a_setting_of_another_kind_of_file_is_refused(tmp_path: Path, setting: dict[str, object]) -> None:
    export(network(), torch.zeros(2, 5), tmp_path / "model.pt2")
    with pytest.raises(InputError, match="is a setting of"):
        open_model(tmp_path / "model.pt2", **setting)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten())
        self.head = nn.Linear(64, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def exported(model: nn.Module, x: torch.Tensor) -> torch.export.ExportedProgram:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("records", min=2)},))


def test_an_exported_program_has_the_layers_of_the_module(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, x, y = Small().eval(), torch.randn(9, 1, 6, 6), torch.arange(9) % 3
    torch.export.save(exported(model, x), tmp_path / "model.pt2")
    opened = open_model(tmp_path / "model.pt2").inner
    assert list(signals.layers(opened)) == list(signals.layers(model))
    for one in (opened, copy.deepcopy(opened)):
        torch.testing.assert_close(one(x), model(x))
        for of in ("all", "last", "body.0", 2):
            found, expected = (signals.gradients(m, x, y, of=of) for m in (one, model))
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
        for of in ("body.0", "body.2", 5):
            torch.testing.assert_close(*(signals.activations(m, x, y, of=of) for m in (one, model)))
    assert isinstance(signals.layer(opened, "head"), nn.Linear)
    factors = [signals.gradient_factors(m, x, y, of="head") for m in (opened, model)]
    torch.testing.assert_close(*factors, rtol=1e-5, atol=1e-6)


def test_a_program_that_torch_cannot_take_apart_is_one_module(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = Small().eval(), torch.randn(9, 1, 6, 6)
    program = exported(model, x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = torch.export.unflatten(exported(Small().eval(), x))  # answers, but otherwise
    for wrong in (lambda _: 1 / 0, lambda _: other):
        monkeypatch.setattr(torch.export, "unflatten", wrong)
        opened = open_model(program).inner
        torch.testing.assert_close(opened(x), model(x))
        assert "head" not in signals.layers(opened)


def test_names_that_would_be_code_are_not_written_into_any() -> None:
    model, x = Small().eval(), torch.randn(9, 1, 6, 6)
    program = exported(model, x)
    for node in program.graph.nodes:
        for key, (path, kind) in node.meta.get("nn_module_stack", {}).items():
            node.meta["nn_module_stack"][key] = (path.replace("head", 'head"); 1 / 0; ("'), kind)
    assert not any("1 / 0" in name for name, _ in open_model(program).inner.named_modules())
