"""The games beside membership: words, tables and charts of their sections."""

import re
from collections.abc import Iterator
from typing import Any

from ml_privacy_meter.report import charts, words
from ml_privacy_meter.report.document import Document

TITLES = {
    "attribute": "Hidden attributes",
    "property": "Facts about the whole training set",
    "reconstruction": "Reconstructed records",
    "inversion": "Reconstructed classes",
    "extraction": "Copies of the model",
    "memorization": "Records known by heart",
    "encoding": "Data hidden in the weights",
    "synthetic": "Synthetic records",
}
FIRST = 2  # figures of each adversary that stand side by side
HEAD = ["Adversary", "Figure", "Value and interval", "Without the model", "Trials"]
BOLD = (
    "Brackets hold intervals. Bold: what is reached with the model, less what is reached without, lies surely above 0, "
    "for all attacks at once."
)


def title(game: Document) -> str:
    """What a game is called: "Hidden attributes: marital_status"."""
    name = TITLES.get(game["name"], game["name"][:1].upper() + game["name"][1:])
    return f"{name}: {game['secret']}" if game["secret"] else name


def played(document: Document) -> set[str]:
    """The names of the games in which an attack ran to its end."""
    games = document.get("games", ())
    return {game["name"] for game in games if any(not one["failed"] for one in game["tried"])}


def alone(document: Document) -> bool:
    """Whether other games were played, and membership was not asked about."""
    return not document["findings"] and bool(document.get("games"))


def summary(document: Document) -> str:
    """In which games a leak was shown, and in which not; empty where none was played."""
    kinds: dict[Any, list[str]] = {True: [], False: [], None: []}
    for game in document.get("games", ()):
        kinds[game["shows"]].append(f"“{title(game)}”")
    said = {
        True: "With the model, surely more is reached than without it in {}.",
        False: "In {}, no excess was shown, which is no proof that there is none.",
        None: "In {}, nothing can be said.",
    }
    parts = [said[kind].format(words.listed(names)) for kind, names in kinds.items() if names]
    return " ".join(["Other secrets:", *parts]) if parts else ""


def prose(text: str) -> str:
    """The text with names in quotation marks, as reports write them, where it has them between backticks."""
    return re.sub(r"`([^`]+)`", r"“\1”", text)


def terms(game: Document) -> list[tuple[str, str]]:
    """How a section opens: what the adversary knows, how far one comes without the model, and the excess."""
    said = {"The adversary knows": "knows", "Without the model": "without", "What the model adds": "verdict"}
    return [(name, prose(game[key])) for name, key in said.items()]


def notes(game: Document) -> list[str]:
    """What a reader must know of the figures."""
    return [prose(note) for note in game["notes"]]


def compared(game: Document) -> tuple[list[str], list[tuple[Document, list[Document | None]]]]:
    """The adversaries side by side: a head, and of each the figures that come first, and the excess, if it has them."""
    first = list(dict.fromkeys(risk["name"] for one in game["tried"] for risk in one["risks"]))[:FIRST]
    excess = dict.fromkeys(one["excess"]["name"] for one in game["tried"] if one["excess"])
    sides = [[words.named(one["risks"], name) for name in first] + [one["excess"]] for one, _ in rows(game)]
    head = ["Adversary", *first, "; ".join(excess) or "Excess"]
    return head, [(one, side) for (one, _), side in zip(rows(game), sides, strict=True)]


def rows(game: Document) -> Iterator[tuple[Document, list[tuple[Document, bool]]]]:
    """Each adversary, those without the model first, with its figures; and whether a figure is the excess."""
    for one in (*game["baselines"], *game["tried"]):
        excess = [(one["excess"], True)] if one["excess"] else []
        yield one, [*((risk, False) for risk in one["risks"]), *excess]


def table(game: Document) -> list[list[str]]:
    """A row for each figure of each adversary, in words."""
    found = []
    for one, figures in rows(game):
        name = one["attack"]
        if one["failed"]:
            found.append([name, "failed", one["failed"], "", ""])
        for risk, _ in figures:
            value = " ".join(filter(None, [words.figure(risk), risk["note"]]))
            found.append(
                [name, risk["name"], value, words.stated(risk["name"], risk["baseline"]), f"{risk['trials']:,}"]
            )
    return found


def groups(game: Document) -> list[tuple[str, list[str], list[list[str]]]]:
    """Of each adversary and column: a caption, a head and a row for each group."""
    found = []
    for one, _ in rows(game):
        for column in dict.fromkeys(group["column"] for group in one["groups"]):
            parts = [group for group in one["groups"] if group["column"] == column]
            names = list(dict.fromkeys(risk["name"] for part in parts for risk in part["risks"]))
            table = [
                [part["value"], f"{part['members']:,}", f"{part['non_members']:,}"]
                + ["–" if (risk := words.named(part["risks"], name)) is None else words.figure(risk) for name in names]
                for part in parts
            ]
            found.append((f"{one['attack']} by {column}", [column, "Members", "Non-members", *names], table))
    return found


def pictures(game: Document) -> list[tuple[str, charts.Spec, str]]:
    """A key, a chart and its caption for each curve of a game."""
    return [
        (f"curve-{place}", _drawn(curve), f"{curve['title']}, with intervals.")
        for place, curve in enumerate(game["curves"])
    ]


def how(game: Document) -> list[list[str]]:
    """What the figures rest on, line by line."""
    return [[name.replace("_", " "), _plain(value)] for name, value in game["how"].items()]


def failing(game: Document) -> list[Document]:
    """The checks of a game that were not passed, those first that void it."""
    return words.failing(game)


def adversaries(game: Document) -> list[list[str]]:
    """Each adversary, what it sees and what it does."""
    return [[one["attack"], prose(one["sees"]), prose(f"{one['says']} {one['note']}".strip())] for one, _ in rows(game)]


def _drawn(curve: Document) -> charts.Spec:
    values = [
        {"at": point["at"], "of": line["name"], "said": words.figure(point["risk"])}
        | {end: point["risk"][end] for end in ("low", "value", "high")}
        for line in curve["lines"]
        for point in line["points"]
        if point["risk"]["value"] is not None
    ]
    percent = all(words.in_per_cent(point["risk"]["name"]) for line in curve["lines"] for point in line["points"])
    return charts.lines(values, curve["across"], curve["figure"], logarithmic=curve["log"], percent=percent)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict):
        return "; ".join(f"{name.replace('_', ' ')}: {_plain(inner)}" for name, inner in value.items())
    return {None: "none", True: "yes", False: "no"}[value] if value is None or isinstance(value, bool) else f"{value}"
