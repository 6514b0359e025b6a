"""Where the results of a gate go: new files, and its own earlier ones."""

import os
import secrets
from pathlib import Path

from ml_privacy_meter._checks import InputError

NAME = "ML Privacy Meter"
JUNIT, SARIF = f'<testsuites name="{NAME}"', f'"name": "{NAME}"'  # by which ours are known
BEGINNING = 600  # bytes within which these stand


def check_file(path: Path, mark: str) -> None:
    """Raises `InputError` unless a result may go there: nothing, or an earlier result with the same mark."""
    if (path.parent / "report.json").exists():
        raise InputError(f"A report's folder holds the report alone, and {path} would lie in one: name another place.")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written: {path.parent} is not a folder that you may write to.")
    if path.is_dir() or (path.exists() and not _is_ours(path, mark)):
        raise InputError(f"{path} is not written over, as no gate wrote it in this format: name another file.")


def write(path: Path, content: str, mark: str) -> None:
    """Puts the content there; whoever looks sees the old or the new. `InputError`: see `check_file`."""
    check_file(path, mark)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        beside.write_text(content, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _is_ours(path: Path, mark: str) -> bool:
    with path.open("rb") as file:
        return mark.encode() in file.read(BEGINNING)
