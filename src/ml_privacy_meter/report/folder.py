"""A report's folder: whose it is, and how a new one takes its place."""

import ctypes
import json
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.report.document import SCHEMA
from ml_privacy_meter.report.seal import intact

FILES = frozenset({"report.json", "report.md", "dpia.md", "index.html", "records.parquet"})


def check_folder(folder: str | Path) -> None:
    """Raises `InputError` unless a report may go there: no folder, an empty one, or an earlier report."""
    target = Path(folder).resolve()
    if target.is_dir():
        _check_content(target)
        if target.is_mount() or target == Path.cwd():
            what = "a mount point" if target.is_mount() else "the folder that you are in"
            raise InputError(f"A report replaces its folder whole, and {target} is {what}: name one inside it.")
    elif target.exists():
        raise InputError(f"A report is a folder, and {target} is a file: name another.")
    above = next(parent for parent in target.parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"The report cannot be put into {above}, which is not a folder that you may write to.")


def write(folder: str | Path, files: Mapping[str, bytes]) -> Path:
    """The folder, which then holds these files alone; whoever looks sees the old ones or the new ones.

    Raises:
        InputError: see `check_folder`.
    """
    check_folder(folder)
    target = Path(folder).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    beside.mkdir()
    try:
        for name, content in files.items():
            (beside / name).write_bytes(content)
        check_folder(folder)  # Writing took a while, and what is swapped out is deleted.
        if target.exists() and not any(target.iterdir()):
            target.rmdir()
        if target.exists():
            _swap(beside, target)
        else:
            beside.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Path(folder)


def _check_content(target: Path) -> None:
    names = {path.name for path in target.iterdir()}
    strange = sorted(names - FILES)
    if strange:
        raise InputError(
            f"A report is not written over other files: {target} holds {', '.join(strange[:3])}"
            f"{' and more' if len(strange) > 3 else ''}. Name a new folder, or an empty one."
        )
    if names and not _is_ours(target / "report.json"):
        raise InputError(
            f"{target} holds {', '.join(sorted(names))}, but no report.json of this program, so it is left "
            "alone. Name a new folder, or an empty one."
        )
    if "dpia.md" in names and not _untouched(target / "dpia.md"):
        raise InputError(
            f"{target / 'dpia.md'} was changed since it was written, and a new report would replace it. Name another "
            "folder, or move that file out of this one."
        )


def _untouched(path: Path) -> bool:
    try:
        return intact(path.read_bytes())
    except OSError:
        return False


def _is_ours(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("schema") == SCHEMA


def _swap(new: Path, old: Path) -> None:
    """Afterwards ``old`` has the content of ``new``, and ``new`` that of ``old`` or nothing."""
    if _exchange(new, old):
        return
    aside = new.with_name(new.name + ".old")
    old.rename(aside)
    try:
        new.rename(old)
    except OSError:
        aside.rename(old)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Whether the system could exchange two folders' names in one step: Linux can, on most file systems."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    at_cwd, exchange = -100, 2
    return rename is not None and rename(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), exchange) == 0
