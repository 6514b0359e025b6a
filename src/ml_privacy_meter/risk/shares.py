"""Shares beside what luck shows, and how alike two measurements of the same records are."""

import math

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.risk.intervals import clopper_pearson, difference, normal_quantile


def above_luck(
    hits: Bool[Tensor, " records"], luck: Float[Tensor, " times"], *, name: str = "excess", confidence: float = 0.95
) -> Risk:
    """Share of records that are hit less the mean share where only luck hits, in [-1, 1].

    The interval holds both that other records would be hit and that luck varies: luck may hit many records at once.

    Args:
        luck: the share in each of many draws in which nothing but luck is left.
    """
    if len(luck) < 20:
        raise InputError(f"`{name}` needs 20 draws of luck or more, found {len(luck)}.")
    draws = np.sort(luck.double().numpy())
    share, mean = float(hits.double().mean()), float(draws.mean())
    tail = (1 - confidence) / 2
    ends = float(np.quantile(draws, tail, method="lower")), float(np.quantile(draws, 1 - tail, method="higher"))
    low, high = difference(clopper_pearson(int(hits.sum()), len(hits), confidence), ends, (share, mean))
    return Risk(name, share - mean, low, high, 0.0, len(hits))


def alike(
    one: Float[Tensor, " records"],
    other: Float[Tensor, " records"],
    *,
    name: str,
    ranks: bool = False,
    confidence: float = 0.95,
) -> Risk:
    """Correlation of two measurements of the same records, in [-1, 1], with Fisher's interval: an approximate one.

    Source: Fisher, On the "Probable Error" of a Coefficient of Correlation, 1921; of ranks, Fieller, Hartley and
    Pearson, Tests for Rank Correlation Coefficients, 1957.

    Args:
        ranks: of the records' ranks (Spearman).
    """
    pair = [of.double().numpy() for of in (one, other)]
    if ranks:
        pair = [rankdata(of) for of in pair]
    if len(one) < 5 or min(of.std() for of in pair) == 0:
        return Risk(name, None, -1.0, 1.0, 0.0, len(one), note="it takes 5 records or more that differ")
    value = float(np.clip(np.corrcoef(np.stack(pair))[0, 1], -1, 1))
    half = normal_quantile(confidence) * math.sqrt((1.06 if ranks else 1.0) / (len(one) - 3))
    centre = math.atanh(min(max(value, -1 + 1e-12), 1 - 1e-12))
    return Risk(name, value, math.tanh(centre - half), math.tanh(centre + half), 0.0, len(one))
