"""What was seen of the model's training, as options and run files name it: snapshots, or a trace."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_privacy_meter import targets
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.case import prepare
from ml_privacy_meter.signals import Reader, Store, loss
from ml_privacy_meter.traces import Trace
from ml_privacy_meter.types import Records

SNAPSHOTS = {"snapshots": Sequence[str]}  # in [model]
TRACE = {"path": str, "view": str}
VIEWS = "aggregator, server-averages, participant:NAME or outsider"


def models_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What [model] says where an option names one model, or several: the last is audited, the others are snapshots."""
    named = given.get("model") or []
    *earlier, last = [named] if isinstance(named, str) else named or [None]
    return ({"path": last} if last else {}) | ({"snapshots": earlier} if earlier else {})


def trace_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The section [trace] that options stand for, if any."""
    section = {name: str(given[key]) for name, key in (("path", "trace"), ("view", "view")) if given.get(key)}
    return {"trace": section} if section else {}


def watched_from(settings: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """The arguments ``trace`` and ``snapshots`` of an audit."""
    model = settings.get("model", {})
    snapshots = [_snapshot(one, model.get("path", ""), base) for one in model.get("snapshots", ())]
    section = settings.get("trace")
    if section is None:
        return {"snapshots": snapshots}
    if "path" not in section:
        raise InputError("[trace] must say `path` (--trace): the folder that the trace was written into.")
    trace = Trace.open(base / Path(section["path"]).expanduser())
    return {"snapshots": snapshots, "trace": seen_by(trace, section.get("view", "aggregator"))}


def seen_by(trace: Trace, view: str) -> Trace:
    """The trace as this viewer saw it: "aggregator", "server-averages", "participant:NAME" or "outsider"."""
    views = {"aggregator": lambda: trace, "server-averages": trace.aggregated, "outsider": trace.by_outsider}
    if view in views:
        return views[view]()
    if not view.startswith("participant:"):
        raise InputError(f"The view of a trace must be {VIEWS}, found {view!r:.80}.")
    return trace.by_participant(view.removeprefix("participant:"))


def try_watched(
    model: targets.Opened,
    sides: tuple[Records, Records],
    seen: Mapping[str, Any],
    *,
    store: Path,
    seed: int = 0,
    device: str = "auto",
    batch_size: int | None = None,
) -> None:
    """Asks what was watched for its loss, which the store keeps: what is refused is so before anything is trained.

    Args:
        seen: the arguments ``trace`` and ``snapshots`` of an audit.
    """
    if not any(seen.values()):
        return
    case = prepare(model, *sides, **seen, seed=seed)
    reader = Reader(Store(store), device=device, batch_size=batch_size)
    for one in case.watched.snapshots:
        reader.signal(loss, one, case.everyone)


def _snapshot(name: str, model: str, base: Path) -> Any:
    """A file or address as the model's; where that is built by a factory, also a file of weights to fill it."""
    if ":" in Path(name).name or "://" in name:
        return name
    file = base / Path(name).expanduser()
    factory = ":" in Path(model).name and "://" not in model
    return targets.open_model(model, weights=file) if factory else file
