"""The result as a table for the terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

from ml_privacy_meter.defending import words
from ml_privacy_meter.defending.verdicts import NOT_WORTH
from ml_privacy_meter.report import words as figure_words
from ml_privacy_meter.report.document import Document

BY = {"outputs": "answers", "weights": "weights"}


def table(document: Document) -> Table:
    """A line a model; above them warnings, below what came of it."""
    caption = [*map(Text, summary(document)), Text(words.corrected(document), "dim"), Text(words.LUCK, "dim")]
    made = Table(
        min_width=72,
        box=box.SIMPLE_HEAD,  # without lines between columns, which would take the room of the longest name
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        title=_warnings(document),
        title_justify="left",
        title_style="",
        caption=Text("\n").join(caption),
        caption_justify="left",
        caption_style="",
    )
    names = [row["name"].replace("(", "\n(") for row in document["rows"]]
    parts = [part for name in names for part in name.split("\n")]
    made.add_column("model, verdict", overflow="fold", width=min(20, max(map(len, parts))))
    made.add_column("test accuracy", justify="right")
    lines = document["about"]["lines"]
    for line in lines:
        made.add_column(
            f"{line['figure'].replace('%FPR', '% FPR')}, by {BY[line['sees']]}", justify="right", overflow="fold"
        )
    made.add_column(f"records over {figure_words.stated('share', document['about']['limit'])}", justify="right")
    for name, row in zip(names, document["rows"], strict=True):
        figures = [words.figure(line["figure"], words.leak(row, line)) for line in lines]
        cells = [f"{name}\n{words.mark(row)}", words.figure("accuracy", row["accuracy"]["non_members"]), *figures]
        cells.append(f"{row['over_limit']:,}")
        dim = "dim" if row["verdict"]["says"] == NOT_WORTH else ""
        made.add_row(*(Text(cell.replace(" [", "\n[")) for cell in cells), style=dim)
    return made


def summary(document: Document) -> list[str]:
    """What came of it, what could not be tried first."""
    return [*(f"! {one['name']} failed: {one['why']}" for one in document["failed"]), *words.summary(document)]


def _warnings(document: Document) -> Text | None:
    lines = [
        Text.assemble((f"! {figure_words.listed(one['models'])}: {one['title']} ", "bold red"), one["says"])
        for one in document["warnings"]
    ]
    return Text("\n").join(lines) if lines else None
