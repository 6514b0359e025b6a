"""An audited claim as a table for the terminal."""

from rich.table import Table
from rich.text import Text

from ml_privacy_meter.claims import words
from ml_privacy_meter.claims.audited import DPAudit

STYLE = {"consistent": "green", "refuted": "bold red", "untestable": "bold yellow"}


def table(audit: DPAudit) -> Table:
    """One row a bound, the claim beside it; below, the verdict."""
    document = audit.document
    lines = [Text(words.verdict(document), STYLE[audit.verdict])]
    if remark := words.remark(document):
        lines.append(Text(remark))
    made = Table(min_width=72, caption=Text("\n").join(lines), caption_justify="left", caption_style="")
    made.add_column("epsilon")
    made.add_column("at least", justify="right")
    made.add_column("could have shown", justify="right")
    made.add_column("judges")
    made.add_row("claimed", f"{audit.epsilon:g}", "", "", end_section=True)
    for one in document["bounds"]:
        name = str(one["name"]).removeprefix("epsilon (").removesuffix(")")
        made.add_row(name, words.number(one["value"]), words.number(one["most"]), "yes" if one["judges"] else "no")
    return made
