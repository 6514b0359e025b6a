"""How much more often an attack succeeds on training records than on others, of all that is left to succeed in."""

from math import inf, sqrt

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.risk.intervals import Interval, wilson


def controlled(
    members: Bool[Tensor, " members"],
    others: Bool[Tensor, " others"],
    *,
    paired: bool = False,
    alike: float = 1.0,
    name: str = "risk",
    confidence: float = 0.95,
) -> Risk:
    """(success on members - success on others) / (1 - success on others), in [-1, 1]; less than -1 counts as -1.

    It is 0 where members fare as others do, and 1 where every guess on members is right and not every one on others. It
    is 1 less the ratio of how often each guess is wrong, and has that ratio's interval: Wilson's of the two shares,
    joined by MOVER. In simulations, one of 95% holds the true risk in 94% to 97% (`docs/synthetic.md`).

    Source: Giomi et al., A Unified Framework for Quantifying Privacy Risk in Synthetic Data, PETS 2023; the interval:
    Donner and Zou, Closed-form Confidence Intervals for Functions of the Normal Mean and Standard Deviation, 2012.

    Args:
        paired: guess i on members and on others is one guess, held against both.
        alike: so many guesses count as one in the interval, since they come out right or wrong together.
    """
    sides = [np.asarray(side.double().numpy()) for side in (members, others)]
    if not all(map(len, sides)) or (paired and len(sides[0]) != len(sides[1])):
        raise InputError(f"`{name}` is taken of guesses on both sides, found {len(sides[0])} and {len(sides[1])}.")
    wrong = tuple(float(1 - side.mean()) for side in sides)
    if wrong[1] == 0:
        said = "every guess on non-members was right, so that nothing is left that only members could show"
        return Risk(name, None, -1.0, 1.0, 0.0, len(sides[0]), note=said)
    correlation = 0.0
    if paired and all(side.std() > 0 for side in sides):
        correlation = float(np.corrcoef(sides)[0, 1])
    first, second = (
        wilson(share * len(side) / alike, len(side) / alike, confidence)
        for share, side in zip(wrong, sides, strict=True)
    )
    low, high = ratio(first, second, (wrong[0], wrong[1]), correlation=correlation)
    value, least, most = (max(-1.0, 1 - of) for of in (wrong[0] / wrong[1], high, low))
    return Risk(name, value, least, most, 0.0, len(sides[0]))


def ratio(first: Interval, second: Interval, values: tuple[float, float], *, correlation: float = 0.0) -> Interval:
    """Interval of the first share by the second, from the interval of each and the correlation of the two estimates.

    The ratios at which the interval of the first share less ratio times the second holds 0.
    """
    (low1, high1), (low2, high2), (p1, p2) = first, second, values

    def ends(one: float, other: float, sign: int) -> float:
        """The root of (p1 - ratio p2)^2 = (p1 - one)^2 + (ratio (p2 - other))^2 - 2 correlation ... on this side."""
        square, constant = other * (2 * p2 - other), one * (2 * p1 - one)
        middle = p1 * p2 - correlation * abs((p1 - one) * (p2 - other))
        root = sqrt(max(0.0, middle**2 - square * constant))
        if sign < 0:
            return max(0.0, constant / (middle + root)) if middle + root > 0 else 0.0
        return (middle + root) / square if square > 0 else inf

    return ends(low1, high2, -1), ends(high1, low2, 1)
