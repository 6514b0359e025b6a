"""A claim of differential privacy, as the trade-off between the two errors of whoever looks for one record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, inf, log

import numpy as np
from jaxtyping import Float
from scipy.special import expit, ndtr, ndtri

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.risk.gaussian import gaussian_epsilon

Rates = Float[np.ndarray, " rates"]
CELLS = 100_000  # of false positive rates; areas and advantages are at most one cell's width too high
ADJACENCY = "for one record added or removed"


@dataclass(frozen=True, eq=False)
class Guarantee:
    """What is claimed for a training run: nobody tells by its result whether one record was in it, but so well.

    The ceilings hold for every attack, on average over training runs, whatever it knows of the other records.

    Args:
        says: the claim in words.
        beta: the smallest false negative rate at each false positive rate: the trade-off curve, from 1 down to 0.
        follows: the epsilon that follows from the claim at a delta; infinite where none does.
    """

    says: str
    beta: Callable[[Rates], Rates]
    follows: Callable[[float], float]

    def epsilon(self, delta: float) -> float:
        """Epsilon at ``delta``, in nats, that follows from the claim; infinite where none does."""
        if not 0 <= delta < 1:
            raise InputError(f"`delta` must be at least 0 and below 1, found {delta!r}.")
        return self.follows(delta)

    def tpr(self, fpr: float) -> float:
        """Largest true positive rate, in [0, 1], at a false positive rate."""
        if not 0 <= fpr <= 1:
            raise InputError(f"`fpr` must lie between 0 and 1, found {fpr!r}.")
        return float(self.tprs(np.array([fpr]))[0])

    def tprs(self, fpr: Rates) -> Rates:
        """Largest true positive rate, in [0, 1], at each false positive rate."""
        return np.asarray(np.clip(1 - self.beta(fpr), fpr, 1.0))

    def auc(self) -> float:
        """Largest AUC, in [0.5, 1]; rounded up by at most 0.00001."""
        fpr = np.linspace(0, 1, CELLS + 1)
        return min(1.0, float(self.tprs(fpr)[1:].mean()))

    def advantage(self) -> float:
        """Largest true positive rate less false positive rate, in [0, 1]; rounded up by at most 0.00001."""
        fpr = np.linspace(0, 1, CELLS + 1)
        return min(1.0, float((self.tprs(fpr)[1:] - fpr[:-1]).max()))


def approximate(*, epsilon: float | Sequence[float], delta: float | Sequence[float]) -> Guarantee:
    """The claim of (epsilon, delta)-differential privacy, or of several such pairs that hold together.

    Source: Wasserman and Zhou, A Statistical Framework for Differential Privacy, JASA 2010; Kairouz, Oh and Viswanath,
    The Composition Theorem for Differential Privacy, ICML 2015, for the two errors.

    Args:
        epsilon: in nats, at least 0.
        delta: in [0, 1), as many as there are of ``epsilon``.
    """
    pairs = _pairs(epsilon, delta)

    def beta(fpr: Rates) -> Rates:
        steep = [1 - d - exp(min(e, 700)) * fpr for e, d in pairs]  # more than exp(709) is no float
        flat = [exp(-e) * (1 - d - fpr) for e, d in pairs]
        return np.asarray(np.max([np.zeros_like(fpr), *steep, *flat], axis=0))

    def follows(at: float) -> float:
        return min(_weakened(e, d, at) for e, d in pairs)

    named = " and ".join(f"epsilon {e:g}" + (f" at delta {d:g}" if d else " (pure)") for e, d in pairs)
    return Guarantee(f"{named}, {ADJACENCY}", beta, follows)


def pure(*, epsilon: float) -> Guarantee:
    """The claim of epsilon-differential privacy, with a delta of 0."""
    return approximate(epsilon=epsilon, delta=0.0)


def gaussian(*, mu: float) -> Guarantee:
    """The claim of Gaussian differential privacy: as hard to tell as two normal distributions ``mu`` apart.

    Source: Dong, Roth and Su, Gaussian Differential Privacy, JRSS B 2022.
    """
    if not 0 <= mu < inf:
        raise InputError(f"`mu` must be at least 0 and finite, found {mu!r}.")

    def beta(fpr: Rates) -> Rates:
        return np.asarray(ndtr(-ndtri(fpr) - mu))

    def follows(delta: float) -> float:
        return gaussian_epsilon(mu, delta) if delta else inf if mu else 0.0

    return Guarantee(f"Gaussian differential privacy with mu {mu:g}, {ADJACENCY}", beta, follows)


def _pairs(epsilon: float | Sequence[float], delta: float | Sequence[float]) -> list[tuple[float, float]]:
    both = [list(each) if isinstance(each, Sequence) else [each] for each in (epsilon, delta)]
    if not both[0] or len(both[0]) != len(both[1]):
        raise InputError(
            f"A delta stands beside each epsilon, found {len(both[0])} of epsilon, {len(both[1])} of delta."
        )
    for e, d in zip(*both, strict=True):
        if not 0 <= e < inf:
            raise InputError(f"`epsilon` must be at least 0 and finite, found {e!r}.")
        if not 0 <= d < 1:
            raise InputError(f"`delta` must be at least 0 and below 1, found {d!r}.")
    return [(float(e), float(d)) for e, d in zip(*both, strict=True)]


def _weakened(epsilon: float, delta: float, at: float) -> float:
    """The epsilon at another delta that follows from this pair: by the corner of its curve."""
    if at < delta:
        return inf
    if at == delta:
        return epsilon
    corner = (1 - delta) * float(expit(-epsilon))  # where both errors are equal
    left = (1 - at - corner) / corner if corner else inf
    return max(0.0, log(left)) if left > 0 else 0.0
