"""Files that nobody vouches for: none of them may run anything, whatever is in it."""

import contextlib
import io
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
import torch
from targets.worlds_of_models import export, network
from torch import nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets import open_model


class Evil:
    """What runs when it is unpickled: it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.mark,)


def rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes | None], add: dict[str, bytes]) -> Path:
    """A copy of an archive of torch with changed, dropped and added records."""
    reader = torch._C.PyTorchFileReader(str(source))
    writer = torch._C.PyTorchFileWriter(str(target))
    for name in [n for n in reader.get_all_records() if not n.startswith((".data", "byteorder"))]:
        content = change(name, reader.get_record(name))
        if content is not None and name not in add:
            writer.write_record(name, content, len(content))
    for name, content in add.items():
        writer.write_record(name, content, len(content))
    writer.write_end_of_file()
    return target


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return export(network(), torch.randn(4, 5), tmp_path / "good.pt2")


def saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def same(name: str, content: bytes) -> bytes:
    return content


def evil_inputs(good: Path, bad: Path, mark: Path) -> None:
    rewritten(good, bad, same, {"data/sample_inputs/model.pt": saved(((Evil(mark),), {}))})


def evil_weight(good: Path, bad: Path, mark: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        if name.endswith("weights_config.json"):
            config = json.loads(content)
            next(iter(config["config"].values()))["use_pickle"] = True
            return json.dumps(config).encode()
        return content

    rewritten(good, bad, change, {"data/weights/weight_0": saved(Evil(mark))})


def evil_letters(good: Path, bad: Path, mark: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        if name.endswith("weights_config.json"):
            return content.replace(b'"weight_0"', b'"Weight_0"')
        return content

    evil_weight(good, bad.with_suffix(".half"), mark)
    rewritten(bad.with_suffix(".half"), bad, change, {})


def evil_constant(good: Path, bad: Path, mark: Path) -> None:
    meta = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    config = json.dumps({"config": {"c": meta}}).encode()
    added = {
        "data/constants/model_constants_config.json": config,
        "data/constants/opaque_obj_0": pickle.dumps(Evil(mark)),
    }
    rewritten(good, bad, same, added)


def in_graph(change: Callable[[str], str]) -> Callable[[Path, Path, Path], None]:
    def make(good: Path, bad: Path, mark: Path) -> None:
        def edit(name: str, content: bytes) -> bytes:
            if name != "models/model.json":
                return content
            edited = change(content.decode()).replace("MARK", str(mark)).encode()
            assert edited != content
            return edited

        rewritten(good, bad, edit, {})

    return make


def evil_library(good: Path, bad: Path, mark: Path) -> None:
    rewritten(good, bad, same, {"data/aotinductor/model/model.so": b"\x7fELF"})


def evil_older(good: Path, bad: Path, mark: Path) -> None:
    rewritten(good, bad, same, {})
    with zipfile.ZipFile(bad, "a") as archive:
        archive.writestr("version", "8.8")
        archive.writestr("serialized_state_dict.pt", saved(Evil(mark)))


def expression(text: str) -> Callable[[str], str]:
    """Puts another expression in the place of every dynamic size."""

    def change(graph: str) -> str:
        tree = json.loads(graph)

        def walk(value: Any) -> None:
            if isinstance(value, dict):
                if "expr_str" in value:
                    value["expr_str"] = text
                for inner in value.values():
                    walk(inner)
            elif isinstance(value, list):
                for inner in value:
                    walk(inner)

        walk(tree)
        return json.dumps(tree)

    return change


BAD = {
    "example inputs": (evil_inputs, r"sample_inputs.*more than tensors"),
    "a pickled weight": (evil_weight, r"weight_0 is a pickle"),
    "a pickled weight in other letters": (evil_letters, r"lacks data/weights/Weight_0"),
    "a pickled constant": (evil_constant, r"holds data/constants/opaque_obj_0"),
    "a compiled library": (evil_library, r"holds data/aotinductor/model/model\.so"),
    "a second, older form": (evil_older, r"not in a subdirectory|a second, older form"),
    "an expression": (in_graph(expression("__import__('pathlib').Path('MARK').touch()")), r"expr_str is"),
    "an expression through attributes": (in_graph(expression("Symbol('s0').__class__.__mro__")), r"expr_str is"),
    "an expression through eval": (in_graph(expression("eval('1')")), r"expr_str is"),
    "another function": (
        in_graph(lambda graph: graph.replace("torch.ops.aten.linear.default", "torch.os.system")),
        r"target is 'torch.os",
    ),
    "a library op": (
        in_graph(lambda graph: graph.replace("torch.ops.aten.linear.default", "torch.ops.load_library")),
        r"target is 'torch.ops.load",
    ),
    "an op that maps files": (
        in_graph(lambda g: g.replace("torch.ops.aten.linear.default", "torch.ops.aten.from_file")),
        r"target is 'torch.ops.aten.from",
    ),
    "a name that is code": (
        in_graph(lambda graph: graph.replace('"name": "relu"', '"name": "relu=open(\'MARK\')#"')),
        r"name is .relu=",
    ),
    "an imported default": (
        in_graph(lambda graph: graph.replace("builtins.dict", "collections.defaultdict")),
        r"defaultdict",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_exported_program_with_code_in_it_is_refused_before_any_runs(good: Path, tmp_path: Path, kind: str) -> None:
    mark = tmp_path / "ran"
    make, reason = BAD[kind]
    make(good, tmp_path / "bad.pt2", mark)
    with pytest.raises(InputError, match=reason):
        open_model(tmp_path / "bad.pt2")
    assert not mark.exists()


def test_the_attacks_above_are_real(good: Path, tmp_path: Path) -> None:
    for kind in ("example inputs", "a pickled weight", "a pickled weight in other letters", "an expression"):
        mark = tmp_path / kind.replace(" ", "-")
        BAD[kind][0](good, tmp_path / "bad.pt2", mark)
        with contextlib.suppress(Exception), (tmp_path / "bad.pt2").open("rb") as file:
            torch.export.load(file)  # fails, but has run by then
        assert mark.exists(), kind


def test_rich_but_honest_exports_are_opened(tmp_path: Path) -> None:
    class Rich(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleDict({"first-part": nn.Linear(5, 4), "norm": nn.BatchNorm1d(4)})
            self.attention = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
            self.constant = torch.ones(1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = self.parts["norm"](self.parts["first-part"](x)) + self.constant
            h = self.attention(h.reshape(x.shape[0], 1, 4)).reshape(-1, 4)
            h = torch.einsum("bi,ij->bj", h, torch.eye(4)) / x.shape[0]
            mask = (h > 0) & (h < 9)
            return nn.functional.gelu(torch.where(mask, h, -h), approximate="tanh")

    path = export(Rich(), torch.randn(4, 5), tmp_path / "rich.pt2")
    assert open_model(path).inner(torch.randn(6, 5)).shape == (6, 4)


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.pickle", "model.skops", "model.pt", "model"])
def test_a_pickle_is_refused_under_any_name(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "ran"
    (tmp_path / name).write_bytes(pickle.dumps(Evil(mark)))
    with pytest.raises(InputError, match=r"pickle.*skops\.io\.dump.*torch\.export\.save.*safetensors"):
        open_model(tmp_path / name)
    assert not mark.exists()


def test_a_compressed_joblib_file_is_refused(tmp_path: Path) -> None:
    joblib.dump({"a": 1}, tmp_path / "m.joblib", compress=3)
    with pytest.raises(InputError, match="pickle"):
        open_model(tmp_path / "m.joblib")


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.pt2"])
def test_a_whole_pickled_module_is_refused(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "ran"
    torch.save({"model": Evil(mark)}, tmp_path / name)
    with pytest.raises(InputError, match=r"whole pickled module.*torch\.export\.save"):
        open_model(tmp_path / name)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["weights.pt", "weights.pth", "weights.safetensors"])
def test_weights_alone_are_no_model(tmp_path: Path, name: str) -> None:
    torch.save(network().state_dict(), tmp_path / name)
    with pytest.raises(InputError, match=r"weights alone are no model.*package\.module:factory --weights"):
        open_model(str(tmp_path / name))


def test_the_old_form_of_torch_save_is_refused(tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / "w.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match="pickle"):
        open_model(tmp_path / "w.pt")


def test_torchscript_that_reaches_for_files_is_refused(tmp_path: Path) -> None:
    class Writes(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.from_file("/tmp/no", False, 1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(Writes()).save(str(tmp_path / "m.pt"))
    with pytest.raises(InputError, match="reaches for files"):
        open_model(tmp_path / "m.pt")


@pytest.mark.parametrize("suffix", [".pt2", ".pt", ".skops", ".keras"])
def test_a_truncated_file_is_refused(tmp_path: Path, good: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(good.read_bytes()[:900])
    with pytest.raises(InputError, match="corrupt"):
        open_model(path)


@pytest.mark.parametrize("suffix", [".pt2", ".pt", ".skops", ".keras", ".onnx"])
def test_noise_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"noise{suffix}"
    path.write_bytes(b"noise" * 100)
    with pytest.raises(InputError, match="corrupt"):
        open_model(path)


def test_damage_inside_an_archive_is_refused(tmp_path: Path, good: Path) -> None:
    rewritten(good, tmp_path / "bad.pt2", lambda n, c: c[: len(c) // 2] if n == "models/model.json" else c, {})
    with pytest.raises(InputError, match="no complete exported program"):
        open_model(tmp_path / "bad.pt2")
    rewritten(good, tmp_path / "less.pt2", lambda n, c: None if n == "data/weights/weight_0" else c, {})
    with pytest.raises(InputError, match="lacks data/weights/weight_0"):
        open_model(tmp_path / "less.pt2")


def test_a_file_that_is_missing_or_a_folder_or_unknown_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("a.txt", "b")
    for name, words in {
        "absent.pt2": "does not exist",
        "": "is a folder",
        "notes.txt": "no kind of model file",
        "data.zip": "of no model that is known",
    }.items():
        with pytest.raises(InputError, match=words):
            open_model(tmp_path / name)


def test_something_that_is_no_model_is_refused() -> None:
    for thing in (3, nn.Linear, [1]):
        with pytest.raises(InputError, match=r"must be an nn\.Module"):
            open_model(thing)
