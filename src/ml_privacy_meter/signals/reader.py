"""Reads signals off models: in batches, on the right device, each only once."""

import copy
import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals.store import Kept, Store, content_key
from ml_privacy_meter.types import Model, Records, Signal


class OutputSignal:
    """A signal that follows from a model's outputs and the label: all such signals share one pass over the records.

    Args:
        of: ``(outputs, y) -> Float["records *features"]``.
        sign: +1 if it is higher for members, -1 if it is lower.
    """

    def __init__(self, of: Callable[[Tensor, Tensor], Tensor], sign: int = 1) -> None:
        self.of, self.sign = of, sign
        functools.update_wrapper(self, of)
        self.__name__ = of.__name__.lstrip("_")

    def __call__(self, model: Model, x: Any, y: Tensor) -> Tensor:
        return self.of(model(x), y)


def _outputs(model: Model, x: Any, y: Tensor) -> Tensor:
    return model(x)


class Reader:
    """Reads signals, and remembers them for as long as it lives; on disk too where model and records have a key.

    Args:
        store: where what was read is kept.
        device: "auto" takes a GPU where there is one.
        batch_size: records a batch; None chooses by the size of a record.
    """

    def __init__(self, store: Store, *, device: str = "auto", batch_size: int | None = None) -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if batch_size is not None and batch_size < 1:
            raise InputError(f"`batch_size` must be 1 or more, found {batch_size}.")
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as problem:
            raise InputError(f"`device` must be one that torch has here, found {device!r}: {problem}") from problem
        self.store, self.device, self.batch_size = store, torch.device(device), batch_size
        self._scratch = Store()  # for what has no key, and so cannot be found again
        self._remembered: dict[tuple[str, str], Tensor] = {}
        self._kept: dict[str, Kept] = {}
        self._held: dict[int, tuple[Any, str]] = {}  # what has no key of its own is known by being held
        self._moved: dict[int, Model] = {}

    def signal(self, signal: Signal, model: Model, records: Records) -> Tensor:
        """``signal`` of every record, in float64: of records that were taken from others, the others' own values."""
        if records.base is not None:
            return self.signal(signal, model, records.base)[torch.from_numpy(records.rows)]
        name = (_name(signal), self._key(model, records, _outputs))
        if name not in self._remembered:
            self._remembered[name] = self._read(signal, model, records)
        return self._remembered[name]

    def _read(self, signal: Signal, model: Model, records: Records) -> Tensor:
        if not isinstance(signal, OutputSignal):
            return torch.from_numpy(self._on_disk(signal, model, records)[:].astype(np.float64))
        outputs = self._on_disk(_outputs, model, records)
        step = max(1, 2**17 // int(np.prod(outputs.shape[1:], dtype=int)))
        whole = None
        for start in range(0, len(records), step):
            rows = slice(start, start + step)
            part = signal.of(torch.from_numpy(outputs[rows]), records.labels[rows])
            if whole is None:  # made at once: parts that stay between temporaries would keep the heap from shrinking
                whole = torch.empty(len(records), *part.shape[1:], dtype=torch.float64)
            whole[rows] = part
        return torch.empty(0) if whole is None else whole

    def _on_disk(self, signal: Signal, model: Model, records: Records) -> Kept:
        key = self._key(model, records, signal)
        if key in self._kept:
            return self._kept[key]
        model_here = self._here(model)
        size = self.batch_size or _batch_size(records)

        def read(rows: slice) -> np.ndarray:
            x = records.x[rows]
            y = records.labels[rows]
            if isinstance(x, Tensor):
                x, y = x.to(self.device), y.to(self.device)
            values = signal(model_here, x, y).cpu()
            _finite(values, records, rows.start, _name(signal))
            return values.numpy()

        def batches(done: int) -> Iterator[np.ndarray]:
            steps = range(done, len(records), size)
            bar = tqdm(steps, desc="Asking the model", unit="batch", delay=2, leave=False, disable=None)
            for start in bar:
                yield read(slice(start, min(start + size, len(records))))

        with torch.no_grad(), evaluating(model_here):
            first = read(slice(0, min(32, size, len(records))))
            lasting = getattr(model, "key", "") and records.key
            self._kept[key] = (self.store if lasting else self._scratch).fill(key, len(records), first, batches)
        return self._kept[key]

    def _here(self, model: Model) -> Model:
        """``model`` on the device: itself if it is there, else a copy. The user's own is never moved."""
        if not isinstance(model, torch.nn.Module):
            return model
        places = {t.device.type for t in (*model.parameters(), *model.buffers())}
        if places <= {self.device.type}:
            return model
        if id(model) not in self._moved:
            self._moved[id(model)] = copy.deepcopy(model).to(self.device)
        return self._moved[id(model)]

    def _key(self, model: Model, records: Records, signal: Signal) -> str:
        keys = [self._identity(model), self._identity(records)]
        return content_key(*keys, records.labels.numpy(), _name(signal), _source(signal), self.device.type)

    def _identity(self, thing: Any) -> str:
        own: str = getattr(thing, "key", "")
        if own:
            return own
        _, name = self._held.setdefault(id(thing), (thing, f"held {id(self)} {len(self._held)}"))
        return name


@contextmanager
def evaluating(model: Model) -> Iterator[None]:
    """The model in evaluation mode, every part of it put back to its own mode afterwards."""
    modes = {part: part.training for part in model.modules()} if isinstance(model, torch.nn.Module) else {}
    if isinstance(model, torch.nn.Module):
        model.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def _batch_size(records: Records) -> int:
    """Records that hold about a million numbers together: larger temporaries are mapped and faulted every time."""
    one = records.x[slice(0, 1)]
    return int(np.clip(2**20 // max(1, int(np.prod(one.shape[1:]))), 32, 4096))


def _name(signal: Signal) -> str:
    if isinstance(signal, functools.partial):
        settings = ", ".join(f"{key}={value!r}" for key, value in sorted(signal.keywords.items()))
        return f"{_name(signal.func)}({settings})"
    return f"{signal.__module__}.{getattr(signal, '__qualname__', repr(signal))}"


def _source(signal: Any) -> str:
    """The text of a signal, so that an edited one is read anew; empty where there is none to see."""
    plain = signal.func if isinstance(signal, functools.partial) else signal
    try:
        return inspect.getsource(inspect.unwrap(plain))
    except (OSError, TypeError):
        return ""


def _finite(values: Tensor, records: Records, start: int, name: str) -> None:
    bad = ~values.reshape(len(values), -1).isfinite().all(1)
    if bad.any():
        row = start + int(bad.nonzero()[0])
        raise InputError(
            f"The model must answer with finite numbers, found {values[row - start].tolist()!s:.200} for record "
            f"`{records.id[row]}`. Look at this record, and at the model's answer to it."
        )
