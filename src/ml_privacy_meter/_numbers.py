"""Numbers that are counts: what must hold for them."""

from numbers import Integral
from typing import Any

from ml_privacy_meter._checks import InputError


def whole(least: int, **named: Any) -> None:
    """Raises `InputError` unless each of these is a whole number of at least ``least``."""
    for name, value in named.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise InputError(f"`{name}` must be a whole number of at least {least}, found {value!r:.80}.")
