"""Rows that lie on disk and are read when they are asked for; what was read does not stay in memory."""

import os
import tempfile
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError

_turn = threading.Lock()  # where a file has one position only, readers take turns


class File:
    """An open file that is closed with the last thing that reads it; it may have no name any more."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.descriptor, self.name = descriptor, name
        weakref.finalize(self, os.close, descriptor)

    @classmethod
    def of(cls, path: Path) -> "File":
        return cls(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), str(path))

    def __reduce__(self) -> str:
        raise TypeError("An open file cannot be copied or sent to another process. Load the records there.")

    def fill(self, place: memoryview, offset: int) -> None:
        """Fills ``place`` with the file's bytes from ``offset`` on.

        Positioned reads, not a memory map: a map's pages count as this process' memory, and threads and
        forked processes that share a descriptor also share its position.
        """
        while place:
            if hasattr(os, "preadv"):
                got = os.preadv(self.descriptor, [place], offset)
            else:
                with _turn:
                    os.lseek(self.descriptor, offset, os.SEEK_SET)
                    part = os.read(self.descriptor, len(place))
                got = len(part)
                place[:got] = part
            if not got:
                raise InputError(f"`{self.name}` ended early: it was changed while it was read. Start again.")
            place, offset = place[got:], offset + got


@dataclass(frozen=True)
class OnDisk:
    """Numbers in a file, row after row. A batch is a tensor of its own; nothing of it is held."""

    file: File
    start: int
    dtype: np.dtype
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Tensor:
        return torch.from_numpy(self.read(index))

    def read(self, index: Any) -> np.ndarray:
        """These rows in the machine's own byte order."""
        if isinstance(index, slice):
            first, stop, step = index.indices(len(self))
            if step == 1:
                return self._runs(np.array([first]), np.array([max(stop, first)]))
            index = np.arange(first, stop, step)
        index = np.asarray(index)
        if len(index) and not (-len(self) <= index.min() and index.max() < len(self)):
            raise IndexError(f"A row is outside the {len(self)} there are.")
        index = np.where(index < 0, index + len(self), index).astype(np.int64)
        rows, back = np.unique(index, return_inverse=True)
        edge = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
        batch = self._runs(rows[edge], rows[np.append(edge[1:], len(rows)) - 1] + 1 if len(rows) else rows)
        return batch if np.array_equal(rows, index) else batch[back]

    def _runs(self, first: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """The rows of these runs, one run after the other."""
        width = int(np.prod(self.shape[1:], dtype=int)) * self.dtype.itemsize
        size = int((stop - first).sum())
        buffer = np.empty(size * width, np.uint8)
        place, at = buffer.data, 0
        for begin, end in zip((first * width).tolist(), (stop * width).tolist(), strict=True):
            self.file.fill(place[at : at + end - begin], self.start + begin)
            at += end - begin
        numbers = buffer.view(self.dtype) if width else np.empty(0, self.dtype)
        return numbers.reshape(size, *self.shape[1:]).astype(self.dtype.newbyteorder("="), copy=False)


class Spool:
    """A temporary file without a name, written block by block; it goes when the last rows that read it go.

    It lies in the system's folder for temporary files (`tempfile.gettempdir`).
    """

    def __init__(self) -> None:
        with tempfile.TemporaryFile(prefix="privacy-meter-") as file:
            self.file = File(os.dup(file.fileno()), "a temporary file")
        self.size = 0

    def write(self, block: bytes | np.ndarray) -> None:
        """Appends ``block``.

        Raises:
            InputError: the disk is full.
        """
        rest = memoryview(block) if isinstance(block, bytes) else _bytes(block).data
        try:
            while rest:
                done = os.write(self.file.descriptor, rest)
                self.size += done
                rest = rest[done:]
        except OSError as error:
            raise InputError(
                f"The data must fit on disk once more while they are audited; `{tempfile.gettempdir()}` took "
                f"{self.size / 2**20:.0f} MB ({error.strerror}). Point TMPDIR at a folder with more room."
            ) from error

    def rows(self, dtype: np.dtype, shape: tuple[int, ...]) -> OnDisk:
        """What was written, as an array of this shape."""
        return OnDisk(self.file, 0, dtype, shape)


def _bytes(block: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(block).reshape(-1).view(np.uint8)
