"""A report's folder, or a comparison's: whose it is, and how a new one takes its place."""

import ctypes
import json
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.report.document import SCHEMA
from ml_privacy_meter.report.seal import intact

FILES = frozenset({"report.json", "report.md", "dpia.md", "report.pdf", "index.html", "records.parquet"})


@dataclass(frozen=True)
class Kind:
    """A kind of folder that this program writes.

    Args:
        name: what it is called in messages.
        files: all that it may hold.
        document: the one of its files that says whose it is, by its ``schema``.
    """

    name: str
    files: frozenset[str]
    document: str
    schema: str


REPORT = Kind("report", FILES, "report.json", SCHEMA)


def check_folder(folder: str | Path, kind: Kind = REPORT) -> None:
    """Raises `InputError` unless such a folder may go there: no folder, an empty one, or an earlier one of its kind."""
    target = Path(folder).resolve()
    if target.is_dir():
        _check_content(target, kind)
        if target.is_mount() or target == Path.cwd():
            what = "a mount point" if target.is_mount() else "the folder that you are in"
            raise InputError(f"A {kind.name} replaces its folder whole, and {target} is {what}: name one inside it.")
    elif target.exists():
        raise InputError(f"A {kind.name} is a folder, and {target} is a file: name another.")
    above = next(parent for parent in target.parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"The {kind.name} cannot be put into {above}, which is not a folder that you may write to.")


def write(folder: str | Path, files: Mapping[str, bytes], kind: Kind = REPORT) -> Path:
    """The folder, which then holds these files alone; whoever looks sees the old ones or the new ones.

    Raises:
        InputError: see `check_folder`.
    """
    check_folder(folder, kind)
    target = Path(folder).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    beside.mkdir()
    try:
        for name, content in files.items():
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            (beside / name).write_bytes(content)
        check_folder(folder, kind)  # Writing took a while, and what is swapped out is deleted.
        if target.exists() and not any(target.iterdir()):
            target.rmdir()
        if target.exists():
            _swap(beside, target)
        else:
            beside.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Path(folder)


def new_beside(folder: str | Path) -> Path:
    """A new empty folder beside this one, with its name and a number."""
    target = Path(folder).resolve()
    number = 2
    while os.path.lexists(beside := target.with_name(f"{target.name}-{number}")):
        number += 1
    beside.mkdir()
    return beside


def _check_content(target: Path, kind: Kind) -> None:
    names = {path.name for path in target.iterdir()}
    strange = sorted(names - kind.files)
    if strange:
        raise InputError(
            f"A {kind.name} is not written over other files: {target} holds {', '.join(strange[:3])}"
            f"{' and more' if len(strange) > 3 else ''}. Name a new folder, or an empty one."
        )
    if names and not _is_ours(target / kind.document, kind.schema):
        raise InputError(
            f"{target} holds {', '.join(sorted(names))}, but no {kind.document} of this program, so it is "
            "left alone. Name a new folder, or an empty one."
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


def _is_ours(path: Path, schema: str) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("schema") == schema


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
