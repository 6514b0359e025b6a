"""Reference models on disk: each is there as soon as it is finished, whole or not at all."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm import tqdm

from ml_privacy_meter.targets import key as keys
from ml_privacy_meter.training.keep import Made


class ModelStore:
    """A folder of models, each in a file named by what it was trained from, and by a hash of what is in it.

    Args:
        folder: the store of an audit; models lie in its folder `references`. Without one, a temporary folder that ends
            with this object.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        if folder is None:
            folder = tempfile.mkdtemp(prefix="privacy-meter-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.folder = Path(folder) / "references"
        for place in (Path(folder), self.folder):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (ignore := Path(folder) / ".gitignore").exists():
            ignore.write_text("*\n")

    def find(self, key: str) -> Path | None:
        """The whole file of this key; what is not whole is taken away."""
        for file in sorted(self.folder.glob(f"{key}.*.*")):
            if file.name.split(".")[1] == keys.of_files(file):
                return file
            file.unlink(missing_ok=True)
        return None

    def keep(self, key: str, made: Made) -> Path:
        """The file that now holds this model. The caller holds the lock."""
        raw = self.folder / f"{key}.new"
        with raw.open("wb") as file:
            file.write(made.content)
            file.flush()
            os.fsync(file.fileno())
        # its name is its check sum, so that one rename makes both appear
        return raw.replace(self.folder / f"{key}.{keys.of_files(raw)}.{made.suffix}")

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Within, no other run trains the models of this key; waits until another that does is done."""
        lock = FileLock(self.folder / f"{key}.lock")
        try:
            lock.acquire(timeout=1)
        except Timeout:
            with tqdm(desc="Waiting for another run that trains the same models", bar_format="{desc}", disable=None):
                lock.acquire()
        try:
            yield
        finally:
            lock.release()
