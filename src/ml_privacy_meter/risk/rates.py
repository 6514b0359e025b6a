"""How often guesses are right, and how much more often than guesses that were made without the model."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.risk.differences import auc_correlation
from ml_privacy_meter.risk.intervals import Interval, difference, mixed_clopper_pearson, wilson
from ml_privacy_meter.risk.roc import auc
from ml_privacy_meter.types import Scores

PARTS = 4  # trials that a part of a hit counts for at most: how little parts vary is hardly known from few
Hits = Float[Tensor, " trials"] | Bool[Tensor, " trials"]


def success(hits: Hits, *, baseline: float, name: str = "accuracy", confidence: float = 0.95) -> Risk:
    """Share of guesses that are right, in [0, 1]; a hit may be a part, as where guesses are tied.

    The interval is Clopper and Pearson's: it speaks of other trials of the same kind.
    """
    found = _some(hits, name)
    low, high = mixed_clopper_pearson(np.array([found.sum()]), np.array([1.0]), len(found), confidence)
    return Risk(name, float(found.mean()), low, high, baseline, len(found))


def excess(hits: Hits, without: Hits, *, name: str = "excess", confidence: float = 0.95) -> Risk:
    """Share of guesses that are right less that of the guesses without the model, paired trial by trial; in [-1, 1].

    The interval is Newcombe's, with the correlation of the pairs (`intervals.difference`): in simulations, one of 95%
    holds the true excess in 94% to 96%; in up to 99% where hits are parts.
    """
    found, other = _some(hits, name), _some(without, name)
    value, (low, high) = _paired(found, other, confidence)
    return Risk(name, value, low, high, 0.0, len(found))


def excess_of_chance(hits: Hits, chance: float, *, of: int = 1, name: str = "excess", confidence: float = 0.95) -> Risk:
    """Share of guesses that are right less a share that is known without a trial, in [-1, 1].

    The interval is that of `success`, shifted. ``surely`` is its lower end at the confidence 1 - (1 - confidence) / of.

    Args:
        chance: what is reached without the model, by construction.
        of: how many attacks are judged together, so that the luckiest of them is no leak.
    """
    found = success(hits, baseline=chance, name=name, confidence=confidence)
    wide = success(hits, baseline=chance, name=name, confidence=1 - (1 - confidence) / max(of, 1))
    assert found.value is not None
    value, low, high, surely = (end - chance for end in (found.value, found.low, found.high, wide.low))
    return Risk(name, value, low, high, 0.0, found.trials, surely=surely)


def mean_error(
    errors: Float[Tensor, " trials"], *, most: float, baseline: float, name: str = "error", confidence: float = 0.95
) -> Risk:
    """Mean of how far guesses lie from the truth, in [0, most]; lower says that more is told.

    The interval is that of `success`, of errors as parts of ``most``: none with this mean vary more than hits do, so
    that it holds the true mean more often than it says.
    """
    parts = errors.double() / most
    parts = torch.where((parts > 1) & (parts < 1 + 1e-9), 1.0, parts)  # what rounding does to the largest
    found = success(parts, baseline=baseline, name=name, confidence=confidence)
    assert found.value is not None
    return replace(found, value=most * found.value, low=most * found.low, high=most * found.high)


def excess_of_members(
    hits: Hits,
    without: Hits,
    member: Bool[Tensor, " trials"],
    *,
    name: str = "excess on members above non-members",
    confidence: float = 0.95,
) -> Risk:
    """`excess` on members less `excess` on non-members, in [-2, 2]: what the model tells of its training records.

    What a model tells of records that it never saw it has from the population. The two sides are independent.
    """
    found, other, side = _some(hits, name), _some(without, name), member.numpy()
    if side.all() or not side.any():
        raise InputError(f"`{name}` needs members and non-members, found {int(side.sum())} members in {len(side)}.")
    (one, first), (two, second) = (_paired(found[of], other[of], confidence) for of in (side, ~side))
    low, high = difference(first, second, (one, two))
    return Risk(name, one - two, low, high, 0.0, len(found))


def auc_excess(scores: Scores, without: Scores, *, name: str = "AUC excess", confidence: float = 0.95) -> Risk:
    """AUC less that of the scores without the model, of the same trials, in [-1, 1].

    The interval rests on DeLong's correlation of the two (`differences.auc_correlation`).
    """
    one, other = (auc(of, confidence=confidence) for of in (scores, without))
    if one.value is None or other.value is None:
        return Risk(name, None, -1.0, 1.0, 0.0, len(scores.truth), note=one.note or other.note)
    ends = (one.low, one.high), (other.low, other.high)
    low, high = difference(*ends, (one.value, other.value), correlation=auc_correlation(scores, without))
    return Risk(name, one.value - other.value, low, high, 0.0, len(scores.truth))


def _some(hits: Hits, name: str) -> np.ndarray:
    """The hits as numbers, once it is seen that there are any and that each is a share."""
    found = np.asarray(hits.double().numpy())
    if not len(found) or not ((found >= 0) & (found <= 1)).all():
        raise InputError(f"`{name}` is taken of shares in [0, 1], one a trial, found {found!s:.80}.")
    return found


def _paired(found: np.ndarray, other: np.ndarray, confidence: float) -> tuple[float, Interval]:
    (one, most, first), (two, last, second) = (_spread(of, confidence) for of in (found, other))
    together = float(((found - one) * (other - two)).mean())
    correlation = min(max(together / (most * last), -1.0), 1.0) if most * last else 0.0
    return one - two, difference(first, second, (one, two), correlation=correlation)


def _spread(hits: np.ndarray, confidence: float) -> tuple[float, float, Interval]:
    """Mean, standard deviation and score interval; hits that are parts vary less, and count for up to PARTS trials."""
    mean, trials = float(hits.mean()), float(len(hits))
    whole = mean * (1 - mean)
    variance = max(float(hits.var()), whole / PARTS)
    trials *= whole / variance if variance else 1.0
    return mean, variance**0.5, wilson(mean * trials, trials, confidence)
