"""Keys made of content: the same key, the same answers."""

import inspect
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from types import CodeType
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


def of_weights(module: nn.Module) -> str:
    """A hash of a module's structure, of the source of its own classes, and of all its weights and buffers."""
    state = blake2b(repr(module).encode(), digest_size=16)
    for kind in sorted({type(part) for part in module.modules()}, key=lambda kind: kind.__qualname__):
        if not kind.__module__.startswith("torch."):
            state.update(_source(kind))
    for name, value in (*module.state_dict().items(), *module.named_buffers()):
        state.update(f"{name} {_of_tensor(value) if isinstance(value, Tensor) else repr(value)}".encode())
    return state.hexdigest()


def of_module(module: nn.Module) -> str:
    """A hash of a module, with the settings that its parts hold; empty where one is more than words can say."""
    usual, said = vars(nn.Module()).keys(), []
    for part in module.modules():
        if not (type(part).__module__.startswith("torch.") or _seen(type(part))):
            return ""
        for name, value in sorted((name, value) for name, value in vars(part).items() if name not in usual):
            plain = _plain(value)
            if plain is None:
                return ""
            said.append(f"{name} {plain}")
    return digest(of_weights(module), *said)


def _of_tensor(value: Tensor) -> str:
    content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return digest(content, f"{tuple(value.shape)} {value.dtype}")


def _plain(value: Any) -> str | None:
    """A setting in words that say all about it; None where it is more than words can say."""
    if isinstance(value, str | int | float | complex | bool | torch.dtype | torch.device | None):
        return repr(value)
    if isinstance(value, list | tuple | set | frozenset):
        parts = [_plain(part) for part in value]
        return None if None in parts else f"{type(value).__name__} {parts}"
    if isinstance(value, dict):
        return _plain([*value.items()])
    if isinstance(value, Tensor):
        return digest(
            value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes(), str(value.shape)
        )
    if inspect.isfunction(value) or inspect.isclass(value) or inspect.isbuiltin(value):
        return (
            None
            if getattr(value, "__closure__", None)
            else f"{value.__module__}.{value.__qualname__} {_source(value)!r}"
        )
    return None


def of_function(function: Callable[..., Any]) -> str:
    """A hash of the file that defines the function; empty where its answers hang on more than that."""
    held = getattr(function, "__closure__", None) or getattr(function, "__self__", None)
    if held is not None or not inspect.isfunction(function):
        return ""
    file = inspect.getsourcefile(function)
    if file is None or not Path(file).is_file():
        return ""
    if function.__code__ not in _codes(compile(Path(file).read_bytes(), file, "exec", dont_inherit=True)):
        return ""  # the file was changed since it was imported
    return digest(of_files(Path(file)), function.__qualname__, str(function.__code__.co_firstlineno))


def _codes(code: CodeType) -> list[CodeType]:
    """Of all functions in this code."""
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return [code, *(found for const in inner for found in _codes(const))]


def _seen(kind: type) -> bool:
    """Whether there is a text of this class: none was kept of one that was typed at a prompt."""
    try:
        return bool(inspect.getsource(kind))
    except (OSError, TypeError):
        return False


def _source(kind: Any) -> bytes:
    try:
        return inspect.getsource(kind).encode()
    except (OSError, TypeError):  # typed at a prompt, or compiled
        return str(kind.__qualname__).encode()
