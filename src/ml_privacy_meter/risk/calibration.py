"""Do membership probabilities mean what they say?"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Bin, Calibration
from ml_privacy_meter.risk.intervals import clopper_pearson
from ml_privacy_meter.types import Scores


def reliability(
    probability: Float[Tensor, " records"],
    truth: Bool[Tensor, " records"],
    *,
    judged: Float[Tensor, " records"] | None = None,
    bins: int = 10,
    confidence: float = 0.95,
) -> Calibration:
    """The share of members among records of like probability, bin by bin, and how far it is from what they say.

    Under even odds, as membership probabilities are: where members and non-members differ in number, either kind
    counts one half in all. Bins are equally wide; empty ones are left out.

    Args:
        judged: probabilities of the same records to take the error of, where the others were learned from these very
            records and so would seem better than they are: see `cross_fitted`.
    """
    found = _bins(probability, truth, bins, confidence)
    apart = found if judged is None else _bins(judged, truth, bins, confidence)
    return Calibration(found, *expected_calibration_error(apart))


def _bins(
    probability: Float[Tensor, " records"], truth: Bool[Tensor, " records"], bins: int, confidence: float
) -> tuple[Bin, ...]:
    Scores(probability, truth)  # finite, and of both kinds
    if bins < 1 or bool(((probability < 0) | (probability > 1)).any()):
        raise InputError("A reliability plot takes probabilities in [0, 1] and a bin or more.")
    p, member = probability.double().numpy(), truth.numpy()
    weight = np.where(member, 0.5 / member.sum(), 0.5 / (~member).sum())
    place = np.minimum((p * bins).astype(int), bins - 1)
    found = []
    for k in np.unique(place):
        here = place == k
        m, o = int((here & member).sum()), int((here & ~member).sum())
        shares = (m / (m + o), *clopper_pearson(m, m + o, confidence))
        share, low, high = (_even(share, int(member.sum()), int((~member).sum())) for share in shares)
        mean = float(np.average(p[here], weights=weight[here]))
        found.append(Bin(float(k / bins), float((k + 1) / bins), mean, share, low, high, m, o))
    return tuple(found)


def expected_calibration_error(bins: Sequence[Bin]) -> tuple[float, float]:
    """Mean distance, over records, of the share of members in a bin from its mean probability; and what luck makes it.

    Luck: its mean if every probability were exactly right, from the number of records in each bin.

    Source: Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015.
    """
    m, o, p, share = np.array([(one.members, one.non_members, one.probability, one.share) for one in bins]).T
    members, others = m.sum(), o.sum()
    weight = (m / members + o / others) / 2
    spread = np.sqrt(p * (1 - p) / (m + o) / (members * others)) * (p * members + (1 - p) * others)
    return float(weight @ np.abs(share - p)), float(weight @ spread * np.sqrt(2 / np.pi))


def _even(share: float, members: int, others: int) -> float:
    """A share of members as it would be if both kinds were equally many."""
    return share * others / (share * others + (1 - share) * members)
