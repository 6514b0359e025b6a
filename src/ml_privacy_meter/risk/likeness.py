"""Figures of reconstructed records: how like they are to the originals, beside guesses without the model."""

import math

import numpy as np
from jaxtyping import Float, Int
from scipy.special import betaincinv
from scipy.stats import binom

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.risk.intervals import Interval

Likeness = Float[np.ndarray, " records"]
Batches = Int[np.ndarray, " records"]


def median(name: str, values: Likeness, without: Likeness, batch: Batches, *, confidence: float = 0.95) -> Risk:
    """The median likeness over records, in the likeness' own unit, with the interval of its order statistics.

    Records of one batch share a fate, and count for as many as `effective` says. The interval is open to a side, there
    infinite, where that is too few.

    Source: David and Nagaraja, Order Statistics, 2003, section 7.1.

    Args:
        without: the likeness of what an adversary without the model gives, to the same records.
        batch: the number of each record's batch.
    """
    middle = float(np.median(values))
    trials = math.floor(effective(values > middle, batch) + 1e-9)
    outside = int(binom.ppf((1 - confidence) / 2, trials, 0.5))  # largest count that leaves too much below it, less one
    ordered, low, high = np.sort(values), -math.inf, math.inf
    if outside >= 1:
        rank = math.floor(outside * len(values) / trials + 1e-9)
        low, high = float(ordered[rank - 1]), float(ordered[len(values) - rank])
    return Risk(name, middle, low, high, float(np.median(without)), len(values), note=_note(trials, values))


def share_above(
    name: str, values: Likeness, without: Likeness, batch: Batches, *, least: float, confidence: float = 0.95
) -> Risk:
    """The share of records with a likeness above ``least``, in [0, 1], with Clopper and Pearson's interval.

    Records of one batch share a fate, and count for as many as `effective` says.

    Args:
        without, batch: as of `median`.
    """
    hits, value = values > least, float(np.mean(values > least))
    trials = effective(hits, batch)
    low, high = _exact(value, trials, confidence)
    return Risk(name, value, low, high, float(np.mean(without > least)), len(values), note=_note(trials, values))


def effective(hits: np.ndarray, batch: Batches) -> float:
    """For how many independent records these count, in [1, records]; as many as there are batches where all are alike.

    One batch by itself does not show how alike its records fare: then each counts by itself.

    Source: Korn and Graubard, Confidence Intervals for Proportions with Small Expected Number of Positive Counts
    Estimated from Survey Data, Survey Methodology 1998; without their correction for the design's degrees of freedom.
    """
    if len(hits) != len(batch) or not len(hits):
        raise InputError(f"Each of at least one record must have its batch, found {len(hits)} and {len(batch)}.")
    _, of = np.unique(batch, return_inverse=True)
    batches, share = int(of.max()) + 1, float(np.mean(hits))
    if batches == 1 or batches == len(hits):
        return float(len(hits))
    if share in (0.0, 1.0):
        return float(batches)
    residual = np.bincount(of, hits - share)  # a ratio of sums over batches, linearised
    variance = batches / (batches - 1) * float(residual @ residual) / len(hits) ** 2
    return float(np.clip(share * (1 - share) / max(variance, 1e-300), 1.0, len(hits)))


def _exact(share: float, trials: float, confidence: float) -> Interval:
    """Clopper and Pearson's interval, where trials need not be whole."""
    tail, hits = (1 - confidence) / 2, share * trials
    low = 0.0 if hits <= 0 else float(betaincinv(hits, trials - hits + 1, tail))
    high = 1.0 if hits >= trials else float(betaincinv(hits + 1, trials - hits, 1 - tail))
    return low, high


def _note(trials: float, values: np.ndarray) -> str:
    if trials >= len(values) - 1e-9:
        return ""
    return f"Records of one batch fare alike: {len(values)} count as {trials:.1f} independent ones."
