"""The clients of a log as it is read, and the alarms that they raise."""

from collections import Counter, OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ml_privacy_meter.monitoring import checks
from ml_privacy_meter.monitoring.calibration import Ruler
from ml_privacy_meter.monitoring.logs import Log, Queries
from ml_privacy_meter.monitoring.sessions import STEP, Session, of_client
from ml_privacy_meter.report.document import Document

MINUTE = 60.0  # seconds
SHOWN = 100  # clients that a document lists

Place = tuple[int, int]  # the number of a file, and a row in it


@dataclass(frozen=True)
class Limits:
    """Where an alarm is raised, and where that comes from.

    Args:
        thresholds: by check; what is above is an alarm.
        origin: by check: ``benign``, ``assumed`` or ``limit``.
    """

    thresholds: dict[str, float]
    origin: dict[str, str]


@dataclass(eq=False)
class Client:
    """What is kept of a client for as long as the log lasts: some hundred bytes, and a bit for each known record."""

    number: int
    queries: int = 0
    sessions: int = 0
    alerts: int = 0
    minute: deque[float] = field(default_factory=deque)
    most_a_minute: int = 0
    asked: np.ndarray | None = None
    alarmed: set[str] = field(default_factory=set)


@dataclass(eq=False)
class Watch:
    """The clients of a log, as far as it was read."""

    ruler: Ruler
    limits: Limits
    session: int
    most: int
    show: bool
    clients: dict[str, Client] = field(default_factory=dict)
    sessions: OrderedDict[str, Session] = field(default_factory=OrderedDict)
    alerts: list[Document] = field(default_factory=list)
    judged: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    timed: int = 0
    first: float | None = None
    last: float | None = None

    def take(self, queries: Queries) -> None:
        """Looks at the next queries."""
        for at, (far, which) in enumerate(self.ruler.measured(queries.x)):
            name, place, time = queries.client[at], (queries.file, int(queries.row[at])), float(queries.time[at])
            one = self.clients.setdefault(name, Client(len(self.clients) + 1))
            one.queries += 1
            self._tell_time(one, time)
            if which >= 0 and far.known <= self.ruler.radius:
                assert self.ruler.known is not None
                one.asked = np.zeros(len(self.ruler.known), bool) if one.asked is None else one.asked
                one.asked[which] = True
            self._hold(name, one, place, time)
            held, gone = of_client(self.sessions, name, self._new, self.most)
            self.cut += gone
            if held.count == 0:
                one.alarmed -= {check.name for check in checks.OF_SESSIONS}
            before = set(held.worst)
            values = held.add(queries.x[at], queries.key[at], queries.answer[at], far)
            if values and held.count == STEP:
                one.sessions += 1
            if values:
                self.judged.update(values.keys() - before)
                self._judge(name, one, held, values, place, time)
            if held.full:
                del self.sessions[name]

    def document(self, about: Document, log: Log) -> Document:
        """What `schema.json` describes, but for its name and the paths."""
        unread = [{"why": why, "queries": count} for why, count in sorted(log.unread.items()) if count]
        sessions = sum(one.sessions for one in self.clients.values())
        rate = about["false_alarm_rate"]
        by_benign = sum(self.judged[name] for name, origin in self.limits.origin.items() if origin == "benign")
        about |= {
            "queries": sum(one.queries for one in self.clients.values()),
            "unread": unread,
            "first": self.first,
            "last": self.last,
            "clients": len(self.clients),
            "clients_unjudged": sum(not one.sessions for one in self.clients.values()),
            "sessions": sessions,
            "sessions_cut": self.cut,
            "alerts_expected": None if rate is None else rate * by_benign,
        }
        parts = [self._of_check(check) for check in checks.ALL]
        return {
            "about": about,
            "checks": parts,
            "alerts": self.alerts,
            "clients": self._listed(),
            "limits_of_this": checks.ALWAYS,
        }

    def _new(self) -> Session:
        return Session(self.session, self.ruler.radius)

    def _name(self, name: str, one: Client) -> str:
        return name if self.show else f"client {one.number}"

    def _tell_time(self, one: Client, time: float) -> None:
        if np.isnan(time):
            return
        self.timed += 1
        self.first = time if self.first is None else min(self.first, time)
        self.last = time if self.last is None else max(self.last, time)
        limit = self.limits.thresholds.get("rate")
        if limit is None:
            return
        one.minute.append(max(time, one.minute[-1]) if one.minute else time)
        while one.minute[0] <= one.minute[-1] - MINUTE or len(one.minute) > limit + 1:
            one.minute.popleft()
        one.most_a_minute = max(one.most_a_minute, len(one.minute))

    def _hold(self, name: str, one: Client, place: Place, time: float) -> None:
        """Holds a client to the limits that were given."""
        share = 0.0 if one.asked is None else float(one.asked.mean())
        for check, value in (("coverage", share), ("budget", one.queries), ("rate", one.most_a_minute)):
            if check in self.limits.thresholds and value > self.limits.thresholds[check] and check not in one.alarmed:
                self._alarm(name, one, check, value, place, time, one.queries)

    def _judge(
        self, name: str, one: Client, held: Session, values: Mapping[str, float], place: Place, time: float
    ) -> None:
        for check, value in values.items():
            if value > self.limits.thresholds.get(check, np.inf) and check not in one.alarmed:
                self._alarm(name, one, check, value, place, time, held.count)

    def _alarm(self, name: str, one: Client, check: str, value: float, place: Place, time: float, queries: int) -> None:
        one.alarmed.add(check)
        one.alerts += 1
        self.alerts.append(
            {
                "client": self._name(name, one),
                "check": check,
                "value": float(value),
                "threshold": float(self.limits.thresholds[check]),
                "origin": self.limits.origin[check],
                "file": place[0],
                "row": place[1],
                "time": None if np.isnan(time) else time,
                "queries": queries,
            }
        )

    def _of_check(self, check: checks.Check) -> Document:
        origin = self.limits.origin.get(check.name, "none")
        looked = self.judged[check.name] if check.per == "session" else len(self.clients) * (origin == "limit")
        if check.name == "rate" and not self.timed:
            looked = 0
        return {
            "name": check.name,
            "finds": check.finds,
            "value": check.value,
            "evades": check.evades,
            "per": check.per,
            "threshold": self.limits.thresholds.get(check.name),
            "origin": origin,
            "looked_at": looked,
            "alerts": sum(alert["check"] == check.name for alert in self.alerts),
        }

    def _listed(self) -> list[Document]:
        """Clients with the most alarms first, then those who asked most."""
        order = sorted(self.clients.items(), key=lambda item: (-item[1].alerts, -item[1].queries, item[1].number))
        return [
            {
                "client": self._name(name, one),
                "queries": one.queries,
                "sessions": one.sessions,
                "alerts": one.alerts,
                "known": None if self.ruler.known is None else 0.0 if one.asked is None else float(one.asked.mean()),
            }
            for name, one in order[:SHOWN]
        ]
