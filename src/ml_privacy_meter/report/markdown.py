"""The report as a summary for a pull request."""

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate

from ml_privacy_meter.report import about as measured
from ml_privacy_meter.report import claims, others, rounds, users, verdicts, weights, words
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.report.plain import visible

# What Markdown or HTML could take for markup; a backslash before it says that it is not.
MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&$\"]")
# What a host of pull requests makes a link, a picture or a message to somebody of; a space without width parts it.
LINKS = re.compile(
    r"(?<!\w)@(?=\w)|@(?=[\w-]*\.[\w.-]*[A-Za-z])|#(?=\w)|\b[Gg][Hh]-(?=\d)|:(?=//)|\b[Ww]{3}\.(?=\w)|\b(?:mailto|xmpp):|:(?=[\w+-]+:)"
)
MOST = 65_000  # characters; GitHub takes 65,536 for a comment
# Characters for each part. Where all together are more than `MOST`, the longest folded ones are left out.
ROOM = {"verdict": 4_000, "warnings": 9_000, "attacks": 12_000, "views": 4_000, "figures": 8_000, "groups": 6_000}
ROOM |= {"by_round": 4_000, "by_user": 4_000, "games": 24_000, "exposed": 5_000, "checks": 5_000, "about": 4_000}
MOST_COLUMNS = 8
MOST_GAMES = 10
VOIDS = " (voids the audit)"
LEFT_OUT = "… and {} more: see `report.json`."

FILES = {
    "index.html": "the page, with charts",
    "report.pdf": "the same to be filed",
    "dpia.md": "a draft of an impact assessment",
    "report.json": "for programs",
    "records.parquet": "a row for each record",
}


def markdown(document: Document, *, files: Iterable[str] = ("index.html", "report.json", "records.parquet")) -> str:
    """The verdict, what speaks against it, the attacks side by side; and, folded, what stands behind them.

    Args:
        files: those that stand beside it.
    """
    about, found = document["about"], document["findings"]
    links = ", ".join(f"[{name}]({name}) ({FILES[name]})" for name in files)
    parts = [
        "# Privacy audit" + (f": {escape(about['model'])}" if about.get("model") else ""),
        escape(verdicts.verdict(document), room=ROOM["verdict"]),
        _warnings(document),
        _attacks(document),
        _claimed(document),
        _weights(document),
        _by_round(document),
        _by_user(document),
        _games(document),
        _folded("Threat models: what each attack was assumed to see", _views(found)),
        _folded("All figures", _figures(document)),
        _groups(found),
        _folded("Most exposed training records", _exposed(document)),
        _checks(document),
        _folded("How it was measured", _table(["What", "Value"], _about(document), room=ROOM["about"])),
        f"{words.count(about['members'], 'member')}, {words.count(about['non_members'], 'non-member')}, seed "
        f"{about['seed']}, ML Privacy Meter {escape(about['version'])}. The whole report: {links}.",
    ]
    return "\n\n".join(_kept([part for part in parts if part])) + "\n"


def _kept(parts: list[str]) -> list[str]:
    """The parts, less the longest folded ones where all together would be too long."""
    while len("\n\n".join(parts)) > MOST and any(part.startswith("<details>") for part in parts):
        longest = max((part for part in parts if part.startswith("<details>")), key=len)
        parts[parts.index(longest)] = f"{longest.splitlines()[1][9:-10]}: see `report.json`."
    return parts


