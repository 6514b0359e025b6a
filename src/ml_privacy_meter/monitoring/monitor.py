"""A query log, checked client by client in one pass."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.monitoring.calibration import ASSUMED, Calibration, Ruler, calibrated
from ml_privacy_meter.monitoring.logs import Columns, Log, Queries, log_of
from ml_privacy_meter.monitoring.saved import SCHEMA, VERSION, Monitored
from ml_privacy_meter.monitoring.sessions import STEP
from ml_privacy_meter.monitoring.watch import Limits, Watch
from ml_privacy_meter.types import Records


def monitor(
    log: str | Path | Sequence[str | Path],
    *,
    client: str | None = None,
    time: str | None = None,
    features: str | Sequence[str] | None = None,
    digest: str | None = None,
    answer: str | None = None,
    benign: str | Path | Sequence[str | Path] | None = None,
    false_alarm_rate: float = 0.01,
    session: int = 500,
    radius: float | None = None,
    known: Records | None = None,
    budget: int | None = None,
    per_minute: int | None = None,
    coverage: float | None = None,
    open_clients: int = 1_000,
    show_clients: bool = False,
) -> Monitored:
    """What a model's query log says of its clients: alarms, with what raised them and how often chance does.

    Args:
        log: files (.jsonl, .csv, .parquet) in the order of time.
        client: the column that says who asked; where not given, `client`, `user`, `ip` and their like. So with
            `time`, `features` (one column of lists, or several of numbers), `digest` and `answer`.
        benign: another part of the log, or another log, whose clients are believed to be honest: it sets thresholds.
        false_alarm_rate: with which a benign session raises an alarm of one check, at most; with ``benign``.
        session: queries of a client that are judged together, a multiple of 100.
        radius: near duplicates are at most so far apart; where not given, a tenth of the median distance between two
            benign queries, or 0 without these: equal queries alone.
        known: records to look for, as those of training or the most exposed of an audit.
        budget: the most queries that a client may ask.
        per_minute: the most within 60 seconds.
        coverage: the largest share of the known records that a client may ask about.
        open_clients: sessions that are held in memory at once.
        show_clients: their names, and not numbers in the order of appearance.

    Raises:
        InputError: a file or a column is not there, a setting is out of range, too few benign sessions.
    """
    _check(false_alarm_rate, session, open_clients, radius, coverage, known)
    columns = Columns(client, time, features, digest, answer)
    whole = log_of(log, columns)
    vectors = _vectors(known)
    found = None
    of_benign = log_of(benign, columns) if benign is not None else None
    if of_benign is not None:
        _check_apart(whole, of_benign)
        found = calibrated(
            of_benign, rate=false_alarm_rate, session=session, most=open_clients, radius=radius, known=vectors
        )
        whole.width = of_benign.width
    ruler = found.ruler if found else Ruler(radius or 0.0, None, vectors)
    limits = _limits(found, budget, per_minute, coverage)
    watch = Watch(ruler, limits, session, open_clients, show_clients)
    for queries in whole:
        _check_width(ruler, queries)
        watch.take(queries)
    about = {
        "version": version("ml-privacy-meter"),
        "session": session,
        "step": STEP,
        "radius": ruler.radius,
        "false_alarm_rate": false_alarm_rate if found else None,
        "benign_sessions": found.sessions if found else 0,
        "benign_clients": found.clients if found else 0,
        "known": 0 if vectors is None else len(vectors),
        "clients_shown": show_clients,
    }
    paths = {
        "log": [str(path) for path in whole.paths],
        "benign": [str(path) for path in of_benign.paths] if of_benign else [],
    }
    return Monitored({"schema": SCHEMA, "version": VERSION, **watch.document(about, whole), "paths": paths})


def _check(
    rate: float, session: int, most: int, radius: float | None, coverage: float | None, known: Records | None
) -> None:
    in_range(0, 1, false_alarm_rate=rate)
    if session < STEP or session % STEP:
        raise InputError(f"`session` must be a multiple of {STEP} queries, found {session}.")
    if most < 1:
        raise InputError(f"`open_clients` must be 1 or more, found {most}.")
    if radius is not None and not 0 <= radius < np.inf:
        raise InputError(f"`radius` must be 0 or more, found {radius:g}.")
    if coverage is not None and known is None:
        raise InputError("`coverage` is a share of known records, and none are given: name them with `known`.")


def _check_apart(log: Log, benign: Log) -> None:
    twice = {path.resolve() for path in log.paths} & {path.resolve() for path in benign.paths}
    if twice:
        raise InputError(
            f"What sets thresholds must not be judged by them, and {sorted(twice)[0]} is both log and benign. Split "
            "it, by time or by client."
        )


def _limits(found: Calibration | None, budget: int | None, per_minute: int | None, coverage: float | None) -> Limits:
    thresholds = dict(found.thresholds) if found else dict(ASSUMED)
    origin = dict.fromkeys(thresholds, "benign" if found else "assumed")
    for name, limit in (("budget", budget), ("rate", per_minute), ("coverage", coverage)):
        if limit is not None:
            if limit < 0:
                raise InputError(f"A limit on {name} must be 0 or more, found {limit:g}.")
            thresholds[name], origin[name] = float(limit), "limit"
    return Limits(thresholds, origin)


def _vectors(known: Records | None) -> np.ndarray | None:
    if known is None:
        return None
    x = known.x[:]
    if not isinstance(x, torch.Tensor | np.ndarray):
        raise InputError(f"Known records must be numbers, found {type(x).__name__}. Encode them as the log's features.")
    vectors: np.ndarray = np.asarray(x, np.float64).reshape(len(x), -1)
    return vectors


def _check_width(ruler: Ruler, queries: Queries) -> None:
    width = queries.x.shape[1]
    for what, rows in (("known records", ruler.known), ("benign queries", ruler.reference)):
        if rows is not None and rows.shape[1] != width:
            raise InputError(
                f"The log's queries must have as many features as the {what}: found {width} and {rows.shape[1]}. Name "
                "the columns of the log with `features`."
            )
