"""A comparison as a table for the terminal."""

from rich.table import Table
from rich.text import Text

from ml_privacy_meter.comparison import words
from ml_privacy_meter.report.document import Document

ALL = "All figures of all attacks, and which records got worse, are on the page. Bold differences are sure ones."


def table(document: Document) -> Table:
    """The leading attack's figures and the others' AUC, a line a report; above them warnings, below what differs."""
    reports = document["reports"]
    made = Table(
        min_width=72,
        title=_warnings(document),
        title_justify="left",
        title_style="",
        caption=Text("\n").join([*map(Text, [*words.summary(document), words.overview(document)]), Text(ALL, "dim")]),
        caption_justify="left",
        caption_style="",
    )
    made.add_column("attack", overflow="fold")
    made.add_column("figure")
    made.add_column("report", overflow="fold")
    made.add_column("value", justify="right", no_wrap=True)
    made.add_column(Text(f"less that of {reports[0]['name']}"), justify="right", no_wrap=True)
    shown = [row for row in document["figures"] if row["attack"] == document["leading"] or row["figure"] == "AUC"]
    for above, row in zip([None, *shown], shown, strict=False):
        first = above is None or above["attack"] != row["attack"]
        if first:
            made.add_section()
        for place, (report, risk, found) in enumerate(zip(reports, row["risks"], row["differences"], strict=True)):
            names = (row["attack"] if first else "", row["figure"]) if place == 0 else ("", "")
            said = words.difference(row["figure"], found).replace(" [", "\n[")
            bold = "bold" if found is not None and found["surely"] else ""
            cells = (*names, report["name"], words.figure(risk).replace(" [", "\n["))
            made.add_row(*(Text(cell) for cell in cells), Text(said, bold))
    if words.qualities(document):
        made.add_section()
        for report in reports:
            of = report["quality"]
            cells = ("", f"{of['of']} on non-members", report["name"], words.quality(of, "non_members"), "")
            made.add_row(*(Text(cell.replace(" [", "\n[")) for cell in cells), style="dim")
    return made


def _warnings(document: Document) -> Text | None:
    lines = [
        Text.assemble((f"! {one['report']}: {one['title']} ", "bold red"), one["says"]) for one in document["warnings"]
    ]
    return Text("\n").join(lines) if lines else None
