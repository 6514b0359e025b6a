"""The command ``privacy-meter``: the keywords of `audit`, from options or from a TOML file."""

import os
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ml_privacy_meter import __version__
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.cli import (
    audit_dp,
    convert,
    defend,
    examples,
    gate,
    guarantee,
    monitor,
    options,
    recite,
    runfile,
    template,
)
from ml_privacy_meter.cli import canaries as hiding
from ml_privacy_meter.cli import compare as comparing
from ml_privacy_meter.cli.plain import no_bars
from ml_privacy_meter.cli.schema import schema
from ml_privacy_meter.cli.tracking import with_options
from ml_privacy_meter.cli.tuning import is_tuned_here

app = typer.Typer(
    help="What does a trained model reveal about the records it was trained on?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=examples.begin(),
    context_settings={"help_option_names": ["-h", "--help"]},
)

FAILED_ATTACK, BAD_INPUT, OURS, INTERRUPTED = 1, 2, 70, 130


@app.command(epilog=examples.shown(examples.AUDIT, statuses=examples.STATUSES))
def audit(
    members: options.Members,
    non_members: options.NonMembers,
    out: options.Out,
    model: options.Model = None,
    weights: options.Weights = None,
    base: options.Base = None,
    outputs: options.Outputs = None,
    task: options.Task = None,
    classes: options.Classes = None,
    preprocess: options.Preprocess = None,
    trusted: options.Trusted = None,
    output_name: options.OutputName = None,
    request: options.Request = None,
    response: options.Response = None,
    label: options.Label = None,
    id: options.Id = None,
    features: options.Features = None,
    groups: options.Groups = None,
    drop: options.Drop = None,
    probabilities: options.Probabilities = None,
    logits: options.Logits = None,
    size: options.Size = None,
    reference_count: options.ReferenceCount = None,
    reference_train: options.ReferenceTrain = None,
    trace: options.TraceFolder = None,
    view: options.Viewer = None,
    attacks: options.Attacks = None,
    fpr: options.Fpr = None,
    confidence: options.Confidence = None,
    users: options.Users = None,
    secret_column: options.SecretColumn = None,
    epsilon: options.Epsilon = None,
    delta: options.Delta = None,
    mu: options.Mu = None,
    noise_multiplier: options.NoiseMultiplier = None,
    sample_rate: options.SampleRate = None,
    steps: options.Steps = None,
    seed: options.Seed = None,
    device: options.Device = None,
    batch_size: options.BatchSize = None,
    store: options.StoreFolder = None,
    assessment: options.Assessment = None,
    pdf: options.Pdf = False,
    show_records: options.ShowRecords = None,
    tensorboard: options.TensorBoard = None,
    mlflow: options.MLflow = None,
    step: options.Step = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Audit a trained model, and save a report.

    An option with dots can be given several times. Settings that differ between
    the two sets, or of an address, have a place in a run file: see `privacy-meter init`.
    """
    settings = with_options(runfile.from_options(locals()), tensorboard=tensorboard, mlflow=mlflow, step=step)
    _do(lambda: _planned(settings, Path()) if dry_run else _audited(settings, Path(), quiet, as_json), debug, quiet)


@app.command(epilog=examples.shown(examples.RUN, statuses=examples.STATUSES))
def run(
    file: Annotated[Path, typer.Argument(help="A run file, as `privacy-meter init` writes it.", metavar="FILE")],
    out: Annotated[Path | None, typer.Option(help="A folder for the report in place of the file's.")] = None,
    pdf: options.Pdf = False,
    show_records: options.ShowRecords = None,
    tensorboard: options.TensorBoard = None,
    mlflow: options.MLflow = None,
    step: options.Step = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Audit what a run file says. Its paths are relative to it."""

    def work() -> int:
        tracked: dict[str, Any] = {"tensorboard": tensorboard, "mlflow": mlflow, "step": step}
        settings = with_options(runfile.read(file), **tracked)
        written = with_options(runfile.read(file, expand=False), **tracked)
        if out is not None:
            settings["out"] = written["out"] = str(out.absolute())
        if pdf:
            settings["pdf"] = written["pdf"] = True
        if show_records is not None:
            settings["show_records"] = written["show_records"] = show_records
        base = file.absolute().parent
        gate.check_run(settings, file)
        if dry_run:
            return _planned(settings, base)
        status = _audited(settings, base, quiet, as_json, written)
        return gate.after_run(settings, file, status, quiet=quiet or as_json)

    _do(work, debug, quiet)


@app.command(epilog=examples.shown(examples.INIT))
def init(
    files: Annotated[
        list[str],
        typer.Argument(
            help="As `privacy-meter audit` takes them; no model where the records hold saved outputs.",
            metavar="[MODEL] MEMBERS NON_MEMBERS",
            show_default=False,
        ),
    ],
    weights: options.Weights = None,
    base: options.Base = None,
    outputs: options.Outputs = None,
    task: options.Task = None,
    classes: options.Classes = None,
    preprocess: options.Preprocess = None,
    trusted: options.Trusted = None,
    output_name: options.OutputName = None,
    request: options.Request = None,
    response: options.Response = None,
    label: options.Label = None,
    id: options.Id = None,
    features: options.Features = None,
    groups: options.Groups = None,
    drop: options.Drop = None,
    probabilities: options.Probabilities = None,
    logits: options.Logits = None,
    size: options.Size = None,
    debug: options.Debug = False,
) -> None:
    """Look at a model and records, and print a commented run file with what was found."""
    given = dict(locals())

    def work() -> int:
        if len(files) not in (2, 3):
            raise InputError(f"Give [MODEL] MEMBERS NON_MEMBERS, found {len(files)} of them.")
        named = dict(zip(("non_members", "members", "model"), reversed(files), strict=False))
        sys.stdout.write(template.run_file(runfile.from_options(given | named)))
        return 0

    _do(work, debug)


@app.command()
def compare(
    reports: comparing.Reports,
    out: comparing.Out,
    names: comparing.Names = None,
    quiet: options.Quiet = False,
    as_json: comparing.Json = False,
    debug: options.Debug = False,
) -> None:
    """Set saved reports side by side: one model over epochs, or with and without a defence.

    privacy-meter compare before after --out comparison
    """
    _do(lambda: comparing.compared(reports, out, names or [], quiet, as_json), debug)


app.command()(schema)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", metavar="")] = False,
) -> None:
    if version:
        sys.stdout.write(f"privacy-meter {__version__}\n")
        raise typer.Exit


