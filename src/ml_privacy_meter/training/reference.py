"""A reference model on disk."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ml_privacy_meter.targets import Opened
from ml_privacy_meter.targets.key import digest
from ml_privacy_meter.training.store import ModelStore
from ml_privacy_meter.training.ways import Way


@dataclass(frozen=True)
class Reference:
    """A reference model on disk, opened when it is asked for.

    Args:
        wrap: by which another answers in its place.
        epoch: of its snapshots, the one after so many; 0: the finished model.
    """

    file: Path
    way: Way
    store: ModelStore = field(repr=False)
    wrap: Callable[[Opened], Opened] | None = None
    wrap_key: str = ""
    epoch: int = 0

    @property
    def key(self) -> str:
        """Of its content, of what it was trained from, and of what answers for it; empty where that is not known."""
        content = (self.file.name, *([f"epoch {self.epoch}"] if self.epoch else []))
        if self.wrap is None:
            return digest(*content)
        return self.wrap_key and digest(*content, self.wrap_key)

    def open(self, classes: tuple[str, ...] | None = None) -> Opened:
        """The model.

        Args:
            classes: the names of the target's columns in their order: an estimator is given the same, with probability
                0 for a class that it never saw. Models of torch and Keras keep their own columns.
        """
        opened = self.way.open(self.file, classes, self.epoch)
        return opened if self.wrap is None else self.wrap(opened)
