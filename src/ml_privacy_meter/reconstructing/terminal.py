"""What was reconstructed, as a table for the terminal."""

import math
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from ml_privacy_meter.findings import Risk
from ml_privacy_meter.reconstructing.result import BASELINES, CLOSER, FEW, Reconstruction, origin_of
from ml_privacy_meter.risk.likeness import caution


def table(result: Reconstruction) -> Table:
    """One row a baseline and an attack; below, what was assumed, and which attacks show a leak."""
    made = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption=Text("\n").join(_lines(result)),
        caption_justify="left",
        caption_style="",
    )
    made.add_column("", no_wrap=True)
    for title in ("median PSNR, dB", "SSIM", "> 20 dB", "> 30 dB", "beats public"):
        made.add_column(title, justify="right", no_wrap=True)
    for name in (*BASELINES, *result.attacks):
        risks = {risk.name: risk for risk in result.risks(name)}
        if risks:
            cells = [_cell(risks.get(title)) for title in ("median PSNR", "median SSIM", "above 20 dB", "above 30 dB")]
            beats = "" if name == BASELINES[0] else _cell(risks[CLOSER])
            made.add_row(name.removesuffix(" image"), *cells, beats, end_section=name == BASELINES[-1])
        elif any(one.attack == name for one in result.failed):
            made.add_row(name, *[Text("failed", "red")] * 5)
    return made


def _lines(result: Reconstruction) -> list[Text]:
    given, document = result.assumes, result.document
    steps = "" if given["change"] == "a gradient" else f" over {given['local_steps']} local steps"
    right = document["labels_right"]
    guess = f" ({document['labels_guessed']:.0%} by a guess that looks at no gradient)" if right is not None else ""
    labels = given["labels"] + ("" if right is None else f", {right:.0%} of them rightly{guess}")
    count = sum(len(batch.records) for batch in result.batches)
    lines = [
        f"{len(result.batches)} batches, {count} records; from {given['change']}{steps}; labels {labels}.",
        "Beats public: closer to the record than every public image. Which of these is nearest only the record tells.",
    ]
    if given["batch_norm"]:
        lines.append("Batch norm: no statistics of the batch were given; attacks take those of what they try.")
    said = [Text(line) for line in lines]
    if note := caution(origin_of(result.batches)):
        said.append(Text(note, "bold yellow"))
    for one in document["attacks"]:
        said += _verdict(one, len(result.batches))
    return said


def _verdict(one: dict[str, Any], batches: int) -> list[Text]:
    """What is to be said of one attack."""
    said = []
    if one["shows"]:
        said.append(Text(f"{one['attack']}: shows a leak.", "bold red"))
    elif one["shows"] is None:
        few = f"fewer than {FEW} public images differ, and beside so few a blind guess may seem to show a leak"
        said.append(Text(f"{one['attack']}: whether a leak is shown cannot be said: {few}. Give more.", "bold yellow"))
    elif one["figures"]:
        said.append(Text(f"{one['attack']}: no leak shown; another attack may show one."))
    if one["reason"]:
        said.append(Text(f"{one['attack']}: {one['reason']}"))
    if one["failed"]:
        where = f" on {one['batches_failed']} of {batches} batches; its figures are of the others"
        where = where if one["figures"] else ""
        said.append(Text(f"{one['attack']} failed{where}: {one['failed']}", "bold red"))
    return said


def _cell(risk: Risk | None) -> str:
    if risk is None or risk.value is None:
        return "–"
    if risk.name == "median PSNR":
        return f"{risk.value:.1f} {_interval(risk)}"
    if risk.name == "median SSIM":
        return f"{risk.value:.2f}"
    return f"{100 * risk.value:.0f}% [{100 * risk.low:.0f}, {100 * risk.high:.0f}]"


def _interval(risk: Risk) -> str:
    """The interval, open where the records are too few for it."""
    if math.isinf(risk.low) or math.isinf(risk.high):
        return "[too few]"
    return f"[{risk.low:.1f}, {risk.high:.1f}]"
