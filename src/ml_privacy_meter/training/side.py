"""Several trainings at the same time, in threads of this process with one core each."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch

T = TypeVar("T")
Progress = Callable[[float], None]

MOST = 8  # threads: more would wait for each other at Python's lock
TICK = 0.1  # seconds between reports of progress


class _StoppedError(Exception):
    """Some other training failed, or somebody interrupts."""


def sides(device: torch.device) -> int:
    """How many trainings share the device best: on a CPU, each core takes one of its own."""
    return min(MOST, torch.get_num_threads()) if device.type == "cpu" else 1


def side_by_side(works: Sequence[Callable[[Progress], T]], progress: Progress) -> list[T]:
    """What each gives, in their order; all run at once.

    Args:
        works: report their own share, in [0, 1], as they go on: there they are stopped, should another one fail.
        progress: is told the share of all, in [0, 1], by the thread that calls.
    """
    shares, stop = [0.0] * len(works), threading.Event()

    def report(which: int, share: float) -> None:
        if stop.is_set():
            raise _StoppedError
        shares[which] = share

    with _cores_for(len(works)) as here, ThreadPoolExecutor(len(works), initializer=here) as pool:
        futures = [pool.submit(work, partial(report, which)) for which, work in enumerate(works)]
        try:
            while wait(futures, TICK, FIRST_EXCEPTION).not_done and not any(map(_failed, futures)):
                progress(sum(shares) / len(works))
        finally:
            stop.set()
    for future in futures:
        error = future.exception()
        if error is not None and not isinstance(error, _StoppedError):
            raise error
    progress(1.0)
    return [future.result() for future in futures]


def _failed(future: Future) -> bool:
    return future.done() and future.exception() is not None


@contextmanager
def _cores_for(many: int) -> Iterator[Callable[[], None]]:
    """Within, torch computes with as many cores as each of so many may have; yields what sets it in a new thread."""
    before = torch.get_num_threads()
    each = max(1, before // many)
    torch.set_num_threads(each)
    try:
        yield partial(torch.set_num_threads, each)
    finally:
        torch.set_num_threads(before)
