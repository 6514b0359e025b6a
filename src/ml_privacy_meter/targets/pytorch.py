"""Models of PyTorch: a module, an exported program, TorchScript, weights beside a factory."""

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets import archive, key
from ml_privacy_meter.targets.layered import layered
from ml_privacy_meter.targets.target import Opened, chunks


class Exported(nn.Module):
    """An exported program, called with as many records as it was exported for."""

    wraps = "program"

    def __init__(self, program: nn.Module, *, least: int, most: int | None) -> None:
        super().__init__()
        self.program = program
        self.least, self.most = least, most

    def train(self, mode: bool = True) -> "Exported":
        return self  # its mode was fixed when it was exported, and asking for another one raises

    def __deepcopy__(self, memo: dict[int, Any]) -> "Exported":
        with warnings.catch_warnings():
            # torch copies a structure of its own that it has deprecated
            warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
            return Exported(copy.deepcopy(self.program, memo), least=self.least, most=self.most)

    def forward(self, batch: Tensor) -> Any:
        if len(batch) >= self.least and (self.most is None or len(batch) <= self.most):
            return self.program(batch)
        parts = chunks(len(batch), least=self.least, most=self.most)
        return torch.cat([_rows(self.program(batch[rows]), kept) for rows, kept in parts])


def open_module(module: nn.Module, *, kind: str = "PyTorch module", content: str = "") -> Opened:
    """A module as it stands; it is neither copied nor changed."""
    known = content or key.of_module(module)
    inner = _of_export(module) if isinstance(module, fx.GraphModule) and "train" in vars(module) else module
    return Opened(inner, kind, known, takes=_takes(module), dtype=_dtype(module))


def _of_export(module: fx.GraphModule) -> Exported:
    """The module that `ExportedProgram.module` makes, which raises where its mode is set."""
    places = [node.meta.get("val") for node in module.graph.nodes if node.op == "placeholder"]
    size = places[0].shape[0] if places and isinstance(places[0], Tensor) and places[0].ndim else None
    return Exported(module, least=size, most=size) if isinstance(size, int) else Exported(module, least=2, most=None)


def open_program(program: torch.export.ExportedProgram, *, content: str = "") -> Opened:
    """An exported program, with the limits that it sets to the size of a batch."""
    inputs = program.graph_signature.user_inputs
    places = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    declared = places.get(str(inputs[0])) if inputs else None
    if len(inputs) != 1 or not isinstance(declared, Tensor) or declared.ndim == 0:
        raise InputError(
            f"An exported model must take one batch of records, found {len(inputs)} inputs "
            f"({', '.join(map(str, inputs))}). Export a module whose forward takes one tensor."
        )
    least, most = _limits(program, declared.shape[0])
    module = layered(program)
    shape = " x ".join(["records" if isinstance(n, torch.SymInt) else str(n) for n in declared.shape])
    return Opened(
        Exported(module, least=least, most=most),
        "exported PyTorch program",
        content or key.digest(key.of_weights(module), str(program.graph)),
        takes=f"a batch of {shape}, {_word(declared.dtype)}",
        dtype=declared.dtype if declared.is_floating_point() else _dtype(module),
    )


def _limits(program: torch.export.ExportedProgram, size: int | torch.SymInt) -> tuple[int, int | None]:
    """The fewest and most records that the program takes at once."""
    if isinstance(size, int):
        return size, size
    between = program.range_constraints.get(size.node.expr)
    lower = int(between.lower) if between is not None and between.lower.is_Integer else 0
    upper = int(between.upper) if between is not None and between.upper.is_Integer else None
    # torch takes sizes of 0 and 1 for special cases: what it traced with more need not hold there
    least = max(lower, 2)
    return (least, upper) if upper is None else (min(least, upper), upper)


def open_exported(path: Path) -> Opened:
    """The exported program in a file of `torch.export.save`."""
    archive.check_exported(path)
    try:
        with path.open("rb") as file:
            program = torch.export.load(file)
    except Exception as error:
        raise _unreadable(path, error) from error
    return open_program(program, content=key.of_files(path))


def open_torchscript(path: Path) -> Opened:
    """The module in a file of `torch.jit.save`."""
    archive.check_torchscript(path)
    try:
        with warnings.catch_warnings():
            # deprecated, and yet what many models are kept in
            warnings.filterwarnings("ignore", message=".*torch.jit.load", category=DeprecationWarning)
            module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except Exception as error:
        raise _unreadable(path, error) from error
    return open_module(module, kind="TorchScript module", content=key.of_files(path))


def load_weights(module: nn.Module, path: Path) -> None:
    """Fills a module with the weights in a file, each of them and no other.

    Raises:
        InputError: the file is no safetensors or plain `torch.save` file, or the names or shapes are others.
    """
    weights = _weights(path)
    for wrapped in ("state_dict", "model_state_dict"):
        if isinstance(weights.get(wrapped), Mapping):
            weights = weights[wrapped]
    for prefix in ("module.", "_orig_mod."):  # left by data-parallel and compiled modules
        if weights and all(name.startswith(prefix) for name in weights):
            weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    own = module.state_dict()
    missing, unexpected = own.keys() - weights.keys(), weights.keys() - own.keys()
    shapes = {
        name: f"{name} {tuple(weights[name].shape)} where the model has {tuple(own[name].shape)}"
        for name in own.keys() & weights.keys()
        if isinstance(own[name], Tensor) and weights[name].shape != own[name].shape
    }
    found = [
        f"{what}: {', '.join(sorted(names)[:5])}{', ...' if len(names) > 5 else ''}"
        for what, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes.values()))
        if names
    ]
    if found:
        raise InputError(f"The weights in `{path}` must be those of the model, found {'; '.join(found)}.")
    module.load_state_dict(weights, strict=True)


def _weights(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"The weights must be a file, `{path}` does not exist.")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise _unreadable(path, error) from error
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"`{path}` must hold plain weights: it is corrupt, or a pickle of more than tensors, and "
            "opening that runs whatever is in it. Save them with safetensors.torch.save_file, or as "
            "torch.save(model.state_dict(), ...)."
        ) from error
    if not isinstance(found, Mapping):
        raise InputError(f"`{path}` must hold weights by name, found a {type(found).__name__}.")
    return dict(found)


def _unreadable(path: Path, error: Exception) -> InputError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
    return InputError(
        f"`{path}` cannot be opened: it is corrupt, or was written by another version of PyTorch "
        f"({first}). Save it again."
    )


def _rows(answer: Any, kept: int) -> Tensor:
    if isinstance(answer, tuple) and len(answer) == 1:
        answer = answer[0]
    if not isinstance(answer, Tensor):
        raise InputError(f"An exported model must answer with one tensor, found a {type(answer).__name__}.")
    return answer[:kept]


def _takes(module: nn.Module) -> str:
    for name, weight in module.named_parameters():
        if weight.ndim == 2:
            return f"{weight.shape[1]} numbers in the last dimension (its weight `{name}` is {_size(weight)})"
        if weight.ndim > 2:
            return f"{weight.shape[1]} channels (its weight `{name}` is {_size(weight)})"
    return ""


def _size(weight: Tensor) -> str:
    return " x ".join(map(str, weight.shape))


def _dtype(module: nn.Module) -> torch.dtype | None:
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), None)


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
