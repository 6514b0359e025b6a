"""The commands ``privacy-meter canaries``: made, inserted into texts, and scored under the model trained on these."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ml_privacy_meter import canaries as kit
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.canaries import texts as hidden
from ml_privacy_meter.cli import options
from ml_privacy_meter.recitation import exposure
from ml_privacy_meter.report.document import dump

Do = Callable[..., None]
UNSOUND = 3

Secrets = Annotated[Path, typer.Argument(help="What `canaries make` wrote.", metavar="CANARIES", show_default=False)]
Texts = Annotated[Path, typer.Argument(help="Training texts: .jsonl.", metavar="TEXTS", show_default=False)]
Model = Annotated[
    str, typer.Argument(help="The folder of the trained language model.", metavar="MODEL", show_default=False)
]
NewSecrets = Annotated[Path, typer.Option("--out", help="A new file, for you alone.", metavar="FILE")]
NewTexts = Annotated[Path, typer.Option("--out", help="A new .jsonl file to train on.", metavar="FILE")]
NewExposure = Annotated[Path, typer.Option("--out", help="A new file for the exposures, as JSON.", metavar="FILE")]
Template = Annotated[
    str | None, typer.Option(help=f"A sentence with {hidden.NAME}, and after it {hidden.SECRET}.", metavar="TEXT")
]
Each = Annotated[int | None, typer.Option(help="Canaries for each number of repeats; or 8.", metavar="NUMBER")]
Repeats = Annotated[
    list[int] | None, typer.Option(help="How often they go in; or 0, 1, 2, 4, 8, 16.", metavar="NUMBER ...")
]
Digits = Annotated[int | None, typer.Option(help="The length of a secret; or 4.", metavar="NUMBER")]
Column = Annotated[str, typer.Option(help="Which holds the text.", metavar="COLUMN")]
Seed = Annotated[int | None, typer.Option(help="To draw the same again; else nobody can.", metavar="NUMBER")]
Most = Annotated[
    int | None, typer.Option(help="The largest number of secrets that are all scored; or 100,000.", metavar="NUMBER")
]
Json = Annotated[bool, typer.Option("--json", help="Print the JSON in place of the table.", metavar="")]

EXAMPLES = {
    "Sentences with secrets, kept away from the data": "privacy-meter canaries make --out vault/canaries.json\n",
    "A copy of the training texts with these sentences among them": """\
privacy-meter canaries insert vault/canaries.json train.jsonl \\
    --out with-canaries.jsonl
""",
    "After training on that copy: how far the model gives them away": """\
privacy-meter canaries score model vault/canaries.json \\
    --out exposure.json
""",
}
STATUSES = """\
Exit status of score: 0, scored (exposure is no error); 2, something given cannot
be used; 3, the controls are exposed, too: the figures say nothing."""


def app(do: Do, epilog: str) -> typer.Typer:
    """The three commands; ``do`` runs their work, and turns an error into a sentence and an exit status."""
    made = typer.Typer(
        help="Hide sentences with secrets in training texts, and see whether the model gives them away.",
        no_args_is_help=True,
        epilog=epilog,
    )
    for command in (_make, _insert, _score):
        made.command()(command(do))
    return made


def _make(do: Do) -> Callable[..., None]:
    def make(
        out: NewSecrets,
        template: Template = None,
        each: Each = None,
        repeats: Repeats = None,
        digits: Digits = None,
        seed: Seed = None,
        quiet: options.Quiet = False,
        debug: options.Debug = False,
    ) -> None:
        """Make canaries. The file holds the secrets: keep it away from data and model."""
        given = {"each": each, "repeats": repeats, "digits": digits, "seed": seed}
        do(lambda: _made(out, _only(given | {"template": template}), quiet), debug, quiet)

    return make


def _insert(do: Do) -> Callable[..., None]:
    def insert(
        canaries: Secrets,
        texts: Texts,
        out: NewTexts,
        column: Column = "text",
        seed: Seed = None,
        quiet: options.Quiet = False,
        debug: options.Debug = False,
    ) -> None:
        """Write a copy of training texts with the canaries among them, each as often as it says."""
        do(lambda: _inserted(canaries, texts, out, column, seed, quiet), debug, quiet)

    return insert


def _score(do: Do) -> Callable[..., None]:
    def score(
        model: Model,
        canaries: Secrets,
        out: NewExposure,
        most: Most = None,
        confidence: options.Confidence = None,
        quiet: options.Quiet = False,
        as_json: Json = False,
        debug: options.Debug = False,
    ) -> None:
        """Rank each secret among all that it could have been, under the trained model."""
        given = {"most": most, "confidence": confidence}
        do(lambda: _scored(model, canaries, out, _only(given), quiet, as_json), debug, quiet or as_json)

    return score


def _only(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value not in (None, [])}


def _made(out: Path, given: dict[str, Any], quiet: bool) -> int:
    made = kit.make_texts(**given)
    made.save(out)
    if not quiet:
        controls = sum(one.repeats == 0 for one in made.canaries)
        sys.stdout.write(
            f"{len(made.canaries)} canaries, {controls} of them controls that stay outside, each one of {made.space:,} "
            f"secrets: {out}\nKeep the file away from the data and the model: it holds the secrets.\n"
        )
    return 0


def _inserted(canaries: Path, texts: Path, out: Path, column: str, seed: int | None, quiet: bool) -> int:
    for other in (texts, out):
        if canaries.resolve().parent == other.resolve().parent:
            raise InputError(
                f"The secrets must lie in another folder than the texts, and `{canaries}` lies beside `{other}`: "
                "whoever trains on that folder, or passes it on, would take the answers along. Move it."
            )
    added = kit.insert_texts(kit.load_texts(canaries), texts, out, column=column, seed=seed)
    if not quiet:
        sys.stdout.write(f"{added:,} rows were added: {out}\n")
    return 0


def _scored(model: str, canaries: Path, out: Path, given: dict[str, Any], quiet: bool, as_json: bool) -> int:
    if out.exists():
        raise InputError(f"Exposures go into a new file, and {out} is there already. Name another.")
    found = exposure(model, canaries, **given)
    found.save(out)
    if as_json:
        sys.stdout.write(dump(found.document))
    elif not quiet:
        console = Console()
        console.print(found.table())
        console.print(f"Exposures: {out}", markup=False, highlight=False, soft_wrap=True)
    elif not found.sound:
        sys.stderr.writelines(f"{line}\n" for line in found.notes())
    return 0 if found.sound else UNSOUND
