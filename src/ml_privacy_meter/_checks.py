"""What must hold, said in one voice: what was expected, what was found, and the one thing to do."""

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any


class InputError(ValueError):
    """Something that the user gave cannot be used; the message says what, where, and what to do."""


def in_range(low: float, high: float, **named: float) -> None:
    """Raises `InputError` unless each named number lies strictly between ``low`` and ``high``."""
    for name, value in named.items():
        if not low < value < high:
            raise InputError(f"`{name}` must lie between {low:g} and {high:g}, found {value!r}.")


def one_of(word: str, options: Iterable[str], what: str) -> str:
    """``word`` if it is one of ``options``, else an `InputError` that names the nearest."""
    options = list(options)
    if word in options:
        return word
    near = difflib.get_close_matches(word, options, n=1, cutoff=0.5)
    hint = f"Did you mean `{near[0]}`?" if near else f"Choose from: {', '.join(sorted(options))}."
    raise InputError(f"There is no {what} `{word}`. {hint}")


def keywords(function: Callable[..., Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """``given`` as keyword arguments of ``function``; an unknown key is an `InputError` that names the nearest."""
    allowed = [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    return {one_of(key, allowed, f"setting in {where}"): value for key, value in given.items()}


def extra(module: str, name: str, purpose: str) -> ModuleType:
    """The imported ``module``, or an `InputError` that says which extra to install."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        raise InputError(
            f"{purpose} needs the package `{missing.name}`, which is not installed. "
            f"Install it with: pip install 'ml-privacy-meter[{name}]'"
        ) from missing
