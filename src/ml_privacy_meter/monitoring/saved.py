"""What was found in a log, to read in Python or to save as a folder."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ml_privacy_meter.monitoring.words import markdown, verdict
from ml_privacy_meter.report import folder as folders
from ml_privacy_meter.report.document import Document, dump

SCHEMA = "ml-privacy-meter/monitoring"
VERSION = 1
KIND = folders.Kind("monitoring", frozenset({"alerts.json", "alerts.md"}), "alerts.json", SCHEMA)


@dataclass(frozen=True, eq=False, repr=False)
class Monitored:
    """A log, checked.

    Args:
        document: what ``alerts.json`` holds, see ``schema.json``.
    """

    document: Document

    @property
    def exit_status(self) -> int:
        """0 where no check raised an alarm, 1 where one did, 3 where no client could be judged."""
        if self.document["alerts"]:
            return 1
        return 0 if any(check["looked_at"] and check["origin"] != "none" for check in self.document["checks"]) else 3

    def text(self) -> str:
        """What ``alerts.json`` holds, as text."""
        return dump(self.document)

    def save(self, folder: str | Path) -> Path:
        """The folder, now with ``alerts.json`` and ``alerts.md``; it appears whole or not at all.

        Raises:
            InputError: the folder holds something else than an earlier one of these; nothing is written then.
        """
        made = {"alerts.json": self.text().encode(), "alerts.md": markdown(self.document).encode()}
        return folders.write(folder, made, KIND)

    def __str__(self) -> str:
        return verdict(self.document)


def check_folder(folder: str | Path) -> None:
    """Raises `InputError` unless alerts may go there: no folder, an empty one, or earlier alerts."""
    folders.check_folder(folder, KIND)


def schema() -> str:
    """The JSON Schema of ``alerts.json``."""
    return resources.files("ml_privacy_meter.monitoring").joinpath("schema.json").read_text(encoding="utf-8")
