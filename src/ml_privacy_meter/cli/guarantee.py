"""The section [guarantee] of a run file, and the command that finds the noise for a risk."""

import json
import sys
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from ml_privacy_meter import guarantees
from ml_privacy_meter._checks import in_range
from ml_privacy_meter.cli import options
from ml_privacy_meter.guarantees import Guarantee
from ml_privacy_meter.report.words import stated

FIGURES = ("TPR@10%FPR", "TPR@1%FPR", "TPR@0.1%FPR", "AUC", "balanced accuracy", "advantage")

SampleRate = Annotated[
    float, typer.Option(help="Batch size over the number of training records, in (0, 1].", metavar="SHARE")
]
Steps = Annotated[int, typer.Option(help="Batches in all: epochs over the sample rate.", metavar="NUMBER")]
Delta = Annotated[float, typer.Option(help="Of the epsilon that goes with the noise.", metavar="SHARE")]
Tpr = Annotated[
    float | None, typer.Option(help="The most that any attack may reach at an FPR of --fpr.", metavar="SHARE")
]
Fpr = Annotated[float | None, typer.Option(help="Share of non-members that --tpr stands beside.", metavar="SHARE")]
Advantage = Annotated[
    float | None, typer.Option(help="Or the most that TPR less FPR may be, at any threshold.", metavar="SHARE")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of the table.", metavar="")]


def claimed(settings: Mapping[str, Any]) -> Guarantee | None:
    """The guarantee that a run file declares; None where it declares none."""
    return guarantees.declared(**settings["guarantee"]) if "guarantee" in settings else None


def command(do: Callable[[Callable[[], int], bool], None]) -> Callable[..., None]:
    """The command; ``do`` runs work and turns errors into sentences and exit statuses."""

    def noise(
        sample_rate: SampleRate,
        steps: Steps,
        tpr: Tpr = None,
        fpr: Fpr = None,
        advantage: Advantage = None,
        delta: Delta = 1e-5,
        as_json: Json = False,
        debug: options.Debug = False,
    ) -> None:
        """Find the noise of DP-SGD, and its epsilon, for the risk that you accept.

        privacy-meter noise --tpr 0.02 --fpr 0.01 --sample-rate 0.01 --steps 1000

        privacy-meter noise --advantage 0.1 --sample-rate 0.01 --steps 1000 --delta 1e-6

        It holds where each record comes into each batch by itself (Poisson
        sampling) and has its gradient clipped by itself. Needs the extra `dp`.
        """

        def work() -> int:
            in_range(0, 1, delta=delta)
            plan: dict[str, Any] = {"sample_rate": sample_rate, "steps": steps}
            noise = guarantees.noise_for(**plan, tpr=tpr, fpr=fpr, advantage=advantage)
            plan = {"noise_multiplier": noise, **plan, "delta": delta}
            return _told(plan, guarantees.declared(**plan), as_json=as_json)

        do(work, debug)

    return noise


def _told(plan: dict[str, Any], guarantee: Guarantee, *, as_json: bool) -> int:
    most = guarantees.ceilings(guarantee, FIGURES)
    if as_json:
        epsilon = guarantee.epsilon(plan["delta"])
        said = plan | {"epsilon": epsilon if isfinite(epsilon) else None, "ceilings": most}
        sys.stdout.write(json.dumps(said, indent=2) + "\n")
        return 0
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    made.add_column("any attack, one record in or out")
    made.add_column("at most", justify="right")
    for name in FIGURES:
        made.add_row(name, stated(name, most[name]))
    console = Console()
    console.print(f"Noise multiplier: {plan['noise_multiplier']:g}", highlight=False)
    console.print(f"{guarantee.says}.\n", highlight=False, soft_wrap=True)
    console.print(made)
    return 0
