"""The command ``privacy-meter audit-dp``: a claimed epsilon held against canaries."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ml_privacy_meter import canaries as hidden
from ml_privacy_meter import claims, records
from ml_privacy_meter._checks import InputError, one_of
from ml_privacy_meter.canaries.planted import KINDS
from ml_privacy_meter.claims.play import audit_dp as play
from ml_privacy_meter.claims.play import could_show, default_count
from ml_privacy_meter.cli import options, runfile
from ml_privacy_meter.cli.kinds import check_kind, settings_of

PLACES = {"out": str, "train": str, "scores": str, "data": Mapping[str, Any]}  # beside the keywords of `audit_dp`
OF_TRAINING = ("train", "data", "canaries", "count", "seed", "device", "store")  # and not of saved scores

_C = "Claim"
Epsilon = Annotated[float | None, typer.Option(help="What is claimed.", metavar="NUMBER", rich_help_panel=_C)]
Delta = Annotated[float | None, typer.Option(help="At which delta.", metavar="NUMBER", rich_help_panel=_C)]
_T = "Training"
Data = Annotated[
    Path | None,
    typer.Option(help="What is trained on: .npz, .csv, .parquet, images.", metavar="PATH", rich_help_panel=_T),
]
Train = Annotated[
    str | None,
    typer.Option(help="package.module:function (x, y, seed) -> model.", metavar="FUNCTION", rich_help_panel=_T),
]
_K = "Canaries"
Canaries = Annotated[
    str | None,
    typer.Option(
        help="mislabelled, the default: records with another label; random: invented records.",
        metavar="KIND",
        rich_help_panel=_K,
        autocompletion=lambda: list(KINDS),
    ),
]
Count = Annotated[
    int | None, typer.Option(help="How many; or 1,000, or half of the records.", metavar="NUMBER", rich_help_panel=_K)
]
Guesses = Annotated[
    list[int] | None,
    typer.Option(help="How many are guessed; or 1%, 3%, 10%, 30%, 100%.", metavar="NUMBER ...", rich_help_panel=_K),
]
SavedScores = Annotated[
    Path | None,
    typer.Option(
        "--scores", help="In place of a training: what GradientCanaries.save wrote.", metavar="FILE", rich_help_panel=_K
    ),
]
File = Annotated[
    Path | None,
    typer.Argument(help="TOML with these settings; an option counts before it.", metavar="FILE", show_default=False),
]
Out = Annotated[Path | None, typer.Option(help="The folder for claim.md and claim.json.", metavar="FOLDER")]
Json = Annotated[bool, typer.Option("--json", help="Print claim.json in place of the table.", metavar="")]


def command(do: Callable[..., None]) -> Callable[..., None]:
    """The command; ``do`` runs its work, and turns an error into a sentence and an exit status."""

    def audit_dp(
        file: File = None,
        epsilon: Epsilon = None,
        delta: Delta = None,
        data: Data = None,
        train: Train = None,
        out: Out = None,
        canaries: Canaries = None,
        count: Count = None,
        guesses: Guesses = None,
        scores: SavedScores = None,
        label: options.Label = None,
        id: options.Id = None,
        features: options.Features = None,
        drop: options.Drop = None,
        size: options.Size = None,
        confidence: options.Confidence = None,
        seed: options.Seed = None,
        device: options.Device = None,
        store: options.StoreFolder = None,
        quiet: options.Quiet = False,
        as_json: Json = False,
        debug: options.Debug = False,
    ) -> None:
        """Hold a claimed epsilon against one training with canaries.

        Exit status 0: consistent with the claim, which is no proof of it. 1: claim
        refuted. 3: too few canaries to refute it. 2: something given cannot be used.
        """
        given = dict(locals())

        def work() -> int:
            settings, base = _settings(file, given)
            return _audited(settings, base, quiet, as_json)

        do(work, debug, quiet)

    return audit_dp


def _settings(file: Path | None, given: Mapping[str, Any]) -> tuple[dict[str, Any], Path]:
    """What the file says, and instead of it what options say; and the folder that the file's paths start from."""
    settings = {} if file is None else runfile.read(file)
    base = Path() if file is None else file.absolute().parent
    of_data = settings_of(records.load)
    for name in (*PLACES, *settings_of(play)):
        value = given[name]
        if name != "data" and value not in (None, []):
            settings[name] = str(value.absolute()) if isinstance(value, Path) else value
    columns = {name: given[name] for name in of_data if given.get(name) not in (None, [], ())}
    if given["data"] is not None:
        settings["data"] = {"path": str(given["data"].absolute())}
    if columns:
        settings["data"] = dict(settings.get("data", {})) | columns
    return settings, base


def _check(settings: Mapping[str, Any]) -> None:
    """Raises `InputError` for a setting that nobody reads, that is missing, or of another kind."""
    kinds = PLACES | settings_of(play)
    for name, value in settings.items():
        check_kind(value, kinds[one_of(name, kinds, "setting of an audit of epsilon")], f"`{name}`")
    of_data = {"path": str} | settings_of(records.load)
    for name, value in settings.get("data", {}).items():
        check_kind(value, of_data[one_of(name, of_data, "setting in [data]")], f"`{name}` in [data]")
    if "scores" in settings and (more := [name for name in OF_TRAINING if name in settings]):
        raise InputError(f"`scores` are of a training that is over, and leave no place for `{more[0]}`. Leave one out.")
    needed = ("epsilon", "delta", "out") + (() if "scores" in settings else ("train", "data"))
    for name in needed:
        if name not in settings:
            raise InputError(
                f"An audit of a claimed epsilon must know `{name}`: give --{name}, or write it in the file."
            )
    if "data" in settings and "path" not in settings["data"]:
        raise InputError("[data] must say `path`: the file or folder with the records.")


def _audited(settings: Mapping[str, Any], base: Path, quiet: bool, as_json: bool) -> int:
    _check(settings)
    out = _path(base, settings["out"])
    claims.check_folder(out)
    given = {name: value for name, value in settings.items() if name not in PLACES}
    if "scores" in settings:
        saved = hidden.load_scores(_path(base, settings["scores"]))
        found = claims.judge(saved, **given, says={"canaries": "saved scores of a training with canaries"})
    else:
        where = dict(settings["data"])
        given["store"] = _path(base, settings.get("store", runfile.STORE))
        with runfile.importable(base):
            data = records.load(_path(base, where.pop("path")), name="records", **where)
            given.setdefault("count", default_count(len(data)))
            if not quiet:
                _warn(given)
            found = play(settings["train"], data, **given)
    folder = found.save(out)
    if as_json:
        sys.stdout.write((folder / "claim.json").read_text(encoding="utf-8"))
    elif not quiet:
        console = Console()
        console.print(claims.table(found))
        console.print(f"Audit: {folder / 'claim.md'}", markup=False, highlight=False, soft_wrap=True)
    elif found.exit_status:
        sys.stderr.write(f"{found}\n")
    return found.exit_status


def _warn(given: Mapping[str, Any]) -> None:
    """Says before a training that may take long what it cannot show."""
    counted = {name: given[name] for name in ("delta", "confidence", "guesses") if name in given}
    most = could_show(given["count"], **counted) if given["count"] > 1 else 0.0
    if most <= given["epsilon"]:
        sys.stderr.write(
            f"{given['count']:,} canaries can show an epsilon of {most:.2f} at most, and cannot refute a claim of "
            f"{given['epsilon']:g}. The bound is found nevertheless; for a test of the claim, give more canaries.\n"
        )


def _path(base: Path, given: str) -> Path:
    return base / Path(given).expanduser()
