"""Checks annotations at every call in tests; an int may stand for a float, as in any signature."""

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

_written: dict[Any, Callable[..., Any]] = {}


def check(stub: Callable[..., Any]) -> Callable[..., Any]:
    """What checks the arguments of the function that jaxtyping gives a stub of: written when it is first called.

    A function within another is defined anew at every call of that one, thousands of times in an audit, and writing a
    check takes longer than most of them: one serves all that are alike.
    """
    key = (stub.__module__, stub.__qualname__, stub.__code__, *stub.__annotations__.items())

    def checked(*args: Any, **kwargs: Any) -> Any:
        if key not in _written:
            _written[key] = beartype(conf=BeartypeConf(is_pep484_tower=True))(stub)
        return _written[key](*args, **kwargs)

    return checked
