"""Reference models set beside the target: fitted to the same records, and answering in the same columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from ml_privacy_meter import targets
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals.store import content_key
from ml_privacy_meter.targets.key import digest
from ml_privacy_meter.targets.reading import finer, reading_of
from ml_privacy_meter.training import Reference, References
from ml_privacy_meter.types import Model, Records, Rows


@dataclass(frozen=True)
class Beside:
    """Reference models, and what they were trained on.

    Args:
        inside: of the audited records, in the audit's order.
        public: the records that they were trained on where those are no audited ones.
        snapshots: each of them at earlier moments of its training, where these are known.
    """

    models: tuple[Model, ...] = ()
    inside: Bool[Tensor, "records models"] | None = None
    public: Records | None = None
    public_inside: Bool[Tensor, "public models"] | None = None
    snapshots: tuple[tuple[Model, ...], ...] = ()

    def check_moments(self, seen: int) -> None:
        """Raises `InputError` unless each was kept at as many moments as the target was seen at, or none was."""
        for number, snapshots in enumerate(self.snapshots):
            if len(snapshots) != seen:
                raise InputError(
                    "Reference models must be kept at the moments at which the target was seen, "
                    f"{seen} of them, found {len(snapshots)} snapshots of reference model {number} (the first is 0). "
                    "Give as many `snapshots` of each, the oldest first."
                )


@dataclass(frozen=True)
class Later:
    """A reference model that is opened each time it is asked: see `signals.Reader`.

    Args:
        instead: its own inputs, where the view's records are the target's saved outputs.
    """

    key: str
    load: Callable[[], nn.Module]
    instead: Callable[[Records], Rows] | None = None

    def __call__(self, batch: Any) -> Tensor:
        answer: Tensor = self.load()(batch)
        return answer


@dataclass(frozen=True)
class Saved:
    """A reference model of which the outputs are left; ``instead`` are these, and it reads them as logits."""

    key: str
    instead: Callable[[Records], Rows]
    reading: targets.Reading

    def __call__(self, outputs: Tensor) -> Tensor:
        return self.reading.of(finer(outputs))


def set_beside(
    references: References,
    opened: targets.Opened,
    target: targets.Target,
    sides: tuple[Records, Records],
    *,
    order: np.ndarray,
    everyone: Records,
    features: Records,
) -> Beside:
    """The reference models, as attacks ask them beside the target.

    Args:
        opened: the target before it was fitted.
        sides: members and non-members, as they came.
        order: of the audit's records in join(members, non-members).
        everyone: what the target is asked about, in the audit's order: outputs, where these were saved.
        features: the same records' own inputs.
    """
    inside = _inside(references, sides)[torch.from_numpy(order)]

    def only(rows: Rows) -> Callable[[Records], Rows]:
        def instead(records: Records) -> Rows:
            if records.x is not everyone.x:
                raise InputError("Saved outputs answer for the records of the audit as they stand, and for no others.")
            return rows

        return instead

    if references.outputs is not None:
        found = [_saved(references, j, target, only, order) for j in range(len(references))]
        return Beside(tuple(found), inside)
    saved, names = opened.inner is targets.as_saved, names_of(target, everyone, sides)

    def later(model: Any, called: str) -> Later:
        load = partial(fitted, opened, target, model, sides, names=names, called=f"{called} (the first is 0)")
        return Later(_key(model, opened), load, only(features.x) if saved else None)

    models = tuple(later(model, f"Reference model {number}") for number, model in enumerate(references.models))
    snapshots = tuple(
        tuple(later(one, f"Snapshot {moment} of reference model {number}") for moment, one in enumerate(of_one))
        for number, of_one in enumerate(references.snapshots)
    )
    public = references.public
    if public is not None:
        if saved:
            raise InputError("The target must be asked about public records, and only its outputs were saved. Name it.")
        public = targets.fit(replace(opened, classes=target.classes), public, public)[1]
    return Beside(models, inside, public, references.public_inside, snapshots)


def earlier(
    snapshots: Sequence[Any],
    opened: targets.Opened,
    target: targets.Target,
    sides: tuple[Records, Records],
    everyone: Records,
    *,
    called: str = "Snapshot",
) -> tuple[Later, ...]:
    """The target at earlier moments of its training, each fitted to the records as it was. Arguments: `set_beside`."""
    if snapshots and opened.inner is targets.as_saved:
        raise InputError(f"{called}s are asked about the records, and of the model only outputs were saved. Name it.")
    names, found = names_of(target, everyone, sides), []
    for number, model in enumerate(snapshots):
        name = f"{called} {number} (the first is 0)" if called == "Snapshot" else called
        load = partial(fitted, opened, target, model, sides, names=names, called=name)
        found.append(Later(_key(model, opened), load))
    return tuple(found)


def fitted(
    opened: targets.Opened,
    target: targets.Target,
    model: Any,
    sides: tuple[Records, Records],
    *,
    names: tuple[str, ...] | None,
    called: str,
) -> targets.Target:
    """A reference model, or a snapshot, fitted to the records as the target was.

    Args:
        names: of the target's columns in their order, as the labels have them.
        called: what messages call the model.
    """
    try:
        return _fitted(opened, target, model, sides, names)
    except InputError as problem:
        raise InputError(f"{called}: {problem}") from problem


def _fitted(
    opened: targets.Opened,
    target: targets.Target,
    model: Any,
    sides: tuple[Records, Records],
    names: tuple[str, ...] | None,
) -> targets.Target:
    ours = isinstance(model, Reference)
    found = model.open(names) if ours else _opened(model)
    alike = isinstance(found.inner, nn.Module) and isinstance(opened.inner, nn.Module)
    found = replace(
        found,
        before=found.before if ours else found.before or opened.before,
        gives=opened.gives if alike and found.gives == "auto" else found.gives,
        task=opened.task if found.task == "auto" else found.task,
        classes=found.classes or target.classes,
    )
    beside, *_ = targets.fit(found, *sides)
    if beside.columns != target.columns or beside.classes not in (None, names, target.classes):
        wanted, has = (
            f"{of.columns} columns" + (f" ({', '.join(said)})" if said else "")
            for of, said in ((target, target.classes or names), (beside, beside.classes))
        )
        raise InputError(
            f"It must answer in the target's {wanted:.200}, found {has:.200}. Train it on the same labels."
        )
    return beside


def _inside(references: References, sides: tuple[Records, Records]) -> Bool[Tensor, "records models"]:
    """Inside, of the members and then the non-members."""
    inside = references.inside(*sides)
    rows, found = len(references.members), len(sides[0])
    if references.outputs is None and rows not in (0, found):
        raise InputError(
            f"`members` of the reference models must have a row for each of {found} members, found {rows}. Are some of "
            "its rows those of non-members?"
        )
    return inside


def names_of(target: targets.Target, everyone: Records, sides: tuple[Records, Records]) -> tuple[str, ...] | None:
    """Of the target's columns in their order, as the labels have them; None where labels are no classes."""
    if everyone.labels.dtype != torch.int64 or everyone.labels.ndim > 1:
        return None
    given = target.classes or ()
    numbered = np.asarray(sides[0].y).dtype.kind in "biuf" and not any(name.lstrip("-").isdigit() for name in given)
    return tuple(map(str, range(target.columns))) if numbered else given


def _key(model: Any, opened: targets.Opened) -> str:
    """Of all content that its answers hang on; empty where that cannot be known."""
    if isinstance(model, Reference):
        return model.key
    key = _opened(model).key
    return key if not key or opened.before is None else opened.before_key and digest(key, opened.before_key)


def _opened(model: Any) -> targets.Opened:
    return model if isinstance(model, targets.Opened) else targets.open_model(model)


def _saved(
    references: References, j: int, target: targets.Target, only: Callable[[Rows], Callable], order: np.ndarray
) -> Saved:
    outputs = references.outputs
    assert outputs is not None
    rows: Tensor = outputs[j]
    task = "regression" if references.gives == "values" else "classes"
    reading = reading_of(rows, task=task, gives=references.gives)
    if reading.columns != target.columns:
        raise InputError(
            f"The saved outputs of reference models must have the target's {target.columns} columns, found "
            f"{reading.columns}. Save them of models with the same classes."
        )
    return Saved(digest(content_key(rows.numpy()), reading.says), only(rows[torch.from_numpy(order)]), reading)
