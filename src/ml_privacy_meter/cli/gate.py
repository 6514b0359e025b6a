"""The command ``privacy-meter gate``, and the gate after an audit."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ml_privacy_meter import gate as gates
from ml_privacy_meter.cli import options, runfile
from ml_privacy_meter.cli.gating import check_gate, held

_MAX = 'The most that a figure of each attack may be: "AUC<=0.6", "TPR@0.1%FPR<=1%".'
Folder = Annotated[Path, typer.Argument(help="The folder of a report.", metavar="REPORT", show_default=False)]
Max = Annotated[list[str] | None, typer.Option("--max", help=_MAX, metavar="LIMIT ...")]
MaxGroup = Annotated[
    list[str] | None, typer.Option("--max-group", help="The same, of each class and group.", metavar="LIMIT ...")
]
Judge = Annotated[
    str | None, typer.Option(help="upper: the interval's upper end, the default; value: the value.", metavar="END")
]
Confidence = Annotated[
    float | None, typer.Option(help="Of the intervals; refused where the report has another.", metavar="SHARE")
]
RunFile = Annotated[Path | None, typer.Option(help="Its gate section says what is not given here.", metavar="FILE")]
Junit = Annotated[Path | None, typer.Option(help="Writes JUnit XML there.", metavar="FILE")]
Sarif = Annotated[Path | None, typer.Option(help="Writes SARIF 2.1.0 there.", metavar="FILE")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of the table.", metavar="")]


def command(do: Callable[[Callable[[], int], bool], None]) -> Callable[..., None]:
    """The command; ``do`` runs work and turns errors into sentences and exit statuses."""

    def gate(
        report: Folder,
        max: Max = None,
        max_group: MaxGroup = None,
        judge: Judge = None,
        confidence: Confidence = None,
        run_file: RunFile = None,
        junit: Junit = None,
        sarif: Sarif = None,
        quiet: options.Quiet = False,
        as_json: Json = False,
        debug: options.Debug = False,
    ) -> None:
        """Hold a report to limits: may this model be released?

        privacy-meter gate report --max "TPR@0.1%FPR<=1%" --max "AUC<=0.6"

        Exit status 0: passed, every attack's interval keeps to every limit. 1: failed, a measured value exceeds one.
        3: not decidable, with these counts or in this audit. 2: bad input.
        """
        given = {"max": max, "max_group": max_group, "judge": judge, "confidence": confidence}
        given |= {name: None if path is None else str(path.absolute()) for name, path in _files(junit, sarif)}

        def work() -> int:
            settings, base = _of_run_file(run_file)
            settings |= {name: value for name, value in given.items() if value not in (None, [])}
            found = held(settings, base, report, place=run_file or _file(report))
            if as_json:
                sys.stdout.write(json.dumps(gates.told(found), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
            else:
                _print(found, quiet)
            return found.exit_status

        do(work, debug)

    return gate


def check_run(settings: Mapping[str, Any], file: Path) -> None:
    """Raises `InputError` where the run file is wrong, or its gate could not judge what it asks for."""
    runfile.check_settings(settings)
    check_gate(settings, file.absolute().parent)


def after_run(settings: Mapping[str, Any], file: Path, status: int, *, quiet: bool) -> int:
    """The exit status of a run: that of its gate, where it has one and does not pass."""
    if "gate" not in settings:
        return status
    base = file.absolute().parent
    found = held(settings["gate"], base, base / Path(settings["out"]).expanduser(), place=file)
    _print(found, quiet)
    return found.exit_status or status


def _of_run_file(file: Path | None) -> tuple[dict[str, Any], Path]:
    if file is None:
        return {}, Path()
    settings = runfile.read(file)
    runfile.check_settings(settings)
    return dict(settings.get("gate", {})), file.absolute().parent


def _files(junit: Path | None, sarif: Path | None) -> tuple[tuple[str, Path | None], ...]:
    return ("junit", junit), ("sarif", sarif)


def _file(report: Path) -> Path:
    return report / "report.json" if report.is_dir() else report


def _print(found: gates.Gate, quiet: bool) -> None:
    """The table; of a quiet command only what speaks against a release."""
    if not quiet:
        Console().print(gates.table(found))
    elif found.exit_status:
        sys.stderr.write(f"Gate: {gates.verdict(found)}\n")
        sys.stderr.writelines(f"! {warning}\n" for warning in found.warnings)
