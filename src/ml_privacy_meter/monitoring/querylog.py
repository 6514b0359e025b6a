"""A query log in JSON lines, written beside a service that neither waits for it nor fails with it."""

import atexit
import hashlib
import json
import math
import os
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter.monitoring.logs import MISSED

Find = str | Callable[[Any], Any]
Seen = tuple[float, str, bytes, bytes]

TOGETHER = 500  # queries that are written at once
FULL = "more queries at once than wait to be written"
NO_JSON = "request or response is not JSON"
NO_FEATURES = "no features found in the request, or no numbers"
NO_ANSWERS = "not one answer for each query of a batch"
NO_WRITING = "the log could not be written"


class QueryLog:
    """A file that gains a line for each query: time, client, features or their digest, answer.

    A thread of its own reads and writes; what it cannot keep up with, or cannot read, is left out and counted in
    ``missed`` and, as soon as the file takes it, in a line of the log itself. Lines are appended, and the file is
    opened anew each time, so that it can be moved away at any moment. Several processes can write to one file.

    Args:
        path: the file; it is made with the first query, and its folder must be there.
        features: where they are in the request's JSON: a JMESPath, or a function of what the JSON holds.
        answer: the same of the response.
        batch: a request holds a list of queries, and the response one answer for each.
        digest: keep a digest in place of features. It tells repeated queries and nothing else.
        most_bytes: a longer request or response is not logged.
        waiting: queries that wait to be written at most.

    Raises:
        InputError: no such folder, no JMESPath, or a number that is not above 0.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        features: Find = "x",
        answer: Find = "answer",
        batch: bool = False,
        digest: bool = False,
        most_bytes: int = 1_000_000,
        waiting: int = 1_000,
    ) -> None:
        self.path = Path(path)
        if not self.path.absolute().parent.is_dir():
            raise InputError(f"A log's folder must be there, and {self.path.absolute().parent} is not. Make it first.")
        if min(most_bytes, waiting) < 1:
            raise InputError(f"`most_bytes` and `waiting` must be 1 or more, found {most_bytes} and {waiting}.")
        self.most_bytes = most_bytes
        self.missed: Counter[str] = Counter()
        self._find = _finder(features), _finder(answer)
        self._batch, self._digest, self._waiting = batch, digest, waiting
        self._told: Counter[str] = Counter()
        self._thread: threading.Thread | None = None
        self._begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)
        atexit.register(self.close)

    def put(self, moment: float, client: str, request: bytes, response: bytes) -> None:
        """Leaves a query to be written, at once and in any case without an error."""
        try:
            if self._thread is None:
                self._start()
            self._queue.put_nowait((moment, client, request, response))
        except queue.Full:
            self.miss(FULL)
        except Exception as problem:
            self.miss(f"an error of the log: {type(problem).__name__}")

    def miss(self, why: str) -> None:
        """Counts a query that cannot be logged."""
        with self._lock:
            self.missed[why] += 1

    def close(self, seconds: float = 5.0) -> None:
        """Waits until all is written, for so long at most."""
        thread = self._thread
        if thread is None:
            self._write([])
            return
        try:
            self._queue.put(None, timeout=seconds)
        except queue.Full:
            return
        thread.join(seconds)
        self._thread = None  # a later query starts another

    def _begin(self) -> None:
        """As new: neither a thread nor what others hold comes along into a process that was forked."""
        self._lock = threading.Lock()
        self._queue: queue.Queue[Seen | None] = queue.Queue(self._waiting)
        self._thread = None

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._work, daemon=True)
                thread.start()
                self._thread = thread

    def _work(self) -> None:
        more = True
        while more:
            some = [self._queue.get()]
            while len(some) < TOGETHER and not self._queue.empty():
                some.append(self._queue.get())
            more = None not in some
            self._write([line for one in some if one is not None for line in self._lines(*one)])

    def _lines(self, moment: float, client: str, request: bytes, response: bytes) -> list[str]:
        """The lines of one request; whatever is wrong with it ends here, and not the thread."""
        why = NO_JSON
        try:
            asked, answered = json.loads(request), json.loads(response)
            why = NO_FEATURES
            x, answer = self._find[0](asked), self._find[1](answered)
            why = NO_ANSWERS if self._batch else NO_FEATURES
            queries = [(x, answer)] if not self._batch else list(zip(x, answer, strict=True))
            why = NO_FEATURES
            who = {"time": moment, "client": client}
            return [json.dumps({**who, **self._kept(one), "answer": its}, allow_nan=False) for one, its in queries]
        except Exception:
            self.miss(why)
            return []

    def _kept(self, x: Any) -> dict[str, Any]:
        if x is None:
            raise ValueError
        if self._digest:
            text = json.dumps(x, sort_keys=True, separators=(",", ":"))
            return {"digest": hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}
        return {"x": list(_numbers(x))}

    def _write(self, lines: list[str]) -> None:
        with self._lock:
            missed = Counter(self.missed)
        fresh = missed - self._told
        told = [json.dumps({MISSED: dict(fresh)})] if fresh else []
        if not lines and not told:
            return
        content = "".join(f"{line}\n" for line in [*lines, *told]).encode()
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                whole = os.write(handle, content) == len(content)
            finally:
                os.close(handle)
        except OSError:
            whole = False
        if whole:
            self._told = missed
        else:
            with self._lock:
                self.missed[NO_WRITING] += len(lines)


def _finder(find: Find) -> Callable[[Any], Any]:
    if callable(find):
        return find
    jmespath = extra("jmespath", "http", "A query log that finds features by a JMESPath")
    try:
        search: Callable[[Any], Any] = jmespath.compile(find).search
    except jmespath.exceptions.JMESPathError as error:
        raise InputError(f"A JMESPath must say where things are in the JSON, found `{find}` ({error}).") from error
    return search


def _numbers(x: Any) -> Iterator[float]:
    """The numbers in nested lists, one after the other; a `ValueError` where something else is among them."""
    if isinstance(x, list | tuple):
        for part in x:
            yield from _numbers(part)
    elif isinstance(x, bool | int | float) and math.isfinite(x):
        yield x
    else:
        raise ValueError
