"""What must hold, said in one voice: what was expected, what was found, and the one thing to do."""

import difflib
from collections.abc import Iterable
from numbers import Real
from typing import Any


class InputError(ValueError):
    """Something that the user gave cannot be used; the message says what, where, and what to do."""


def in_range(low: float, high: float, **named: Any) -> None:
    """Raises `InputError` unless each named number lies strictly between ``low`` and ``high``."""
    for name, value in named.items():
        if not (isinstance(value, Real) and low < float(value) < high):
            raise InputError(f"`{name}` must lie between {low:g} and {high:g}, found {value!r:.80}.")


def one_of(word: str, options: Iterable[str], what: str) -> str:
    """``word`` if it is one of ``options``, else an `InputError` that names the nearest."""
    options = list(options)
    if word in options:
        return word
    near = difflib.get_close_matches(word, options, n=1, cutoff=0.5)
    hint = f"Did you mean `{near[0]}`?" if near else f"Choose from: {', '.join(sorted(options))}."
    raise InputError(f"There is no {what} `{word}`. {hint}")


def why(problem: BaseException) -> str:
    """What went wrong, in a sentence: an error of ours speaks for itself, of others the kind is said too."""
    return str(problem) if isinstance(problem, InputError) else f"{type(problem).__name__}: {problem}"
