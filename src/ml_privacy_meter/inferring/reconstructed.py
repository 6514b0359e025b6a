"""What the games of reconstruction share: attacks by their names, what they say of themselves, why they failed."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from ml_privacy_meter._checks import InputError, one_of
from ml_privacy_meter.membership import describe


def named(attacks: Sequence[Any], room: ModuleType, known: Sequence[str]) -> tuple[Callable[..., Any], ...]:
    """The attacks as functions, those of the room by their names.

    Raises:
        InputError: there are none, two are alike, or a name is not known.
    """
    if isinstance(attacks, str) or not attacks:
        raise InputError(f"`attacks` must be a list of at least one attack, found {attacks!r}. Write ['{known[0]}'].")
    for attack in attacks:
        if isinstance(attack, str):
            one_of(attack, known, "attack")
    found = tuple(getattr(room, attack) if isinstance(attack, str) else attack for attack in attacks)
    words = [describe(attack) for attack in found]
    if len({*words}) < len(words):
        raise InputError(f"Each attack must be named once, found {', '.join(words)}.")
    return found
