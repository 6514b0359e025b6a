"""What an attack is called in a report."""

from functools import partial
from typing import Any

from ml_privacy_meter.membership.game import plain


def describe(attack: Any) -> str:
    """``threshold(signal=entropy)`` for ``partial(threshold, signal=entropy)``."""
    name = getattr(plain(attack), "__name__", type(attack).__name__)
    settings = attack.keywords if isinstance(attack, partial) else {}
    said = ", ".join(f"{key}={describe(v) if callable(v) else v}" for key, v in settings.items())
    return f"{name}({said})" if said else name