def _planned(settings: dict[str, Any], base: Path) -> int:
    plan = runfile.plan(settings, base)
    if is_tuned_here(settings):
        sys.stdout.write("The model itself is tuned first, on the members, and kept.\n")
    if plan is None:
        sys.stdout.write("No reference models are to be trained.\n")
        return 0
    fewest, most = (f"{size:,}" for size in plan.sizes)
    each = fewest if fewest == most else f"{fewest} to {most}"
    sys.stdout.write(
        f"Reference models: {plan.count}, each trained on {each} records\n"
        f"How: {plan.says}\n"
        f"On disk already: {plan.done}\n"
    )
    if plan.tasks:
        groups = f"in groups: {plan.tasks}, of which at the same time: {plan.workers}"
        sys.stdout.write(f"To be trained: {plan.count - plan.done}, {groups}\n")
        took = timedelta(seconds=round(plan.estimate()))
        sys.stdout.write(f"About {took} for all of these, as the first group tells. It was trained, and is kept.\n")
    return 0


def _audited(
    settings: dict[str, Any], base: Path, quiet: bool, as_json: bool, written: dict[str, Any] | None = None
) -> int:
    report, folder = runfile.audit_from(settings, base, written=written)
    if as_json:
        sys.stdout.write((folder / "report.json").read_text(encoding="utf-8"))
    elif not quiet:
        console = Console()
        console.print(report.table())
        console.print(f"Report: {folder / 'index.html'}", markup=False, highlight=False, soft_wrap=True)
        if report.shown is not None and report.shown.records:
            console.print("It shows training records as they are: do not pass it on.")
    for finding in report.failed:
        sys.stderr.write(f"{finding.attack} failed: {finding.failed}\n")
    return FAILED_ATTACK if report.failed else 0


def _do(work: Callable[[], int], debug: bool, quiet: bool = False) -> None:
    """Runs a command; an error is a sentence and an exit status, and a traceback only if asked for."""
    try:
        with no_bars(quiet or os.environ.get("TERM") == "dumb"):
            status = work()
    except (Exception, KeyboardInterrupt) as problem:
        if debug:
            traceback.print_exc()
        status, said = _said(problem)
        hint = " Run it again with --debug to see where." if status == OURS and not debug else ""
        sys.stderr.write(f"{said}{hint}\n")
    raise typer.Exit(status)


def _said(problem: BaseException) -> tuple[int, str]:
    """The exit status for what a command ended with, and what is said of it."""
    if isinstance(problem, KeyboardInterrupt):
        return INTERRUPTED, "Interrupted. The same command goes on where it was."
    if isinstance(problem, InputError):
        return BAD_INPUT, f"Error: {problem}"
    if isinstance(problem, OSError):
        return BAD_INPUT, f"Error: The system refuses a file or folder: {problem}."
    return OURS, f"Unexpected error, a fault of this program: {problem!r}."


app.command()(gate.command(_do))
app.command()(guarantee.command(_do))
app.command("convert")(convert.command(_do))
app.command("monitor", epilog=examples.shown(monitor.EXAMPLES, statuses=monitor.STATUSES))(monitor.command(_do))
app.command("audit-dp", epilog=examples.shown(examples.AUDIT_DP))(audit_dp.command(_do))
app.command(epilog=defend.EPILOG)(defend.command(_do))
app.command("recite", epilog=examples.shown(recite.EXAMPLES, statuses=recite.STATUSES))(recite.command(_do))
app.add_typer(hiding.app(_do, examples.shown(hiding.EXAMPLES, statuses=hiding.STATUSES)), name="canaries")


def main() -> None:
    app()
