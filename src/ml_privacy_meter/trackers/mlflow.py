"""A report in MLflow. Where it goes is what MLflow's own settings say, such as ``MLFLOW_TRACKING_URI``."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter.report import Report
from ml_privacy_meter.report.document import ASIDE, Document, dump
from ml_privacy_meter.report.markdown import markdown
from ml_privacy_meter.report.verdicts import verdict
from ml_privacy_meter.trackers import figures

AT_ONCE = 100  # params; the least of MLflow's limits for one request
LONGEST, LONGEST_VALUE = 220, 5_000  # characters of a name and of a value that MLflow takes, less some for numbers
SIGNS = {"@": " at ", "%": " percent ", "∕": "_"}  # in names; MLflow takes letters, digits, spaces and few signs

T = TypeVar("T")


def check_mlflow(experiment: str, *, step: int = 0) -> None:
    """Raises `InputError` unless MLflow is installed and answers."""
    if not experiment.strip():
        raise InputError("An experiment of MLflow needs a name, found none.")
    figures.check_step(step)
    mlflow = _mlflow()
    with _refusals():
        mlflow.MlflowClient().get_experiment_by_name(experiment)


def to_mlflow(report: Report, experiment: str, *, step: int = 0) -> str:
    """The id of the run that now holds the report: figures as metrics, settings as params, summary as artifacts.

    A run that is active, or named by MLflow's own ``MLFLOW_RUN_ID``, is gone on with; else a new one is started.
    ``report.json`` and ``report.md`` go there without ids, and no record does.

    Args:
        experiment: its name; made where there is none of that name.
        step: the epoch, so that audits of several epochs in one run become curves.

    Raises:
        InputError: MLflow is not installed, or refuses.
    """
    mlflow = _mlflow()
    found = figures.without_ids(report)
    with _refusals():
        if mlflow.active_run() is not None:
            return _log(mlflow, mlflow.active_run(), found, step)
        mlflow.set_experiment(experiment)
        with mlflow.start_run() as run:
            return _log(mlflow, run, found, step)


def _log(mlflow: Any, run: Any, found: Document, step: int) -> str:
    for part in _parts(_named(figures.numbers(found))):
        mlflow.log_metrics(part, step=step)
    known = mlflow.get_run(run.info.run_id).data.params  # MLflow refuses another value for one that is there
    for new in _parts(_new(_settings(found), known, step)):
        mlflow.log_params(new)
    mlflow.set_tag("privacy audit", verdict(found)[:LONGEST_VALUE])
    with TemporaryDirectory() as folder:
        _write(Path(folder), found)
        mlflow.log_artifacts(folder, f"privacy-audit/step-{step}")
    return str(run.info.run_id)


def _write(folder: Path, found: Document) -> None:
    # The charts' library takes a second to import; whoever only checks need not wait.
    from ml_privacy_meter.trackers.pictures import pictures

    (folder / "report.json").write_text(dump(found), encoding="utf-8")
    (folder / "report.md").write_text(markdown(found), encoding="utf-8")
    drawn = {name.replace("/", " "): png for name, png in pictures(found)}
    for name, png in _named(drawn).items():
        (folder / f"{name}.png").write_bytes(png)


def _settings(found: Document) -> dict[str, str]:
    """How it was measured, without results and without what differs between two runs of one audit."""
    about = {key: value for key, value in found["about"].items() if key not in ("strongest", *ASIDE)}
    results = {f"{side}_{what}" for side in figures.SIDES for what in figures.QUALITY}
    flat = {f"audit/{name}": str(value)[:LONGEST_VALUE] for name, value in _flat(about) if name not in results}
    return _named(flat)


def _new(settings: Mapping[str, str], known: Mapping[str, str], step: int) -> dict[str, str]:
    """The settings that a run does not hold yet; those with another value than an earlier step's, under this step."""
    placed = (
        (name if known.get(name, value) == value else f"{name}/step {step}", value) for name, value in settings.items()
    )
    return {name: value for name, value in placed if name not in known}


def _flat(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}/")
        else:
            yield above + key, value


def _named(things: Mapping[str, T]) -> dict[str, T]:
    """The same under names that MLflow takes, with a number after those that are alike then."""
    named: dict[str, T] = {}
    for name, thing in things.items():
        for sign, word in SIGNS.items():
            name = name.replace(sign, word)
        name = re.sub(r"[^\w\- ./:]", " ", name)
        name = "/".join(" ".join(part.split()).lstrip(".") or "_" for part in name.split("/"))[:LONGEST].rstrip("/ ")
        one, count = name, 2
        while one in named:
            one, count = f"{name} {count}", count + 1
        named[one] = thing
    return named


def _parts(things: Mapping[str, T]) -> Iterator[dict[str, T]]:
    rows = iter(things.items())
    while part := dict(islice(rows, AT_ONCE)):
        yield part


@contextmanager
def _refusals() -> Iterator[None]:
    """What MLflow refuses, as an `InputError`."""
    import mlflow

    try:
        yield
    except (mlflow.exceptions.MlflowException, OSError, ModuleNotFoundError) as problem:
        raise InputError(
            f"MLflow must take the report at {_without_user(mlflow.get_tracking_uri())}, and refuses: {problem!s:.300} "
            "Set MLFLOW_TRACKING_URI to a server, or to a file such as sqlite:///mlflow.db."
        ) from problem


def _without_user(address: str) -> str:
    return re.sub(r"//[^/@]*@", "//", address)


def _mlflow() -> Any:
    return extra("mlflow", "mlflow", "Logging to MLflow")
