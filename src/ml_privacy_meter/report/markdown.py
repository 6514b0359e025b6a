"""The report as a summary for a pull request."""

import re
from collections.abc import Iterable, Sequence

from ml_privacy_meter.report import words
from ml_privacy_meter.report.document import Document

# What Markdown or HTML could take for markup; a backslash before it says that it is not.
MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&$\"]")


def markdown(document: Document) -> str:
    """The verdict, what speaks against it, the attacks side by side, and the most exposed records."""
    about = document["about"]
    parts = [
        "# Privacy audit" + (f": {escape(about['model'])}" if about.get("model") else ""),
        escape(words.verdict(document)),
        _warnings(document),
        _attacks(document),
        _exposed(document),
        _checks(document),
        f"{words.count(about['members'], 'member')}, {words.count(about['non_members'], 'non-member')}, seed "
        f"{about['seed']}, ML Privacy Meter {about['version']}. The whole report is in `index.html`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: object) -> str:
    """``text`` as Markdown shows it letter by letter, in one line."""
    line = " ".join(str(text).split())
    return MARKUP.sub(r"\\\g<0>", line)


def _warnings(document: Document) -> str:
    failed = words.failing(document)
    reasons = [f"- **{escape(check['name'])}** {escape(check['says'])}" for check in failed]
    reasons += [
        f"- **The attack {escape(finding['attack'])} failed.** {escape(finding['failed'])}"
        for finding in document["findings"]
        if finding["failed"]
    ]
    return "\n".join(["## Read this first\n", *reasons]) if reasons else ""


def _attacks(document: Document) -> str:
    names = words.headline(document["findings"])
    if not names:
        return ""
    rows = []
    for finding in document["findings"]:
        risks = [words.named(finding["risks"], name) for name in names]
        cells = ["failed" if finding["failed"] else "–" if risk is None else _cell(risk) for risk in risks]
        rows.append([escape(finding["attack"]), *cells])
    note = (
        "Brackets hold intervals; bold: above what is reached without the model, even when the interval is widened "
        "for the number of figures."
    )
    if words.chosen(document["findings"]):
        note += f" {words.CHOSEN}"
    return f"## Attacks\n\n{_table(['Attack', *names], rows)}\n\n{note}"


def _cell(risk: Document) -> str:
    shown = words.starred(risk)
    return f"**{shown}**" if words.leaks(risk) else shown


def _exposed(document: Document) -> str:
    shown = document["exposed"][:10]
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
        for one in shown
    ]
    if not rows:
        return ""
    head = ["Record", *([] if shown[0]["class"] is None else ["Class"]), "Membership probability", "Attack"]
    head += ["Memorization"] * memorization + ["Vulnerability"] * vulnerability
    return f"## Most exposed training records\n\n{_table(head, rows)}"


def _checks(document: Document) -> str:
    passed = [check for check in document["checks"] if check["passed"]]
    lines = [f"- {escape(check['name'])} {escape(check['says'])}" for check in passed]
    return "\n".join(["## Checks that were passed\n", *lines]) if lines else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
