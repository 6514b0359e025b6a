"""The command that tries defenses."""

import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ml_privacy_meter import defending
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.cli import examples, options, runfile
from ml_privacy_meter.cli.attacks import attacks_from
from ml_privacy_meter.cli.defending import OUT, defenses_from
from ml_privacy_meter.cli.references import training_of
from ml_privacy_meter.cli.tuning import references_tuned
from ml_privacy_meter.report.folder import new_beside

FAILED = 1
File = Annotated[Path, typer.Argument(help="A run file with [references], as for `run`.", metavar="FILE")]
Out = Annotated[Path | None, typer.Option(help="A new folder for the result in place of the file's.", metavar="FOLDER")]
Json = Annotated[bool, typer.Option("--json", help="Print defenses.json in place of the table.", metavar="")]


def command(do: Callable[..., None]) -> Callable[..., None]:
    """The command; ``do`` runs work and turns errors into sentences and exit statuses."""

    def defend(
        file: File,
        out: Out = None,
        dry_run: options.DryRun = False,
        quiet: options.Quiet = False,
        as_json: Json = False,
        debug: options.Debug = False,
    ) -> None:
        """Try defenses on a model: what each costs in accuracy, and what it keeps from an adversary who knows of it.

        Targets and reference models are trained with each defense that [defenses] names, or with a few usual ones.
        Interrupted, the same command goes on where it was.
        """
        do(lambda: _defended(file, out, dry_run, quiet, as_json), debug, quiet)

    return defend


def _defended(file: Path, out: Path | None, dry_run: bool, quiet: bool, as_json: bool) -> int:
    settings, base = runfile.read(file), file.absolute().parent
    runfile.check_settings(settings)
    own = dict(settings.get("defend", {}))
    folder = base / Path(own.pop("out", OUT)).expanduser() if out is None else out
    defending.check_folder(folder)
    with runfile.importable(base):
        planned = defending.plan(**arguments(settings, own, base))
        speaks = not (quiet or as_json)
        if dry_run or speaks:
            _say(planned)
        if dry_run:
            return 0
        found = planned.carry_out()
    place = _saved(found, folder)
    if as_json:
        sys.stdout.write((place / "defenses.json").read_text(encoding="utf-8"))
    elif speaks:
        console = Console()
        console.print(found.table())
        console.print(f"Result: {place / 'index.html'}", markup=False, highlight=False, soft_wrap=True)
    for one in found.document["failed"]:
        sys.stderr.write(f"{one['name']} failed: {one['why']}\n")
    return FAILED if found.document["failed"] else 0


def arguments(settings: Mapping[str, Any], own: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Of `defending.plan`, from a run file.

    Args:
        own: what [defend] says, but for the folder.
    """
    if "references" not in settings:
        raise InputError("To try defenses, [references] must say how the model was trained: `recipe`, or `train`.")
    if "trace" in settings or settings.get("model", {}).get("snapshots"):
        what = "[trace]" if "trace" in settings else "`snapshots` in [model]"
        raise InputError(
            f"The models that `defend` trains are not watched while they train, found {what}. Leave it out; to audit "
            "the one model that was watched, use `run`."
        )
    run = dict(settings.get("run", {}))
    store = base / Path(run.pop("store", runfile.STORE)).expanduser()
    tried = defenses_from(settings["defenses"], base) if "defenses" in settings else None
    attacks = attacks_from(settings.get("attacks", {}))
    model, members, non_members = runfile.open_all(settings, base, store)
    return {
        "model": model,
        "members": members,
        "non_members": non_members,
        **training_of(references_tuned(settings, base), base),
        **own,
        "defenses": tried,
        "attacks": attacks or None,
        "store": store,
        **run,
        **settings.get("figures", {}),
    }


def _say(planned: defending.Planned) -> None:
    names = "; ".join(entry.name for entry in planned.entries)
    sys.stdout.write(
        f"Models that are trained and attacked: {len(planned.entries)} ({names})\n"
        f"Reference models: {planned.count}, on disk already: {planned.done}\n"
    )
    sys.stdout.flush()
    if planned.done < planned.count:
        took = timedelta(seconds=round(planned.estimate()))
        sys.stdout.write(f"Training takes about {took}, as the first of each kind tell; then the audits.\n")
        sys.stdout.flush()


def _saved(found: defending.Defended, folder: Path) -> Path:
    """The folder with the result. If it was free before and is not now, an error names a new one instead."""
    try:
        return found.save(folder)
    except InputError as problem:
        instead = found.save(new_beside(folder))
        raise InputError(f"{problem} Nothing is lost, the result lies in {instead}.") from problem


EPILOG = examples.shown(examples.DEFEND)
