"""The command that sets saved reports side by side."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ml_privacy_meter import comparison

Reports = Annotated[
    list[Path],
    typer.Argument(
        help="Folders that `privacy-meter audit` wrote; the first is what others are set beside.", metavar="REPORT ..."
    ),
]
Out = Annotated[Path, typer.Option(help="The folder that the comparison goes to.", metavar="FOLDER")]
Names = Annotated[
    list[str] | None,
    typer.Option("--name", help="What a report is to be called, once for each in their order.", metavar="NAME ..."),
]
Json = Annotated[bool, typer.Option("--json", help="Print comparison.json in place of the table.", metavar="")]


def compared(reports: list[Path], out: Path, names: list[str], quiet: bool, as_json: bool) -> int:
    """The exit status after the reports were compared, and the comparison saved and shown."""
    comparison.check_folder(out)
    found = comparison.compare(reports, names=names)
    folder = found.save(out)
    if as_json:
        sys.stdout.write((folder / "comparison.json").read_text(encoding="utf-8"))
    elif not quiet:
        console = Console()
        console.print(found.table())
        console.print(f"Comparison: {folder / 'index.html'}", markup=False, highlight=False, soft_wrap=True)
    return 0
