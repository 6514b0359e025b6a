"""A report in TensorBoard."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter.report import Report
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.report.markdown import markdown
from ml_privacy_meter.trackers import figures

THRESHOLDS = 127  # the most that the plugin of PR curves takes


def check_tensorboard(folder: str | Path, *, step: int = 0) -> None:
    """Raises `InputError` unless a report can be logged there."""
    _writer()
    target = Path(folder)
    figures.check_step(step)
    if target.exists() and not target.is_dir():
        raise InputError(f"TensorBoard reads a folder, and `{target}` is a file: name another.")
    if (target / "report.json").exists():
        raise InputError(f"`{target}` is a report's folder, which is replaced whole: name another for TensorBoard.")


def to_tensorboard(report: Report, folder: str | Path, *, step: int = 0) -> Path:
    """The folder, now with the report as a file of events: ``tensorboard --logdir FOLDER`` shows it.

    Scalars are the figures of every attack with the ends of their intervals, in all and by group, and the model's
    accuracy. Beside them stand ROC and PR curves, histograms of the scores of members and non-members, the privacy
    risk of both, risk by group, and the verdict. No id and no record is among them.

    Args:
        folder: a run of TensorBoard; that of the model's training puts both side by side.
        step: the epoch, so that audits of several epochs become curves. What this function logged there for the same
            step is replaced.

    Raises:
        InputError: TensorBoard is not installed, or the folder is none.
    """
    check_tensorboard(folder, step=step)
    ending = f".privacy-meter.step-{step}"
    before = [path for path in Path(folder).glob("events.out.tfevents.*") if path.name.endswith(ending)]
    found = figures.without_ids(report)
    with _writer()(str(folder), filename_suffix=ending) as writer:
        for name, value in figures.numbers(found).items():
            writer.add_scalar(name, value, step)
        writer.add_custom_scalars(
            {
                attack: {name: ["Margin", [name, f"{name}/low", f"{name}/high"]] for name in names}
                for attack, names in figures.ranges(found).items()
            }
        )
        for finding in figures.shown(found):
            _curves(writer, finding, found["about"], step)
        _pictures(writer, found, step)
        writer.add_text("privacy audit", markdown(found), step)
    for path in before:
        path.unlink()
    return Path(folder)


def add_to_tensorboard(
    folder: str | Path, *, curves: Mapping[str, Sequence[float]], pictures: Mapping[str, bytes]
) -> Path:
    """The folder, now with a file of events of its own: curves, step by step from 0 on, and pictures (PNG)."""
    check_tensorboard(folder)
    with _writer()(str(folder), filename_suffix=".privacy-meter.more") as writer:
        for name, values in curves.items():
            for step, value in enumerate(values):
                writer.add_scalar(name, value, step)
        for name, png in pictures.items():
            _picture(writer, name, png, 0)
    return Path(folder)


def _curves(writer: Any, finding: Document, about: Document, step: int) -> None:
    attack = figures.part(finding["attack"])
    members, others = about["members"], about["non_members"]
    fpr, tpr = (np.array(finding["roc"][key]) for key in ("fpr", "tpr"))
    # The plugin wants rising thresholds, and the point at which no record is taken for a member has no precision.
    chosen = np.unique(np.linspace(1, len(fpr) - 1, THRESHOLDS).round().astype(int))[::-1]
    right, wrong = np.rint(tpr[chosen] * members), np.rint(fpr[chosen] * others)
    counts = (right, wrong, others - wrong, members - right)
    precision = right / (right + wrong)
    writer.add_pr_curve_raw(f"PR curve/{attack}", *counts, precision, right / members, step, num_thresholds=len(chosen))
    histogram = finding["histogram"]
    edges = np.array(histogram["edges"])
    middle = (edges[1:] + edges[:-1]) / 2
    for key, name in (("members", "members"), ("non_members", "non-members")):
        bins = np.array(histogram[key], dtype=float)
        held = np.flatnonzero(bins)
        writer.add_histogram_raw(
            f"scores: {attack}/{name}",
            min=edges[held[0]],
            max=edges[held[-1] + 1],
            num=bins.sum(),
            sum=(bins * middle).sum(),
            sum_squares=(bins * middle**2).sum(),
            # The first bin that the plugin draws begins at the limit of the one before.
            bucket_limits=edges.tolist(),
            bucket_counts=[0.0, *bins.tolist()],
            global_step=step,
        )


def _pictures(writer: Any, found: Document, step: int) -> None:
    # The charts' library takes a second to import; whoever only checks need not wait.
    from ml_privacy_meter.trackers.pictures import pictures

    for name, png in pictures(found):
        _picture(writer, name, png, step)


def _picture(writer: Any, name: str, png: bytes, step: int) -> None:
    from PIL import Image  # comes with TensorBoard

    shown = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    writer.add_image(name, shown, step, dataformats="HWC")


def _writer() -> Any:
    extra("tensorboard", "tensorboard", "Logging to TensorBoard")
    return extra("torch.utils.tensorboard", "tensorboard", "Logging to TensorBoard").SummaryWriter
