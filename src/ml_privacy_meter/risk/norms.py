"""How long the gradients of members and of non-members are, over all and in each class."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from ml_privacy_meter.findings import GradientNorms, Norms, NormsOf

BINS = 40
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
FEWEST = 5  # records of either kind that a class needs, so that quantiles say anything


def gradient_norms(
    norm: Float[Tensor, " records"], member: Bool[Tensor, " records"], classes: Sequence[object] | np.ndarray = ()
) -> GradientNorms:
    """Counts of gradient norms in 40 bins, evenly spaced in the logarithm, and quantiles for each class.

    Args:
        classes: the class of each record; empty where records have none.
    """
    values, truth, kinds = norm.double().numpy(), member.numpy(), np.asarray(classes)
    edges = _edges(values)
    sides = [np.histogram(np.clip(values[side], edges[0], edges[-1]), edges)[0] for side in (truth, ~truth)]
    found = []
    for value in np.unique(kinds):
        here = kinds == value
        if min(int((here & truth).sum()), int((here & ~truth).sum())) >= FEWEST:
            found.append(NormsOf(str(value), _of(values[here & truth]), _of(values[here & ~truth])))
    found.sort(key=_apart, reverse=True)
    members, others = (tuple(int(count) for count in side) for side in sides)
    return GradientNorms(tuple(float(edge) for edge in edges), members, others, tuple(found))


def _edges(values: np.ndarray) -> np.ndarray:
    """From the 0.1% to the 99.9% quantile of what is not zero."""
    some = values[values > 0]
    low, high = np.quantile(some, [0.001, 0.999]) if len(some) else (0.1, 1.0)
    return np.geomspace(low, max(high, low * (1 + 1e-6)), BINS + 1)


def _of(values: np.ndarray) -> Norms:
    return Norms(len(values), tuple(float(one) for one in np.quantile(values, LEVELS)))


def _apart(one: NormsOf) -> float:
    """By what factor the medians lie apart, as a logarithm."""
    members, others = (max(side.quantiles[2], 1e-300) for side in (one.members, one.non_members))
    return abs(float(np.log(others / members)))
