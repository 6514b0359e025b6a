"""What was reconstructed, as a table for the terminal."""

import math

from rich import box
from rich.table import Table
from rich.text import Text

from ml_privacy_meter.findings import Risk
from ml_privacy_meter.reconstructing.result import BASELINES, CLOSER, Reconstruction


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
    return made


def _lines(result: Reconstruction) -> list[Text]:
    given, document = result.assumes, result.document
    steps = "" if given["change"] == "a gradient" else f" over {given['local_steps']} local steps"
    right = document["labels_right"]
    labels = given["labels"] + ("" if right is None else f", {right:.0%} of them rightly")
    count = sum(len(batch.records) for batch in result.batches)
    lines = [
        f"{len(result.batches)} batches, {count} records; from {given['change']}{steps}; labels {labels}.",
        "Beats public: closer to the record than every public image. Which of these is nearest only the record tells.",
    ]
    if given["batch_norm"]:
        lines.append("Batch norm: no statistics of the batch were given; attacks take those of what they try.")
    said = [Text(line) for line in lines]
    for one in document["attacks"]:
        if one["shows"]:
            said.append(Text(f"{one['attack']}: shows a leak.", "bold red"))
        elif one["figures"]:
            said.append(Text(f"{one['attack']}: no leak shown; another attack may show one."))
        if one["reason"]:
            said.append(Text(f"{one['attack']}: {one['reason']}", "" if not one["applies"] else "bold yellow"))
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
