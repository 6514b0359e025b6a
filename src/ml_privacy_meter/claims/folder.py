"""The folder of an audited claim."""

from pathlib import Path
from typing import Any

from ml_privacy_meter.claims.words import markdown
from ml_privacy_meter.report import folder as folders
from ml_privacy_meter.report.document import dump

KIND = folders.Kind("claim", frozenset({"claim.json", "claim.md"}), "claim.json", "ml-privacy-meter/claim")


def check_folder(folder: str | Path) -> None:
    """Raises `InputError` unless an audited claim may go there: no folder, an empty one, or an earlier one."""
    folders.check_folder(folder, KIND)


def write(folder: str | Path, document: dict[str, Any]) -> Path:
    """The folder, which then holds the document and its Markdown alone."""
    files = {"claim.json": dump(document).encode(), "claim.md": markdown(document).encode()}
    return folders.write(folder, files, KIND)
