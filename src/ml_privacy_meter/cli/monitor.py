"""The command ``privacy-meter monitor``: a served model's query log, checked."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ml_privacy_meter import monitoring, records
from ml_privacy_meter.cli import options
from ml_privacy_meter.monitoring import words

_L, _T = "The log", "Thresholds and limits"


def _column(help: str, *names: str) -> Any:
    return typer.Option(*names, help=help, metavar="COLUMN", rich_help_panel=_L)


def _limit(metavar: str, help: str, *names: str) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=_T)


Log = Annotated[
    list[Path], typer.Argument(help="Query logs in the order of time: .jsonl, .csv, .parquet.", metavar="LOG ...")
]
Out = Annotated[Path | None, typer.Option(help="A folder for alerts.json and alerts.md.", metavar="FOLDER")]
Client = Annotated[str | None, _column("Who asked; or client, user, ip and their like.")]
Time = Annotated[str | None, _column("When, in seconds or ISO 8601; or time, timestamp.")]
Features = Annotated[list[str] | None, _column("What was asked: one of lists, or several of numbers.", "--feature")]
Digest = Annotated[str | None, _column("A digest of it, where features are not kept.")]
Answer = Annotated[str | None, _column("The predicted class, or a list of scores; or answer, prediction.")]
Benign = Annotated[
    list[Path] | None, _limit("FILE ...", "A log of clients believed honest, which sets thresholds.", "--benign")
]
FalseAlarmRate = Annotated[float | None, _limit("RATE", "Of one check, for a benign session, at most; or 0.01.")]
Session = Annotated[int | None, _limit("QUERIES", "Of one client, judged together; or 500.")]
Radius = Annotated[float | None, _limit("DISTANCE", "Near duplicates are at most so far apart.")]
Known = Annotated[Path | None, _limit("FILE", "Records to look for, as those of training: .npz, .csv, .parquet.")]
Budget = Annotated[int | None, _limit("QUERIES", "The most that a client may ask.")]
PerMinute = Annotated[int | None, _limit("QUERIES", "The most within 60 seconds.")]
Coverage = Annotated[float | None, _limit("SHARE", "Of the known records, the most that a client may ask about.")]
ShowClients = Annotated[bool, typer.Option("--show-clients", help="Clients by their names: personal data.", metavar="")]
Json = Annotated[bool, typer.Option("--json", help="Print alerts.json in place of the sentences.", metavar="")]

EXAMPLES = {
    "A log alone, with a limit of your own": "privacy-meter monitor log.jsonl --budget 10000\n",
    "With thresholds from a week that is believed to be honest": """\
privacy-meter monitor log.jsonl --benign honest.jsonl --session 100 \\
    --false-alarm-rate 0.05 --out alerts
""",
}
STATUSES = """\
Exit status: 0, no alarm; 1, an alarm; 2, something given cannot be used;
3, not decidable: no client asked enough to be judged, and no limit was given."""


def command(do: Callable[[Callable[[], int], bool, bool], None]) -> Callable[..., None]:
    """The command; ``do`` runs its work, and turns an error into a sentence and an exit status."""

    def monitor(
        log: Log,
        out: Out = None,
        client: Client = None,
        time: Time = None,
        features: Features = None,
        digest: Digest = None,
        answer: Answer = None,
        benign: Benign = None,
        false_alarm_rate: FalseAlarmRate = None,
        session: Session = None,
        radius: Radius = None,
        known: Known = None,
        budget: Budget = None,
        per_minute: PerMinute = None,
        coverage: Coverage = None,
        show_clients: ShowClients = False,
        quiet: options.Quiet = False,
        as_json: Json = False,
        debug: options.Debug = False,
    ) -> None:
        """Check the queries that a served model got, client by client.

        Each check, what it finds and what evades it stand in docs/monitoring.md.
        """
        settings = {name: value for name, value in locals().items() if name in _SETTINGS and value not in (None, [])}
        do(lambda: _monitored(settings, out, quiet, as_json), debug, quiet or as_json)

    return monitor


_SETTINGS = set(inspect.signature(monitoring.monitor).parameters)


def _monitored(settings: dict[str, Any], out: Path | None, quiet: bool, as_json: bool) -> int:
    if out is not None:
        monitoring.check_folder(out)
    if "known" in settings:
        columns = settings.get("features", [])
        settings["known"] = records.load(settings["known"], features=columns if len(columns) > 1 else None)
    found = monitoring.monitor(**settings)
    if out is not None:
        found.save(out)
    if as_json:
        sys.stdout.write(found.text())
    elif not quiet or found.exit_status:
        (sys.stderr if quiet else sys.stdout).writelines(f"{line}\n" for line in words.lines(found.document))
        if out is not None and not quiet:
            sys.stdout.write(f"Alerts: {out / 'alerts.md'}\n")
    return found.exit_status
