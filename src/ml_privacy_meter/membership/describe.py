"""What an attack is called in a report."""

from functools import partial
from typing import Any


def describe(attack: Any) -> str:
    """``threshold(signal=entropy)`` for ``partial(threshold, signal=entropy)``."""
    name = getattr(_plain(attack), "__name__", type(attack).__name__)
    settings = attack.keywords if isinstance(attack, partial) else {}
    said = ", ".join(f"{key}={describe(v) if callable(v) else v}" for key, v in settings.items())
    return f"{name}({said})" if said else name


def _plain(attack: Any) -> Any:
    return _plain(attack.func) if isinstance(attack, partial) else attack
