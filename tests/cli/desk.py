"""A folder that a user stands in, files that lie ready for it, and the command."""

import fcntl
import hashlib
import json
import os
import pty
import shutil
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli import makers
from typer.testing import CliRunner

from ml_privacy_meter.cli import app

AUDIT = ("audit", "--members", "train.npz", "--non-members", "test.npz", "--out", "report", "--attack", "threshold")

COMMAND = (sys.executable, "-c", "from ml_privacy_meter.cli import main; main()")
RUN_FILE = """
out = "report"
[model]
path = "model.pt2"
[members]
path = "train.npz"
[non_members]
path = "test.npz"
[attacks]
threshold = {}
"""  # its last section is that of the attacks


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


class Shelf:
    """Files that take a while to make: each is made once, when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            makers.MAKERS[name](path)
        return path


class Desk:
    def __init__(self, folder: Path, shelf: Shelf) -> None:
        self.folder, self.shelf = folder, shelf

    def bring(self, *names: str, to: str = ".") -> None:
        """Copies of files from the shelf."""
        (self.folder / to).mkdir(parents=True, exist_ok=True)
        for name in names:
            path = self.shelf.path(name)
            copy: Callable[..., Any] = shutil.copytree if path.is_dir() else shutil.copy
            copy(path, self.folder / to / name)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text, encoding="utf-8")

    def run(self, *arguments: Any) -> Said:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    def reports(self, *arguments: Any, leak: bool = True, folder: str = "report") -> dict[str, Any]:
        """The report of a command that succeeds; nothing of what lay there is changed."""
        before = self._files(but=folder)
        said = self.run(*arguments)
        assert said.status == 0, said.err
        assert said.err == ""
        assert before.items() <= self._files(but=folder).items()
        report = self.report(folder)
        for finding in report["findings"]:
            assert not finding["failed"]
        auc = figure(report, "threshold", "AUC")
        assert (auc["low"] > 0.6) == leak, auc
        return report

    def refuses(self, *arguments: Any, says: tuple[str, ...], status: int = 2) -> str:
        """The message of a command that is refused as bad input is: a sentence, and nothing else happens."""
        before = self._files()
        said = self.run(*arguments)
        assert said.status == status, (said.status, said.err)
        assert said.out == ""
        assert said.err.count("\n") == 1, said.err
        assert "Traceback" not in said.err
        for words in says:
            assert words in said.err, said.err
        assert self._files() == before
        return said.err

    def report(self, folder: str = "report") -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / folder / "report.json").read_text(encoding="utf-8"))
        return content

    def _files(self, but: str = "") -> dict[str, str]:
        """All files with a hash of their content, apart from the store and one folder."""
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.folder.rglob("*")
            if path.is_file() and path.relative_to(self.folder).parts[0] not in (".privacy-meter", "__pycache__", but)
        }


@contextmanager
def terminal(*, columns: int) -> Iterator[tuple[int, Callable[[], bytes]]]:
    """A terminal of so many columns: what a process writes to, and what gives all that it has shown until it ended."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, columns, 0, 0))

    def shown() -> bytes:
        os.close(theirs)
        content = b""
        while True:
            try:
                content += os.read(ours, 4096)
            except OSError:  # the other side is closed
                return content

    yield theirs, shown
    os.close(ours)


def figure(report: dict[str, Any], attack: str, name: str) -> dict[str, Any]:
    finding = next(finding for finding in report["findings"] if finding["attack"] == attack)
    risk: dict[str, Any] = next(risk for risk in finding["risks"] if risk["name"] == name)
    return risk


def lasting(report: dict[str, Any]) -> dict[str, Any]:
    """The report less what differs between two runs of one audit."""
    return {key: value for key, value in report.items() if key not in ("times", "paths")}
