"""A model under audit: as it arrived (`Opened`), and as every attack sees it (`Target`)."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets.reading import Reading, finer, tensor_of
from ml_privacy_meter.types import Batch


@dataclass(frozen=True)
class Opened:
    """A model as it arrived, before any record was shown to it.

    Args:
        inner: batch -> outputs, as the model itself gives them. A torch model is its own `nn.Module`.
        kind: what it arrived as, for the report.
        key: of its content; empty where that cannot be known.
        takes: the shape of record that it declares, in words; empty where it declares none.
        dtype: what floating records are cast to; None: they go as they come.
        tensors: it takes tensors only, so data frames are turned into tensors.
        gives: "logits", "probabilities", "values", or "auto" where only its outputs can tell.
        task: "classes", "labels", "regression", or "auto" where the labels tell.
        classes: the names of its outputs in their order; "sorted": the labels' own, sorted; None: not known.
        before: what is done to each batch before the model sees it.
        before_key: of the content of ``before``; empty where that cannot be known.
        cached: a second call with the same records is answered from memory, so that it says nothing.
        after: probabilities (records, classes) -> those that are given in their place; the weights are not to be had.
        after_key: of the content of ``after``; empty where that cannot be known.
        after_says: what ``after`` does, in words.
    """

    inner: Callable[[Any], Any]
    kind: str
    key: str = ""
    takes: str = ""
    dtype: torch.dtype | None = None
    tensors: bool = True
    gives: str = "auto"
    task: str = "auto"
    classes: tuple[str, ...] | str | None = None
    before: Callable[[Any], Any] | None = None
    before_key: str = ""
    cached: bool = False
    after: Callable[[Tensor], Tensor] | None = None
    after_key: str = ""
    after_says: str = ""


@dataclass(frozen=True)
class Feed:
    """batch -> what the model is handed: after `preprocess`, as a tensor, cast, on its device."""

    opened: Opened
    integers: torch.dtype | None = None

    def __call__(self, batch: Batch) -> Batch:
        if self.opened.before is not None:
            batch = self.opened.before(batch)
        if isinstance(batch, np.ndarray):
            batch = torch.from_numpy(batch)
        if isinstance(batch, pd.DataFrame) and self.opened.tensors:
            batch = _numbers(batch)
        if not isinstance(batch, Tensor) or not self.opened.tensors:
            return batch
        return batch.to(device=_device(self.opened.inner), dtype=self._dtype(batch))

    def _dtype(self, batch: Tensor) -> torch.dtype:
        wanted = self.opened.dtype if batch.is_floating_point() else self.integers
        return wanted or batch.dtype


class Target(nn.Module):
    """The model under audit: a batch of records -> logits, or quantities for regression.

    Args:
        key: of all content that its answers hang on; empty where that cannot be known.
        columns: how many numbers it gives for each record.
        says: what it is and how it is read, for the report.
        classes: the names of the classes in the order of its columns; None where they have no names.
        deterministic: two calls with the same records gave the same answers; None where it is asked only once.

    Attributes:
        spread: it answers with numbers for all classes, or for all of a vocabulary.
    """

    wraps = "inner"  # its layers go by the names that the wrapped module gives them
    hands_over = True  # batches come as they are, and go to the model's device after `preprocess`

    def __init__(
        self,
        feed: Feed,
        reading: Reading,
        *,
        key: str,
        says: str,
        classes: tuple[str, ...] | None,
        deterministic: bool | None,
    ) -> None:
        super().__init__()
        self.inner = feed.opened.inner
        self.feed = feed
        self._reading = reading
        self.columns = reading.columns
        self.key = key
        self.says = says
        self.classes = classes
        self.deterministic = deterministic
        self.answers_changed = feed.opened.after is not None
        bare = isinstance(self.inner, nn.Module) and not self.answers_changed
        self.access = "parameters" if bare else "outputs"
        self.spread = bool(getattr(getattr(self.inner, "language", None), "spread", True))

    def __deepcopy__(self, memo: dict[int, Any]) -> "Target":
        twin = Target.__new__(Target)
        memo[id(self)] = twin
        with torch.no_grad():  # else the copied weights of TorchScript would be results, not leaves
            vars(twin).update(copy.deepcopy(vars(self), memo))
        for weight, copied in zip(self.parameters(), twin.parameters(), strict=True):
            copied.requires_grad_(weight.requires_grad)
        return twin

    def forward(self, batch: Batch) -> Tensor:
        outputs = tensor_of(self.inner(self.feed(batch)), len(batch))
        return self._reading.of(finer(outputs))


@contextmanager
def as_it_answers(inner: Any) -> Iterator[None]:
    """Within, a module answers as it does in use; after, its flags and the random state are as they were."""
    module = isinstance(inner, nn.Module)
    flags = [(part, part.training) for part in inner.modules() if hasattr(part, "training")] if module else []
    device = _device(inner)
    devices = [device] if device is not None and device.type == "cuda" else []
    with torch.no_grad(), torch.random.fork_rng(devices=devices):
        try:
            if module:
                inner.eval()
            yield
        finally:
            for part, flag in flags:
                part.training = flag


def chunks(records: int, *, least: int = 1, most: int | None = None) -> Iterator[tuple[np.ndarray, int]]:
    """Rows for each call of a model that takes ``least`` to ``most`` records, and how many to keep.

    A short call is filled up with its last row.
    """
    size = most or max(records, 1)
    for start in range(0, records, size):
        kept = min(size, records - start)
        yield np.minimum(np.arange(start, start + max(kept, least)), records - 1), kept


def _device(inner: Any) -> torch.device | None:
    if not isinstance(inner, nn.Module):
        return None
    first = next(inner.parameters(), None)
    return None if first is None else first.device


def _numbers(frame: pd.DataFrame) -> Tensor:
    words = [str(name) for name in frame.columns if frame[name].dtype.kind not in "biuf"]
    if words:
        raise InputError(
            f"The model takes numbers only, found columns of other kinds: {', '.join(words)}. Name a "
            "function that turns them into numbers as `preprocess`, or leave them out."
        )
    return torch.from_numpy(frame.to_numpy(np.float64, copy=True))
