"""The command ``privacy-meter recite``: what a language model says by heart of its training texts."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ml_privacy_meter import recitation
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.cli import options
from ml_privacy_meter.report.document import dump
from ml_privacy_meter.targets import Decoder

_B, _P, _D, _M = "Beside it", "Passages", "Decoder", "Without a prompt"


def _number(help: str, panel: str, metavar: str = "NUMBER") -> Any:
    return typer.Option(help=help, metavar=metavar, rich_help_panel=panel)


Model = Annotated[str, typer.Argument(help="The folder of the language model.", metavar="MODEL", show_default=False)]
Texts = Annotated[
    Path, typer.Argument(help="What it was trained on: .jsonl, .csv, .parquet.", metavar="TEXTS", show_default=False)
]
Out = Annotated[Path, typer.Option(help="A new file for what was found, as JSON.", metavar="FILE")]
HeldOut = Annotated[Path | None, _number("Texts of the same source that it was not trained on.", _B, "FILE")]
Base = Annotated[
    str | None, _number("A model that was not trained on the texts: the one that was tuned.", _B, "FOLDER")
]
Prompt = Annotated[int | None, _number("Tokens of each text that are given; or 50.", _P)]
Suffix = Annotated[int | None, _number("Tokens that are to follow; or 50.", _P)]
Tries = Annotated[list[int] | None, _number("Draws; or 1, 100, 10,000.", _P, "NUMBER ...")]
Probability = Annotated[float | None, _number("With which so many draws give the passage; or 0.5.", _P)]
NoPersonal = Annotated[
    bool, typer.Option("--no-personal-data", help="Do not look for personal data.", metavar="", rich_help_panel=_P)
]
Temperature = Annotated[float | None, _number("At which the model is used; or 1.", _D)]
TopK = Annotated[int | None, _number("Only so many likeliest tokens are drawn; or all.", _D)]
TopP = Annotated[float | None, _number("Only the likeliest that reach this share; or all.", _D)]
Samples = Annotated[int | None, _number("Texts that the model makes up; or none.", _M)]
SampleLength = Annotated[int | None, _number("Their tokens; or 64.", _M)]
Span = Annotated[int | None, _number("Tokens in a row that must stand in a training text; or 20.", _M)]
ShowRecords = Annotated[
    bool, typer.Option("--show-records", help="The file holds the passages, too: personal data.", metavar="")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the JSON, without passages, in place of the table.", metavar="")
]

EXAMPLES = {
    "A tuned model beside the one that it was tuned from": """\
privacy-meter recite tuned texts.jsonl --held-out held-out.jsonl \\
    --base untuned --prompt 12 --suffix 10 --out recitation.json
""",
    "As it is used, and with 200 texts that it makes up": """\
privacy-meter recite tuned texts.jsonl --held-out held-out.jsonl \\
    --prompt 12 --suffix 10 --temperature 0.7 --top-k 40 \\
    --samples 200 --out made-up.json
""",
}
STATUSES = "Exit status: 0, the file was written (a leak is no error); 2, something given cannot be used."
_SETTINGS = set(inspect.signature(recitation.recite).parameters) - {"model", "texts"}


def command(do: Callable[..., None]) -> Callable[..., None]:
    """The command; ``do`` runs its work, and turns an error into a sentence and an exit status."""

    def recite(
        model: Model,
        texts: Texts,
        out: Out,
        held_out: HeldOut = None,
        base: Base = None,
        prompt: Prompt = None,
        suffix: Suffix = None,
        tries: Tries = None,
        probability: Probability = None,
        no_personal_data: NoPersonal = False,
        temperature: Temperature = None,
        top_k: TopK = None,
        top_p: TopP = None,
        samples: Samples = None,
        sample_length: SampleLength = None,
        span: Span = None,
        confidence: options.Confidence = None,
        seed: options.Seed = None,
        show_records: ShowRecords = False,
        quiet: options.Quiet = False,
        as_json: Json = False,
        debug: options.Debug = False,
    ) -> None:
        """Look for training texts that a language model says by heart.

        What each figure means stands in docs/recitation.md.
        """
        given = {name: value for name, value in locals().items() if value not in (None, [])}
        settings = {name: value for name, value in given.items() if name in _SETTINGS}
        decoder = {name: given[name] for name in ("temperature", "top_k", "top_p") if name in given}
        settings |= {"find": None} if no_personal_data else {}

        def work() -> int:
            settings["decoder"] = Decoder(**decoder)
            return _recited(model, texts, out, settings, show_records, quiet, as_json)

        do(work, debug, quiet or as_json)

    return recite


def _recited(
    model: str, texts: Path, out: Path, settings: dict[str, Any], show_records: bool, quiet: bool, as_json: bool
) -> int:
    if out.exists():
        raise InputError(f"What was found goes into a new file, and {out} is there already. Name another.")
    found = recitation.recite(model, texts, **settings)
    found.save(out, show_records=show_records)
    if as_json:
        sys.stdout.write(dump(found.document))
    elif not quiet:
        console = Console()
        console.print(found.table())
        console.print(f"Recitation: {out}", markup=False, highlight=False, soft_wrap=True)
        if show_records:
            console.print("It holds training texts as they are: do not pass it on.")
    return 0
