"""Arrays that were paid for once: kept on disk under a key made of content, filled row by row."""

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from ml_privacy_meter._checks import InputError

_UNEVEN = (
    "A model must answer every batch with as many numbers a record, found {found} where the first had {first}. Look at "
    "what it does with records of another length."
)


@dataclass(frozen=True)
class Kept:
    """A finished array on disk. A slice is read into memory when it is asked for, and not before."""

    file: Path
    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(len(self))
        size = int(np.prod(self.shape[1:], dtype=int))
        flat = np.fromfile(
            self.file, self.dtype, max(stop - start, 0) * size, offset=start * size * self.dtype.itemsize
        )
        return flat.reshape(-1, *self.shape[1:])


class Store:
    """A folder of arrays, one for each key; without a folder, a temporary one that ends with the store.

    Rows are appended as they come, so that an interrupted run goes on where it was; a lock for each key keeps two
    runs from writing the same array.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        if folder is None:
            folder = tempfile.mkdtemp(prefix="privacy-meter-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (ignore := self.folder / ".gitignore").exists():
            ignore.write_text("*\n")

    def fill(
        self, key: str, rows: int, at: np.ndarray, there: np.ndarray, batches: Callable[[int], Iterator[np.ndarray]]
    ) -> Kept:
        """The array under ``key``, made of what ``batches(done)`` yields from row ``done`` on where it is not whole.

        Args:
            key: of the content that the array follows from.
            rows: how many rows the whole array has.
            at, there: some rows, and what they hold, read anew: a kept array that disagrees is stale, and made again.
        """
        kept = Kept(self.folder / f"{key}.rows", (rows, *there.shape[1:]), there.dtype)
        row_bytes = max(1, kept.dtype.itemsize * int(np.prod(kept.shape[1:], dtype=int)))
        with FileLock(self.folder / f"{key}.lock"):
            done = self._rows_done(kept, row_bytes, at, there)
            if done == 0:
                kept.file.unlink(missing_ok=True)  # and not emptied: another run may be reading it
            if done < rows:
                with kept.file.open("r+b" if done else "wb") as file:
                    file.seek(done * row_bytes)
                    file.truncate()
                    for batch in batches(done):
                        if batch.shape[1:] != there.shape[1:]:
                            raise InputError(_UNEVEN.format(found=batch.shape[1:], first=there.shape[1:]))
                        file.write(np.ascontiguousarray(batch, kept.dtype).tobytes())
                        file.flush()
        return kept

    def _rows_done(self, kept: Kept, row_bytes: int, at: np.ndarray, there: np.ndarray) -> int:
        if not kept.file.exists():
            return 0
        done = min(kept.file.stat().st_size // row_bytes, len(kept))
        same = [
            np.allclose(kept[i : i + 1], x, rtol=1e-4, atol=1e-6 * np.abs(there).max())
            for i, x in zip(at, there, strict=True)
            if i < done
        ]
        return done if all(same) else 0


def content_key(*parts: object) -> str:
    """A name for this content: arrays by type, shape and bytes, everything else as it is written."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).view(np.uint8).data)
        else:
            digest.update(str(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()
