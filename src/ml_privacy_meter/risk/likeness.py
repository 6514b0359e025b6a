"""Figures of reconstructed records: how like they are to the originals, beside guesses without the model."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import betaincinv
from scipy.stats import binom, t

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.risk.intervals import Interval

Likeness = Float[np.ndarray, " values"]


@dataclass(frozen=True)
class Origin:
    """Where each value comes from.

    Args:
        batch: the number of its batch.
        record: the number of its record: a record that was played several times has one.
    """

    batch: Int[np.ndarray, " values"]
    record: Int[np.ndarray, " values"]

    def __post_init__(self) -> None:
        if len(self.batch) != len(self.record) or not len(self.batch):
            raise InputError(
                f"Each of at least one value must have its batch and its record, found {len(self.batch)} batches and "
                f"{len(self.record)} records."
            )

    @property
    def batches(self) -> int:
        """How many there are."""
        return len(np.unique(self.batch))

    @property
    def records(self) -> int:
        """How many there are, each counted once."""
        return len(np.unique(self.record))


def median(name: str, values: Likeness, without: Likeness, origin: Origin, *, confidence: float = 0.95) -> Risk:
    """The median likeness over records, in the likeness' own unit, with the interval of its order statistics.

    Records of one batch share a fate, and count for as many as `effective` says. The interval is open to a side, there
    infinite, where that is too few.

    Source: David and Nagaraja, Order Statistics, 2003, section 7.1.

    Args:
        without: the likeness of what an adversary without the model gives, to the same records.
        origin: of each value.
    """
    middle = float(np.median(values))
    trials = math.floor(effective(values > middle, origin, confidence) + 1e-9)
    outside = int(binom.ppf((1 - confidence) / 2, trials, 0.5))  # largest count that leaves too much below it, less one
    ordered, low, high = np.sort(values), -math.inf, math.inf
    if outside >= 1:
        rank = math.floor(outside * len(values) / trials + 1e-9)
        low, high = float(ordered[rank - 1]), float(ordered[len(values) - rank])
    return Risk(name, middle, low, high, float(np.median(without)), len(values), note=_note(trials, origin))


def share_above(
    name: str, values: Likeness, without: Likeness, origin: Origin, *, least: float, confidence: float = 0.95
) -> Risk:
    """The share of records with a likeness above ``least``, in [0, 1], with Clopper and Pearson's interval.

    Records of one batch share a fate, and count for as many as `effective` says.

    Args:
        without, origin: as of `median`.
    """
    hits, value = values > least, float(np.mean(values > least))
    trials = effective(hits, origin, confidence)
    low, high = _exact(value, trials, confidence)
    return Risk(name, value, low, high, float(np.mean(without > least)), len(values), note=_note(trials, origin))


def effective(hits: np.ndarray, origin: Origin, confidence: float = 0.95) -> float:
    """For how many independent records these count, at least as many as batches and at most as many as records.

    Few batches tell little of how alike their records fare: the count falls with the square of Student's t. A record
    counts once, however often it was played. One batch by itself tells nothing: then each of its records counts.

    Source: Korn and Graubard, Confidence Intervals for Proportions with Small Expected Number of Positive Counts
    Estimated from Survey Data, Survey Methodology 1998; batches of unequal size count for fewer as in Kish, Survey
    Sampling, 1965. That records never count for fewer than batches is added here: they fare no more than alike.
    """
    if len(hits) != len(origin.batch):
        raise InputError(f"Each value must have its batch, found {len(hits)} and {len(origin.batch)}.")
    _, of = np.unique(origin.batch, return_inverse=True)
    records, share = origin.records, float(np.mean(hits))
    if 1 in (origin.batches, records) or origin.batches == len(hits):
        return float(records)
    batches = len(hits) ** 2 / float((np.bincount(of).astype(float) ** 2).sum())
    least = min(batches, records)
    if share in (0.0, 1.0):
        return least
    residual = np.bincount(of, hits - share)  # a ratio of sums over batches, linearised
    variance = batches / (batches - 1) * float(residual @ residual) / len(hits) ** 2
    alike = share * (1 - share) / max(variance, 1e-300)
    tail = (1 + confidence) / 2
    known = float(t.ppf(tail, records - 1) / t.ppf(tail, batches - 1)) ** 2
    return max(min(alike, records) * known, least)


def caution(origin: Origin) -> str:
    """What to know of intervals: that records come more than once, or of one batch; empty where they do not."""
    said, values = [], len(origin.batch)
    if origin.records < values:
        said.append(f"{values} values are of {origin.records} records, played more than once; each counts once.")
    if origin.batches == 1 < origin.records:
        said.append("One batch alone does not show how alike its records fare: they count as independent.")
    return " ".join(said)


def _exact(share: float, trials: float, confidence: float) -> Interval:
    """Clopper and Pearson's interval, where trials need not be whole."""
    tail, hits = (1 - confidence) / 2, share * trials
    low = 0.0 if hits <= 0 else float(betaincinv(hits, trials - hits + 1, tail))
    high = 1.0 if hits >= trials else float(betaincinv(hits + 1, trials - hits, 1 - tail))
    return low, high


def _note(trials: float, origin: Origin) -> str:
    note = caution(origin)
    if origin.batches > 1 and trials < origin.records - 1e-9:
        alike = f"Records of one batch may fare alike: {len(origin.batch)} count as {trials:.1f} independent ones."
        note = f"{note} {alike}".strip()
    return note