def escape(text: object, *, room: int = 300) -> str:
    """``text`` as Markdown shows it letter by letter, in one line; cut off where it would be longer than ``room``."""
    whole = visible(str(text)[: 4 * room])
    line = whole[:room]
    shown = _marked(line) + ("…" if line != whole else "")
    while len(shown) > room:
        line = line[: 3 * len(line) // 4]
        shown = _marked(line) + "…"
    return shown


def _marked(line: str) -> str:
    parted = LINKS.sub("\\g<0>\u200b", line)
    return MARKUP.sub(r"\\\g<0>", parted).replace("\u200b", "&#8203;")


def _folded(title: str, content: str) -> str:
    """What a click opens; nothing of a user's may stand in the title, where HTML is HTML."""
    return f"<details>\n<summary>{title}</summary>\n\n{content}\n\n</details>" if content else ""


def _warnings(document: Document) -> str:
    reasons = [
        f"- **{escape(check['name'])}**{VOIDS if check['voids'] else ''} {escape(check['says'], room=1_200)}"
        for check in words.failing(document)
    ]
    reasons += [
        f"- **The attack {escape(finding['attack'])} failed.** {escape(finding['failed'], room=1_200)}"
        for finding in document["findings"]
        if finding["failed"]
    ]
    return "## Read this first\n\n" + _fitting(reasons, ROOM["warnings"], "- ") if reasons else ""


def _attacks(document: Document) -> str:
    found = document["findings"]
    names = words.headline(found)[:MOST_COLUMNS]
    if not names:
        return ""
    rows = [["Without the model", *(words.baseline(found, name) or "–" for name in names)]]
    for finding in found:
        risks = [words.named(finding["risks"], name) for name in names]
        cells = ["failed" if finding["failed"] else _cell(risk) for risk in risks]
        rows.append([escape(finding["attack"]), *cells])
    rows += [row] if (row := claims.row(document, names)) else []
    note = (
        "Brackets hold intervals; bold: above what is reached without the model, even when the interval is widened "
        "for the number of figures."
    )
    if words.chosen(found):
        note += f" {words.CHOSEN}"
    return f"## Attacks\n\n{_table(['Attack', *map(escape, names)], rows, room=ROOM['attacks'])}\n\n{note}"


def _claimed(document: Document) -> str:
    """What the claimed guarantee allows, where one is."""
    said = [escape(one, room=1_500) for one in claims.said(document)]
    return "\n\n".join([f"## {claims.TITLE}", *said]) if said else ""


def _weights(document: Document) -> str:
    """What it adds to have the model's weights, where attacks on them were played."""
    found = weights.said(document)
    lines = [f"- {escape(one, room=600)}" for one in found[:-1]]
    return "\n".join([*lines, f"\n{escape(found[-1], room=1_500)}"]) if found else ""


def _by_round(document: Document) -> str:
    """How the risk went while the model was trained, where somebody watched."""
    said = [escape(one, room=1_500) for one in rounds.said(document)]
    if not said:
        return ""
    table = _table(rounds.head(document), rounds.rows(document), room=ROOM["by_round"])
    return "\n\n".join([f"## {rounds.TITLE}", *said, _folded(f"By {document['by_round']['unit']}", table)])


def _games(document: Document) -> str:
    """A part for each game beside membership."""
    games = document.get("games", ())
    parts = ["\n\n".join(_game(game, ROOM["games"] // len(games[:MOST_GAMES]))) for game in games[:MOST_GAMES]]
    left = len(games) - len(parts)
    return "\n\n".join([*parts, *([LEFT_OUT.format(f"{left:,}")] if left else [])])


def _game(game: Document, room: int) -> list[str]:
    """A game's part, in little more than the room: its head, what speaks against it, how it opens, and its figures."""
    failed = [f"**{escape(one['name'])}** {escape(one['says'], room=room // 10)}" for one in others.failing(game)[:2]]
    rooms = (room // 6, room // 6, room // 3)  # the verdict is the longest, and what must be read
    terms = zip(others.terms(game), rooms, strict=True)
    said = [f"*{name}*: {escape(what, room=most)}" for (name, what), most in terms]
    head, rows = others.compared(game)
    lines = [
        [escape(one["attack"]), *(["failed"] * len(side) if one["failed"] else _figures_of(side))] for one, side in rows
    ]
    table = _table([escape(name) for name in head], lines, room=room // 4)
    title, question = escape(others.title(game)), escape(others.prose(game["question"]), room=room // 10)
    return [f"## {title}", question, *failed, *said, _folded("Figures", f"{table}\n\n{others.BOLD}" if lines else "")]


def _figures_of(side: Sequence[Document | None]) -> list[str]:
    """An adversary's figures; only the excess, which comes last, may be bold."""
    *figures, excess = side
    return [*("–" if risk is None else words.figure(risk) for risk in figures), _cell(excess)]


def _by_user(document: Document) -> str:
    """Whose records the model was trained on, where a column says whose a record is."""
    said = [escape(one, room=1_500) for one in users.said(document)]
    if not said:
        return ""
    table = _table(users.head(document), users.rows(document), room=ROOM["by_user"])
    return "\n\n".join([f"## {users.TITLE}", *said, _folded("By how many records are known", table)])


def _cell(risk: Document | None) -> str:
    if risk is None:
        return "–"
    shown = words.starred(risk)
    return f"**{shown}**" if words.leaks(risk) else shown


def _views(found: Sequence[Document]) -> str:
    rows = ([escape(one["attack"]), escape(one["sees"]), escape(one["says"], room=600)] for one in found)
    return _table(["Attack", "The adversary sees", "The score is"], rows, room=ROOM["views"])


def _figures(document: Document) -> str:
    claimed = document["guarantee"] is not None
    head = ["Attack", "Figure", "Value and interval", "Without the model", *["Ceiling"] * claimed, "Records", "Remark"]
    rows = (
        [
            escape(one["attack"]),
            escape(risk["name"]),
            _cell(risk),
            words.stated(risk["name"], risk["baseline"]),
            *[words.stated(risk["name"], risk["ceiling"])] * claimed,
            f"{risk['trials']:,}",
            escape(words.remark(risk)),
        ]
        for one in document["findings"]
        for risk in one["risks"]
    )
    return _table(head, rows, room=ROOM["figures"])


def _groups(found: Sequence[Document]) -> str:
    """The groups of the strongest attack, those of its highest first figure first."""
    held = [one for one in found if one["groups"] and one["risks"]]
    if not held:
        return ""
    foremost = max(held, key=lambda one: _height(one, "AUC"))
    names = words.headline([foremost])[:3]
    ranked = sorted(foremost["groups"], key=lambda group: _height(group, names[0]), reverse=True)
    rows = (
        [
            f"{escape(group['column'])}: {escape(group['value'])}",
            f"{group['members']:,}",
            f"{group['non_members']:,}",
            *(_cell(words.named(group["risks"], name)) for name in names),
        ]
        for group in ranked
    )
    note = (
        f"The attack is {escape(foremost['attack'])}. Each interval speaks for one group: of many groups, some lie "
        "high or low by chance."
    )
    table = _table(["Group", "Members", "Non-members", *map(escape, names)], rows, room=ROOM["groups"])
    return _folded("By class and group, for the strongest attack", f"{table}\n\n{note}")


def _height(held: Document, name: str) -> tuple[bool, float]:
    risk = words.named(held["risks"], name)
    return (False, -1.0) if risk is None or risk["value"] is None else (risk["chosen"], risk["value"])


def _exposed(document: Document) -> str:
    shown = document["exposed"]
    memorization, vulnerability = (words.known(shown, name) for name in ("memorization", "vulnerability"))
    rows = [
        [
            escape(one["id"]),
            *([] if one["class"] is None else [escape(one["class"])]),
            words.probability(one["membership_probability"]).replace(">", "&gt;"),
            escape(one["attack"]),
            *([words.memorized(one)] if memorization else []),
            *([words.value("vulnerability", one["vulnerability"])] if vulnerability else []),
        ]
        for one in shown[:10]
    ]
    if not rows:
        return ""
    head = ["Record", *([] if shown[0]["class"] is None else ["Class"]), "Membership probability", "Attack"]
    head += ["Memorization"] * memorization + ["Vulnerability"] * vulnerability
    note = f"A list of the highest is never empty: read it beside the verdict. {words.unlike(document)}".strip()
    return f"{_table(head, rows, room=ROOM['exposed'])}\n\n{note}"


def _checks(document: Document) -> str:
    passed = [check for check in document["checks"] if check["passed"]]
    lines = [f"- {escape(check['name'])} {escape(check['says'], room=600)}" for check in passed]
    return _folded(f"Checks that were passed ({len(passed)})", _fitting(lines, ROOM["checks"], "- "))


def _about(document: Document) -> Iterable[list[str]]:
    return ([escape(title), escape(text)] for title, text in measured.lines(document))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, room: int) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    above = f"| {' | '.join(head)} |\n|{' --- |' * len(head)}\n"
    return above + _fitting(lines, room, "\n") if lines else ""


def _fitting(lines: Sequence[str], room: int, before: str) -> str:
    """As many of the lines as there is room for, and how many were left out."""
    held = sum(end <= room for end in accumulate(len(line) + 1 for line in lines))
    left = len(lines) - held
    return "\n".join([*lines[:held], *([before + LEFT_OUT.format(f"{left:,}")] if left else [])])
