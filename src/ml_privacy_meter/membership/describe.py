"""What an attack is called in a report, and what its docstring says of it."""

import inspect
from functools import partial
from typing import Any


def describe(attack: Any) -> str:
    """``threshold(signal=entropy)`` for ``partial(threshold, signal=entropy)``."""
    name = getattr(_plain(attack), "__name__", type(attack).__name__)
    settings = attack.keywords if isinstance(attack, partial) else {}
    said = ", ".join(f"{key}={describe(v) if callable(v) else v}" for key, v in settings.items())
    return f"{name}({said})" if said else name


def paragraphs(attack: Any) -> list[str]:
    """Of its docstring, each in one line."""
    text = inspect.cleandoc(_plain(attack).__doc__ or "Not said.")
    return [" ".join(part.split()) for part in text.split("\n\n")]


def told(attack: Any) -> tuple[str, str, str]:
    """An attack's name with its settings, what it says, and what it sees, by its docstring."""
    parts = paragraphs(attack)
    sees = [part.removeprefix("Sees: ") for part in parts if part.startswith("Sees: ")]
    return describe(attack), parts[0], sees[0] if sees else "Not said: the attack's docstring has no `Sees:`."


def _plain(attack: Any) -> Any:
    return _plain(attack.func) if isinstance(attack, partial) else attack
