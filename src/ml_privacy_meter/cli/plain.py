"""No progress bars where nobody watches, or where they would be seen as garbage."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _NoTerminal:
    """A stream that says it is no terminal."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def no_bars(when: bool) -> Iterator[None]:
    """Within, bars see a stderr that is no terminal, and stay away; messages go where they went."""
    before = sys.stderr
    if when:
        sys.stderr = _NoTerminal(before)
    try:
        yield
    finally:
        sys.stderr = before
