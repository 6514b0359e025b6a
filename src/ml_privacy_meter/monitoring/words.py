"""What is said of a checked log: Markdown, and lines for a terminal."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ml_privacy_meter.report.document import Document
from ml_privacy_meter.report.markdown import escape
from ml_privacy_meter.report.numbers import count, listed

ROWS = 50  # of a table in Markdown; all are in alerts.json
ORIGINS = {
    "benign": "from the benign log",
    "assumed": "assumed: its false alarm rate is not known",
    "limit": "yours",
    "none": "none",
}


def verdict(document: Document) -> str:
    """One or a few sentences: how many alarms, of how much, and how many chance accounts for."""
    about, alerts = document["about"], document["alerts"]
    seen = f"{count(about['queries'], 'query').replace('querys', 'queries')} of {count(about['clients'], 'client')}"
    if not any(check["looked_at"] and check["origin"] != "none" for check in document["checks"]):
        return f"Not decidable: none of the {seen} could be judged. {_unjudged(about)}".strip()
    if not alerts:
        return f"No alarm in {seen}. That is no proof that nobody attacked. {_unjudged(about)}".strip()
    who = len({alert["client"] for alert in alerts})
    return f"{count(len(alerts), 'alarm')}, of {count(who, 'client')}, in {seen}. {_expected(document)}".strip()


def lines(document: Document) -> list[str]:
    """The verdict, the first alarms and what could not be read, for a terminal."""
    shown = [
        f"{alert['client']}: {alert['check']} {_number(alert['value'])}, more than {_number(alert['threshold'])} "
        f"(row {alert['row']:,}{_of_file(alert, document)})"
        for alert in document["alerts"][:10]
    ]
    more = len(document["alerts"]) - len(shown)
    return [verdict(document), *shown, *([f"and {count(more, 'more alarm')}"] if more > 0 else []), *_unread(document)]


def markdown(document: Document) -> str:
    """The report, without anything that a query held."""
    about = document["about"]
    parts = [
        "# Queries of a served model",
        f"**{escape(verdict(document))}**",
        *_unread(document),
        document["limits_of_this"],
        "## Alarms",
        _alerts(document),
        "## Checks",
        _thresholds(about),
        _checks(document),
        "## What evades each check",
        "\n".join(
            f"- **{check['name']}** looks for {check['finds']}. It does not see {check['evades']}."
            for check in document["checks"]
        ),
        "## Clients",
        _clients(document),
        f"ML Privacy Meter {escape(about['version'])}. For programs: [alerts.json](alerts.json).",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _alerts(document: Document) -> str:
    alerts = document["alerts"]
    if not alerts:
        return "None."
    rows = (
        [
            escape(alert["client"]),
            alert["check"],
            _number(alert["value"]),
            f"{_number(alert['threshold'])} ({ORIGINS[alert['origin']].split(':')[0]})",
            f"{alert['row']:,}{_of_file(alert, document)}",
            _moment(alert["time"]),
        ]
        for alert in alerts[:ROWS]
    )
    more = f"\n\nand {len(alerts) - ROWS:,} more, in alerts.json." if len(alerts) > ROWS else ""
    names = (
        ""
        if document["about"]["clients_shown"]
        else ("\n\nClients go by the order in which they first appear; the row of the log says who it was.")
    )
    return _table(["client", "check", "value", "threshold", "row of the log", "time"], rows) + more + names


def _thresholds(about: Document) -> str:
    judged = (
        f"A session is {about['session']:,} queries of one client in a row, looked at every {about['step']}. Near "
        f"duplicates are at most {_number(about['radius'])} apart."
    )
    if about["false_alarm_rate"] is None:
        return (
            f"{judged} No benign log was given: thresholds are assumed, and how often they alarm without an attack is "
            "not known."
        )
    return (
        f"{judged} Thresholds come from {count(about['benign_sessions'], 'session')} of "
        f"{count(about['benign_clients'], 'client')} in the benign log: each check alarms in at most "
        f"{100 * about['false_alarm_rate']:.3g}% of sessions such as these, on average over benign logs "
        "of this size. Honest clients who ask in another way, or benign queries that hold an attack, make that wrong."
    )


def _checks(document: Document) -> str:
    rows = (
        [
            check["name"],
            check["value"],
            "–" if check["threshold"] is None else _number(check["threshold"]),
            ORIGINS[check["origin"]],
            f"{count(check['looked_at'], check['per'])}",
            f"{check['alerts']:,}",
        ]
        for check in document["checks"]
    )
    return _table(["check", "what is measured", "threshold", "where from", "looked at", "alarms"], rows)


def _clients(document: Document) -> str:
    with_known = document["about"]["known"] > 0
    rows = (
        [
            escape(one["client"]),
            f"{one['queries']:,}",
            f"{one['sessions']:,}",
            f"{one['alerts']:,}",
            *([f"{100 * one['known']:.3g}%"] if with_known else []),
        ]
        for one in document["clients"][:ROWS]
    )
    head = ["client", "queries", "sessions", "alarms", *(["known records asked about"] if with_known else [])]
    return _table(head, rows)


def _expected(document: Document) -> str:
    expected = document["about"]["alerts_expected"]
    if expected is None:
        return "How many of these an honest client would raise is not known: no benign log set the thresholds."
    found = sum(alert["origin"] == "benign" for alert in document["alerts"])
    return (
        f"Of these, {found:,} come from calibrated checks, which raise at most {expected:.2g} on average where every "
        "client is like those of the benign log."
    )


def _unjudged(about: Document) -> str:
    few = about["clients_unjudged"]
    return f"{count(few, 'client')} asked fewer than {about['step']} queries and had no session judged." if few else ""


def _unread(document: Document) -> list[str]:
    found = [f"{one['queries']:,} ({one['why']})" for one in document["about"]["unread"]]
    cut = document["about"]["sessions_cut"]
    return [
        *([f"Queries that are not judged: {listed(found)}."] if found else []),
        *([f"Sessions that ended early, as more clients asked at once than are held: {cut:,}."] if cut else []),
    ]


def _of_file(alert: Document, document: Document) -> str:
    return f" of file {alert['file']}" if len(document["paths"]["log"]) > 1 else ""


def _moment(time: float | None) -> str:
    return "–" if time is None else datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
