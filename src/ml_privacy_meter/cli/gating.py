"""The section [gate] of a run file: limits that decide the exit status."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_privacy_meter import __version__, gate
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.audit import audit
from ml_privacy_meter.cli.kinds import settings_of

FILES = {"junit": gate.JUNIT, "sarif": gate.SARIF}


def allowed() -> dict[str, Any]:
    """What may be set in [gate], and of what kind each is."""
    return settings_of(gate.judged) | dict.fromkeys(FILES, str)


def check_gate(settings: Mapping[str, Any], base: Path) -> None:
    """Raises `InputError` where the gate of a run file could not judge the report that it asks for."""
    if "gate" not in settings:
        return
    given, figures = settings["gate"], settings.get("figures", {})
    limits = gate.asked(**{name: given[name] for name in ("max", "max_group", "judge") if name in given})
    of_audit = inspect.signature(audit).parameters
    fpr, confidence = (figures.get(name, of_audit[name].default) for name in ("fpr", "confidence"))
    taken = {gate.limit(f"TPR@{rate}FPR<=1").figure for rate in fpr}
    for each in limits:
        if each.figure.startswith("TPR@") and each.figure not in taken:
            raise InputError(f"[gate] limits {each.figure}, which is not measured. Add its rate to `fpr` in [figures].")
    if given.get("confidence", confidence) != confidence:
        raise InputError(
            f"[gate] asks for intervals at a confidence of {given['confidence']:g}, and the audit takes them at "
            f"{confidence:g}. Set `confidence` in [figures], which is the gate's too."
        )
    _check_files(given, base)


def held(given: Mapping[str, Any], base: Path, report: Path, *, place: Path) -> gate.Gate:
    """The gate of a saved report; its JUnit and SARIF files are written where they are asked for.

    Args:
        given: what [gate] may hold; paths are relative to ``base``.
        place: the file that results point to.
    """
    _check_files(given, base)
    judged = gate.judged(gate.read(report), **{name: value for name, value in given.items() if name not in FILES})
    if "junit" in given:
        gate.write(base / given["junit"], gate.junit(judged), gate.JUNIT)
    if "sarif" in given:
        gate.write(base / given["sarif"], gate.sarif(judged, file=place, version=__version__), gate.SARIF)
    return judged


def _check_files(given: Mapping[str, Any], base: Path) -> None:
    for name, mark in FILES.items():
        if name in given:
            gate.check_file(base / given[name], mark)
    if len(given.keys() & FILES.keys()) == 2 and (base / given["junit"]).resolve() == (base / given["sarif"]).resolve():
        raise InputError(f"JUnit and SARIF are two files, and {given['sarif']} is named for both: name another.")
