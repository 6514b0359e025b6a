"""The section [track] of a run file: where a report goes beside its folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_privacy_meter import trackers
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.report import Report

TRACK = {"tensorboard": str, "mlflow": str, "step": int}


def with_options(settings: Mapping[str, Any], **given: Any) -> dict[str, Any]:
    """The settings of a run file, with what options say of [track] in place of what the file says."""
    said = {
        name: str(value.absolute()) if isinstance(value, Path) else value
        for name, value in given.items()
        if value is not None
    }
    before = settings.get("track", {})
    if not said or not isinstance(before, Mapping):  # what is no table is refused with all else
        return dict(settings)
    return {**settings, "track": {**before, **said}}


def check_trackers(section: Mapping[str, Any], base: Path, out: Path) -> None:
    """Raises `InputError` for a tracker that cannot take the report which will lie in ``out``."""
    step = section.get("step", 0)
    if not section.keys() & {"tensorboard", "mlflow"} and section:
        raise InputError("`step` is for `tensorboard` or `mlflow` in [track] (as options: --tensorboard, --mlflow).")
    if "tensorboard" in section:
        folder = _folder(section, base)
        if folder.resolve().is_relative_to(out.resolve()):
            raise InputError(f"The report replaces {out} whole: name a folder for TensorBoard that is not inside it.")
        trackers.check_tensorboard(folder, step=step)
    if "mlflow" in section:
        trackers.check_mlflow(section["mlflow"], step=step)


def track(report: Report, saved: Path, section: Mapping[str, Any], base: Path) -> None:
    """Logs the report where the section says."""
    step = section.get("step", 0)
    try:
        if "tensorboard" in section:
            trackers.to_tensorboard(report, _folder(section, base), step=step)
        if "mlflow" in section:
            trackers.to_mlflow(report, section["mlflow"], step=step)
    except (InputError, OSError) as problem:
        raise InputError(f"The report is saved in {saved}, but was not logged: {problem}") from problem


def _folder(section: Mapping[str, Any], base: Path) -> Path:
    return base / Path(section["tensorboard"]).expanduser()
