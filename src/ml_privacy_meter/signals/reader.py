"""Reads signals off models: in batches, on the right device, each only once."""

import copy
import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals.queries import asked_as
from ml_privacy_meter.signals.store import Kept, Store, content_key
from ml_privacy_meter.signals.tokens import are_texts
from ml_privacy_meter.types import Model, OutputSignal, Records, Signal


def _outputs(model: Model, x: Any, y: Tensor) -> Tensor:
    return model(x)


class Reader:
    """Reads signals, and remembers them for as long as it lives; on disk too where model and records have a key.

    A model may have ``load()``, which gives the module itself each time it is asked, and ``instead(records)``, what it
    is asked about in place of the records' own inputs.

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
        self._asked: dict[tuple[str, int], Records] = {}

    def signal(self, signal: Signal, model: Model, records: Records, query: int = 0) -> Tensor:
        """``signal`` of every record, in float64: of records that were taken from others, the others' own values.

        Args:
            query: in which form the model is asked about the record: 0 is as it stands, see `queries`.
        """
        if records.base is not None:
            return self.signal(signal, model, records.base, query)[torch.from_numpy(records.rows)]
        if query:
            name = (self._held_as(records), query)
            self._asked[name] = records = self._asked.get(name) or asked_as(records, query)
        known = (self._held_as(signal), self._key(model, records, _outputs))
        if known not in self._remembered:
            self._remembered[known] = self._read(signal, model, records)
        return self._remembered[known]

    def _read(self, signal: Signal, model: Model, records: Records) -> Tensor:
        kept = self._on_disk(_outputs if isinstance(signal, OutputSignal) else signal, model, records)
        step = max(1, 2**17 // int(np.prod(kept.shape[1:], dtype=int)))
        whole = torch.empty(0)
        for start in range(0, len(records), step):
            rows = slice(start, start + step)
            part = torch.from_numpy(kept[rows])
            if isinstance(signal, OutputSignal):
                part = signal.of(part, records.labels[rows])
                _finite(part, records.id[rows], _name(signal))
            if start == 0:  # made at once: parts that stay between temporaries would keep the heap from shrinking
                whole = torch.empty(len(records), *part.shape[1:], dtype=torch.float64)
            whole[rows] = part
        return whole

    def _on_disk(self, signal: Signal, model: Model, records: Records) -> Kept:
        key = self._key(model, records, signal)
        if key in self._kept:
            return self._kept[key]
        instead = getattr(model, "instead", None)
        asked = instead(records) if instead else records.x
        model_here, size = self._here(model), self.batch_size or _batch_size(records)

        def read(rows: slice | np.ndarray) -> np.ndarray:
            x, y = asked[rows], records.labels[rows]
            if isinstance(model_here, torch.nn.Module) and _tensors(model_here):
                y = y.to(self.device)
                if isinstance(x, Tensor) and not getattr(model_here, "hands_over", False):
                    x = x.to(self.device)
            values = signal(model_here, x, y).cpu()
            values = values.double() if values.dtype in (torch.bfloat16, torch.float16) else values
            _finite(values, records.id[rows], _name(signal))
            return values.numpy()

        def batches(done: int) -> Iterator[np.ndarray]:
            steps = range(done, len(records), size)
            for start in tqdm(steps, desc="Asking the model", unit="batch", delay=2, leave=False, disable=None):
                yield read(slice(start, min(start + size, len(records))))

        with torch.no_grad(), evaluating(model_here):
            at = np.unique(np.linspace(0, len(records) - 1, min(32, size), dtype=int))
            lasting = getattr(model, "key", "") and records.key and _lasting(signal)
            store = self.store if lasting else self._scratch
            self._kept[key] = store.fill(key, len(records), at, read(at), batches)
        return self._kept[key]

    def _here(self, model: Model) -> Model:
        """``model`` on the device: itself if it is there, else a copy. The user's own is never moved.

        One that waits on disk is loaded, and let go after it was read: memory does not grow with their count.
        """
        if hasattr(model, "load"):
            loaded: torch.nn.Module = model.load()
            away = {t.device.type for t in _tensors(loaded)} - {self.device.type}
            return copy.deepcopy(loaded).to(self.device) if away else loaded
        if not isinstance(model, torch.nn.Module):
            return model
        if {t.device.type for t in _tensors(model)} <= {self.device.type}:
            return model
        if id(model) not in self._moved:
            self._moved[id(model)] = copy.deepcopy(model).to(self.device)
        return self._moved[id(model)]

    def _key(self, model: Model, records: Records, signal: Signal) -> str:
        keys = [getattr(thing, "key", "") or self._held_as(thing) for thing in (model, records)]
        said = f"{_name(signal)} {_source(signal)}" if _lasting(signal) else self._held_as(signal)
        return content_key(*keys, records.labels.numpy(), said, self.device.type)

    def _held_as(self, thing: Any) -> str:
        """A name by which a thing is known for as long as this reader lives, and holds it."""
        return self._held.setdefault(id(thing), (thing, f"held {id(self)} {len(self._held)}"))[1]


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
    one, y = records.x[slice(0, 1)], records.labels
    numbers = 4 * y.shape[1] if are_texts(y) else int(np.prod(one.shape[1:]))
    return int(np.clip(2**20 // max(1, numbers), 32, 4096))


def _tensors(model: torch.nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def _lasting(signal: Any) -> bool:
    """Whether a signal's name and text say all about it: a plain function, perhaps with plain settings."""
    if isinstance(signal, functools.partial):
        return not signal.args and all(map(_plain, signal.keywords.values())) and _lasting(signal.func)
    plain = inspect.unwrap(signal) if callable(signal) else signal
    return inspect.isfunction(plain) and plain.__closure__ is None and "<" not in plain.__qualname__


def _plain(value: object) -> bool:
    return all(map(_plain, value)) if isinstance(value, tuple) else isinstance(value, str | int | float | None)


def _name(signal: Any) -> str:
    if isinstance(signal, functools.partial):
        return f"{_name(signal.func)}({sorted(signal.keywords.items())!r})"
    return f"{signal.__module__}.{getattr(signal, '__qualname__', type(signal).__name__)}"


def _source(signal: Any) -> str:
    """The text of a signal, so that an edited one is read anew; empty where there is none to see."""
    try:
        return inspect.getsource(signal.func if isinstance(signal, functools.partial) else signal)
    except (OSError, TypeError):
        return ""


def _finite(values: Tensor, ids: np.ndarray, name: str) -> None:
    bad = ~values.reshape(len(values), -1).isfinite().all(1)
    if bad.any():
        row = int(bad.nonzero()[0])
        raise InputError(
            f"`{name.split('.')[-1]}` must be made of finite numbers, found {values[row].tolist()!s:.200} for record "
            f"`{ids[row]}`. Look at this record, and at the model's answer to it."
        )
