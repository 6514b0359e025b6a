"""Keys made of content: the same key, the same answers."""

import inspect
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

_AT_ONCE = 1 << 22


def digest(*parts: str | bytes) -> str:
    """A hash of these parts in this order: 32 hexadecimal digits."""
    state = blake2b(digest_size=16)
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        state.update(len(content).to_bytes(8, "little"))
        state.update(content)
    return state.hexdigest()


def of_files(*paths: Path) -> str:
    """A hash of the bytes of these files."""
    state = blake2b(digest_size=16)
    for path in paths:
        state.update(path.stat().st_size.to_bytes(8, "little"))
        with path.open("rb") as file:
            while piece := file.read(_AT_ONCE):
                state.update(piece)
    return state.hexdigest()


def of_module(module: nn.Module) -> str:
    """A hash of a module's structure, of the source of its own classes, and of all its weights."""
    state = blake2b(repr(module).encode(), digest_size=16)
    for kind in sorted({type(part) for part in module.modules()}, key=lambda kind: kind.__qualname__):
        if not kind.__module__.startswith("torch."):
            state.update(_source(kind))
    for name, value in module.state_dict().items():
        state.update(name.encode())
        if isinstance(value, Tensor):
            state.update(f"{tuple(value.shape)} {value.dtype}".encode())
            plain = value.detach().cpu().contiguous().reshape(-1)
            state.update(plain.view(torch.uint8).numpy().data)
        else:
            state.update(repr(value).encode())
    return state.hexdigest()


def of_function(function: Callable[..., Any]) -> str:
    """A hash of the file that defines the function; empty where its answers hang on more than that."""
    held = getattr(function, "__closure__", None) or getattr(function, "__self__", None)
    if held is not None or not inspect.isfunction(function):
        return ""
    file = inspect.getsourcefile(function)
    if file is None or not Path(file).is_file():
        return ""
    return digest(of_files(Path(file)), function.__qualname__, str(function.__code__.co_firstlineno))


def _source(kind: type) -> bytes:
    try:
        return inspect.getsource(kind).encode()
    except (OSError, TypeError):  # typed at a prompt, or compiled
        return kind.__qualname__.encode()
