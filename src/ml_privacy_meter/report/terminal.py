"""The report as a table for the terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

from ml_privacy_meter.report import claims, others, users, verdicts, weights, words
from ml_privacy_meter.report.document import Document

WIDEST = 4  # figures that stand side by side in 80 columns
LONG = 18  # characters of an attack's name that stand beside these


def table(document: Document) -> Table:
    """One row an attack, one column a figure; above it the checks that failed, below it the verdict."""
    names = words.headline(document["findings"])
    legend = f"\n{words.CHOSEN}" if words.chosen(document["findings"]) else ""
    added = "".join(f"\n{weights.sentence(one, weights.knowing(document))}" for one in document["added"][:1])
    made = Table(
        box=box.SIMPLE_HEAD,  # without lines between columns, which would take the room of the longest attack
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        min_width=72,  # what is said above and below is no wider than the table
        title=_warnings(document),
        title_justify="left",
        title_style="",
        caption=Text.assemble(
            "\n", verdicts.verdict(document), added, _users(document), _games(document), (legend, "dim")
        ),
        caption_justify="left",
        caption_style="",
    )
    if len(names) > WIDEST:
        return _long(made, document, names)
    made.add_column("attack" if document["findings"] else "", overflow="fold")
    for name in names:
        made.add_column(name, justify="right")
    for finding in document["findings"]:
        made.add_row(*_row(finding, names))
    if names:
        made.add_section()
        made.add_row("without the model", *(words.baseline(document["findings"], name) for name in names), style="dim")
    if names and (row := claims.row(document, names)):
        made.add_row("ceiling", *row[1:], style="dim")
    return made


def _users(document: Document) -> str:
    """How well the users whose records were trained on are told, where that was asked."""
    return f"\n{users.TITLE}: {users.said(document)[1]}" if document.get("by_user") else ""


def _games(document: Document) -> str:
    """What each game beside membership found, a paragraph each."""
    return "".join(f"\n\n{others.title(game)}: {others.prose(game['verdict'])}" for game in document.get("games", ()))


def _long(made: Table, document: Document, names: list[str]) -> Table:
    """A line for each figure of each attack, where all of an attack's would not fit side by side."""
    for name in ("attack", "figure", "value and interval", "without the model"):
        made.add_column(name, overflow="fold", justify="right" if name.startswith("value") else "left")
    for finding in document["findings"]:
        made.add_section()
        for name, cell in zip(names, _row(finding, names)[1:], strict=True):
            cell.plain = cell.plain.replace("\n", " ")
            made.add_row(finding["attack"], name, cell, words.baseline([finding], name))
    made.add_section()
    for name, most in zip(names, claims.row(document, names)[1:], strict=False):
        made.add_row("ceiling", name, most, "", style="dim")
    return made


def _warnings(document: Document) -> Text | None:
    failed = words.failing(document)
    lines = [Text.assemble((f"! {check['name']} ", "bold red"), check["says"]) for check in failed]
    lines += [
        Text.assemble((f"! {finding['attack']} failed: ", "bold red"), finding["failed"])
        for finding in document["findings"]
        if finding["failed"]
    ]
    lines += [
        Text.assemble((f"! {others.title(game)}: {check['name']} ", "bold red"), check["says"])
        for game in document.get("games", ())
        for check in others.failing(game)
    ]
    return Text("\n").join(lines) if lines else None


def _row(finding: Document, names: list[str]) -> list[Text]:
    attack = Text(_broken(finding["attack"]))
    if finding["failed"]:
        return [attack, *(Text("failed", "red") for _ in names)]
    risks = [words.named(finding["risks"], name) for name in names]
    return [attack, *(Text("–") if risk is None else _cell(risk) for risk in risks)]


def _broken(attack: str) -> str:
    """The name, in two lines where it is long: a figure and its interval take two as well."""
    return attack.replace("=", "=\n", 1) if len(attack) > LONG else attack


def _cell(risk: Document) -> Text:
    shown = words.starred(risk).replace(" [", "\n[")
    return Text(shown, "bold" if words.leaks(risk) else "")
