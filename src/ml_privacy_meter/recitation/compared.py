"""Shares of what is recited, beside the same where nothing could have been learned by heart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from ml_privacy_meter.findings import Risk
from ml_privacy_meter.risk.intervals import Interval, difference, wilson

Hits = Bool[np.ndarray, " trials"]


@dataclass(frozen=True)
class Beside:
    """The same figure where the texts were not trained on, or by a model that was not trained on them.

    Args:
        of: what it was taken of.
        risk: the figure there.
        excess: the trained one less this one; ``surely`` and ``at_most`` hold together with all others of a result.
        at_most: the upper end of the interval whose lower end is ``excess.surely``.
    """

    of: str
    risk: Risk
    excess: Risk
    at_most: float


@dataclass(frozen=True)
class Figure:
    """A share of the training texts that is recited, beside shares that need no memory.

    Args:
        says: what is counted, of what.
        risk: its baseline is the greatest of those beside it.
    """

    says: str
    risk: Risk
    beside: tuple[Beside, ...]

    @property
    def shows(self) -> bool:
        """Whether more is recited than of every side beside it, all figures of the result taken together."""
        return bool(self.beside) and all((one.excess.surely or 0.0) > 0 for one in self.beside)


@dataclass(frozen=True)
class Side:
    """Hits that a figure is held against; ``paired`` where trial by trial they belong to those of the training."""

    of: str
    hits: Hits
    paired: bool


@dataclass(frozen=True)
class Trials:
    """What a figure is taken of: which trials were hits, and those that it is held against."""

    name: str
    says: str
    hits: Hits
    sides: list[Side]


def compared(trials: Sequence[Trials], *, confidence: float) -> tuple[Figure, ...]:
    """The share of hits of each with Wilson's interval, and how far it lies above each side.

    What is said to be sure of the differences holds for all of them together.
    """
    many = sum(len(side.hits) > 0 for one in trials if len(one.hits) for side in one.sides)
    return tuple(_compared(one, confidence, many) for one in trials)


def _compared(one: Trials, confidence: float, many: int) -> Figure:
    if not len(one.hits):
        return Figure(one.says, Risk(one.name, None, 0.0, 1.0, 0.0, 0, note="the texts hold none of these"), ())
    sides = [side for side in one.sides if len(side.hits)]
    beside = tuple(_beside(one.name, one.hits, side, confidence, many) for side in sides)
    baseline = max((one.risk.value or 0.0 for one in beside), default=0.0)
    return Figure(one.says, replace(_share(one.name, one.hits, confidence), baseline=baseline), beside)


def _beside(name: str, hits: Hits, side: Side, confidence: float, many: int) -> Beside:
    value = float(hits.mean() - side.hits.mean())
    (low, high), (surely, at_most) = (_excess(hits, side, at) for at in (confidence, 1 - (1 - confidence) / many))
    excess = Risk(f"{name}, more than {side.of}", value, low, high, 0.0, len(hits), surely=surely)
    return Beside(side.of, _share(name, side.hits, confidence), excess, at_most)


def _share(name: str, hits: Hits, confidence: float) -> Risk:
    value = float(hits.mean())
    return Risk(name, value, *wilson(int(hits.sum()), len(hits), confidence), 0.0, len(hits))


def _excess(hits: Hits, side: Side, confidence: float) -> Interval:
    each = [wilson(int(one.sum()), len(one), confidence) for one in (hits, side.hits)]
    values = (float(hits.mean()), float(side.hits.mean()))
    alike = _correlation(hits, side.hits) if side.paired else 0.0
    return difference(each[0], each[1], values, correlation=alike)


def _correlation(one: Hits, other: Hits) -> float:
    """Of two answers to the same trials; 0 where one of them is always alike."""
    spread = math.sqrt(one.var() * other.var())
    return float(((one & other).mean() - one.mean() * other.mean()) / spread) if spread else 0.0
