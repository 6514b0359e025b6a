"""What one client's session shows: figures that grow with how little its queries look like ordinary use."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from scipy import stats

STEP = 100  # queries between two looks; PRADA judges no fewer
FEWEST = 80  # distances that PRADA judges: of a hundred queries, the first of each answer has none
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Distances:
    """How far a query lies from what is known; NaN where nothing is.

    Args:
        reference: from the nearest of the benign queries that were set aside.
        known: from the nearest known record.
    """

    reference: float = np.nan
    known: float = np.nan


@dataclass(eq=False)
class Rows:
    """Vectors, one after the other, in an array that doubles when it is full."""

    _held: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    _count: int = 0

    def add(self, x: np.ndarray) -> None:
        """Takes one more."""
        if self._count == len(self._held):
            larger = np.empty((max(16, 2 * self._count), x.size))
            larger[: self._count] = self._held if self._count else 0
            self._held = larger
        self._held[self._count] = x
        self._count += 1

    def nearest(self, x: np.ndarray) -> float:
        """The distance to the nearest of them; infinite where there is none, or no vector."""
        if not self._count or not x.size:
            return float(np.inf)
        apart = self._held[: self._count] - x
        return float(np.sqrt(np.einsum("ij,ij->i", apart, apart).min()))


@dataclass(eq=False)
class Prada:
    """Distances of queries to the nearest that was kept of the same answer, and how normal they are.

    Source: Juuti, Szyller, Marchal, Asokan, PRADA: Protecting Against DNN Model Stealing Attacks, EuroS&P 2019,
    algorithm 3. Departures: it starts anew with each session, which is looked at every hundred queries and from 80
    distances on, not 100; distances that are all alike count as W = 0.
    """

    _kept: dict[str, Rows] = field(default_factory=dict)
    _gaps: dict[str, list[float]] = field(default_factory=dict)
    _limit: dict[str, float] = field(default_factory=dict)
    _distances: list[float] = field(default_factory=list)

    def add(self, x: np.ndarray, answer: str) -> None:
        """Takes the next query."""
        if answer not in self._kept:
            self._kept[answer], self._gaps[answer], self._limit[answer] = Rows(), [0.0], 0.0
            self._kept[answer].add(x)
            return
        distance = self._kept[answer].nearest(x)
        self._distances.append(distance)
        if distance > self._limit[answer]:
            self._kept[answer].add(x)
            gaps = self._gaps[answer]
            gaps.append(distance)
            self._limit[answer] = max(self._limit[answer], float(np.mean(gaps) - np.std(gaps)))

    def value(self) -> float | None:
        """1 - W of Shapiro and Wilk, from 0 (normal) to 1; None below 80 distances."""
        found = np.array(self._distances)
        if len(found) < FEWEST:
            return None
        inner = found[np.abs(found - found.mean()) <= 3 * found.std()]
        if len(inner) < 3 or np.ptp(inner) <= 1e-12 * max(1.0, float(inner.max())):
            return 1.0
        return float(1 - stats.shapiro(inner).statistic)


@dataclass(eq=False)
class Session:
    """Up to a number of queries in a row of one client; then the next one begins, with nothing kept.

    Args:
        radius: queries at most so far apart are near duplicates.
        worst: the highest value of each figure so far, looked at every hundred queries.
    """

    most: int
    radius: float
    count: int = 0
    worst: dict[str, float] = field(default_factory=dict)
    _asked: Rows = field(default_factory=Rows)
    _keys: set[str | bytes] = field(default_factory=set)
    _near: int = 0
    _reference: list[float] = field(default_factory=list)
    _known: int = 0
    _prada: Prada = field(default_factory=Prada)
    _seen: set[str] = field(default_factory=set)

    @property
    def full(self) -> bool:
        """Whether the next query belongs to the next session."""
        return self.count >= self.most

    def add(self, x: np.ndarray, key: str | bytes, answer: str, far: Distances) -> Mapping[str, float]:
        """The figures as they stand after this query; none but at every hundredth."""
        self._near += bool(key in self._keys or self._asked.nearest(x) <= self.radius)
        if key:
            self._seen.add("repeats")
            self._keys.add(key)
        if x.size and answer:
            self._seen.add("prada")
            self._prada.add(x, answer)
        if not np.isnan(far.reference):
            self._reference.append(far.reference)
        if not np.isnan(far.known):
            self._seen.add("known")
            self._known += far.known <= self.radius
        self._asked.add(x)
        self.count += 1
        return self._look() if self.count % STEP == 0 else {}

    def _look(self) -> Mapping[str, float]:
        found = {}
        if "repeats" in self._seen:
            found["repeats"] = self._near / self.count
        if "known" in self._seen:
            found["known"] = self._known / self.count
        if len(self._reference) >= STEP:
            found["strange"] = float(np.median(self._reference))
        if (prada := self._prada.value()) is not None:
            found["prada"] = prada
        for name, value in found.items():
            self.worst[name] = max(value, self.worst.get(name, -np.inf))
        return found


def of_client(open_ones: OrderedDict[str, T], client: str, new: Callable[[], T], most: int) -> tuple[T, bool]:
    """What is held of a client, and whether the one who has not asked for the longest was let go for it."""
    if client in open_ones:
        open_ones.move_to_end(client)
        return open_ones[client], False
    gone = len(open_ones) >= most
    if gone:
        open_ones.popitem(last=False)
    open_ones[client] = new()
    return open_ones[client], gone
