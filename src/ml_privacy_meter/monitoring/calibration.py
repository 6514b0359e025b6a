"""Thresholds from a benign log: at which value a check alarms, and how often it would by chance."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.monitoring.logs import Log, Queries
from ml_privacy_meter.monitoring.sessions import Distances, Session, of_client

NEAR = 0.1  # of the median distance between two benign queries: closer ones are near duplicates
ASSUMED = {"prada": 0.1, "repeats": 0.5}  # without a benign log; PRADA's authors take W < 0.90 to W < 0.96


@dataclass(frozen=True, eq=False)
class Ruler:
    """What distances are taken of, and what they are compared with.

    Args:
        radius: queries at most so far apart are near duplicates, in the features' own unit.
        reference: benign queries that were set aside.
        known: records of which it is to be seen whether they were asked about.
    """

    radius: float = 0.0
    reference: np.ndarray | None = None
    known: np.ndarray | None = None

    def measured(self, x: np.ndarray) -> Iterator[tuple[Distances, int]]:
        """How far each query lies from what is known, and which known record is nearest (-1: none is)."""
        reference, _ = _nearest(x, self.reference)
        known, which = _nearest(x, self.known)
        return zip(map(Distances, reference.tolist(), known.tolist()), which.tolist(), strict=True)


@dataclass(frozen=True, eq=False)
class Calibration:
    """What was taken from a benign log.

    Args:
        thresholds: of each check that could be calibrated: a benign session exceeds it with at most the probability
            that was asked for.
        sessions: full ones that thresholds were taken from.
        owner: the client whose first full session is the reference, and is in no threshold.
    """

    ruler: Ruler
    thresholds: dict[str, float]
    sessions: int
    clients: int
    owner: str


def calibrated(
    log: Log | Sequence[Queries],
    *,
    rate: float,
    session: int,
    most: int,
    radius: float | None,
    known: np.ndarray | None,
) -> Calibration:
    """Thresholds from full benign sessions: of n, the k-th highest value, where k = rate (n + 1), rounded down.

    The first session that is full sets the radius and is what others are compared with; thresholds come from the rest.
    A session that is one more draw like these exceeds the k-th highest of them with probability k / (n + 1) at most.

    Raises:
        InputError: there are too few full sessions for that rate.
    """
    owner, reference = _first_full(log, session, most)
    if reference.shape[1] and radius is None:
        radius = NEAR * float(np.median(pdist(reference)))
    ruler = Ruler(radius or 0.0, reference if reference.shape[1] else None, known)
    values, clients = _worst(log, ruler, session, most, owner)
    needed, found = int(np.ceil(1 / rate - 1e-9)) - 1, len(values)
    if found < needed:
        raise InputError(
            f"A false alarm rate of {rate:g} takes {needed} benign sessions of {session} queries of one client each, "
            f"beside the first one, found {found}. Give more benign queries, a shorter `session`, or a higher `rate`."
        )
    rank = int(rate * (found + 1) + 1e-9)
    names = [name for name in ("prada", "repeats", "strange", "known") if all(name in worst for worst in values)]
    thresholds = {name: sorted((worst[name] for worst in values), reverse=True)[rank - 1] for name in names}
    return Calibration(ruler, thresholds, found, len(clients), owner)


def _first_full(log: Log | Sequence[Queries], session: int, most: int) -> tuple[str, np.ndarray]:
    """The client whose session is full first, and what it asked there."""
    open_ones: OrderedDict[str, list[np.ndarray]] = OrderedDict()
    for queries in log:
        for client, x in zip(queries.client, queries.x, strict=True):
            rows, _ = of_client(open_ones, client, list, most)
            rows.append(x)
            if len(rows) == session:
                return client, np.stack(rows)
    raise InputError(
        f"No client of the benign log asked {session} queries, as many as a session has. Give more benign queries, or "
        "a shorter `session`."
    )


def _worst(
    log: Log | Sequence[Queries], ruler: Ruler, session: int, most: int, owner: str
) -> tuple[list[dict[str, float]], set[str]]:
    """The highest figures of each full session but the first of ``owner``, and whose these were."""
    open_ones: OrderedDict[str, Session] = OrderedDict()
    values: list[dict[str, float]] = []
    clients: set[str] = set()
    skipped = False
    for queries in log:
        for at, (far, _) in enumerate(ruler.measured(queries.x)):
            client = queries.client[at]
            one, _ = of_client(open_ones, client, lambda: Session(session, ruler.radius), most)
            one.add(queries.x[at], queries.key[at], queries.answer[at], far)
            if one.full:
                del open_ones[client]
                if client == owner and not skipped:
                    skipped = True
                    continue
                values.append(one.worst)
                clients.add(client)
    return values, clients


def _nearest(x: np.ndarray, others: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.metrics import pairwise_distances_argmin

    if others is None or not len(x):
        return np.full(len(x), np.nan), np.full(len(x), -1)
    which = pairwise_distances_argmin(x, others)
    return np.linalg.norm(x - others[which], axis=1), which
