"""The command that turns the original tool's files of records into arrays, and back."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ml_privacy_meter.cli import options
from ml_privacy_meter.utils import convert

Source = Annotated[
    Path, typer.Argument(help="Records: .txt, .npy or .npz (or .csv, .parquet, images).", metavar="SOURCE")
]
Target = Annotated[Path, typer.Argument(help="The new file: .npz, .txt or .npy.", metavar="TARGET")]
ChannelsLast = Annotated[
    bool,
    typer.Option("--channels-last", help="Images in an .npz are height x width x channels, as in Keras.", metavar=""),
]


def command(do: Callable[..., None]) -> Callable[..., None]:
    """The command; ``do`` runs its work, and turns an error into a sentence and an exit status."""

    def convert_(
        source: Source,
        target: Target,
        channels_last: ChannelsLast = False,
        quiet: options.Quiet = False,
        debug: options.Debug = False,
    ) -> None:
        """Turn the records of the original ML Privacy Meter into arrays, or back.

        privacy-meter convert purchase100.txt purchase100.npz
        """
        do(lambda: _converted(source, target, channels_last, quiet), debug, quiet)

    return convert_


def _converted(source: Path, target: Path, channels_last: bool, quiet: bool) -> int:
    path = convert(source, target, channels_last=channels_last)
    if not quiet:
        sys.stdout.write(f"Records: {path}\n")
    return 0
