"""How well guesses among several values rank them, and how much more is guessed of members than of others."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ml_privacy_meter.findings import Risk
from ml_privacy_meter.risk.intervals import Interval, difference, normal_quantile, on_logit_scale
from ml_privacy_meter.risk.rates import Hits, excess, excess_of_members, success
from ml_privacy_meter.risk.roc import FEWEST
from ml_privacy_meter.types import Scores

Odds = Float[Tensor, "records values"]
Right = Bool[Tensor, "records values"]


def area(odds: Odds, right: Right, *, baseline: float, name: str = "AUC", confidence: float = 0.95) -> Risk:
    """The mean over values of the AUC with which records that hold the value are told from the others, in [0, 1].

    Of two values whose odds are each other's inverse it is the usual AUC. The interval is DeLong's, on the logit scale.
    Values that fewer than twenty records hold, or that fewer than twenty do not, are left out.
    """
    found = _components(odds, right)
    if found is None:
        return Risk(name, None, 0.0, 1.0, baseline, len(odds), note=_too_few(len(odds)))
    value, parts = found
    low, high = _interval(value, parts, confidence)
    return Risk(name, value, low, high, baseline, len(odds))


def area_excess(odds: Odds, without: Odds, right: Right, *, name: str = "AUC excess", confidence: float = 0.95) -> Risk:
    """`area` less that of the guesses without the model, of the same records; in [-1, 1]."""
    found, other = _components(odds, right), _components(without, right)
    if found is None or other is None:
        return Risk(name, None, -1.0, 1.0, 0.0, len(odds), note=_too_few(len(odds)))
    (value, parts), (plain, others) = found, other
    together = np.stack([parts, others])
    correlation = float(np.corrcoef(together)[0, 1]) if (together.std(1) > 0).all() else 0.0
    ends = _interval(value, parts, confidence), _interval(plain, others, confidence)
    low, high = difference(*ends, (value, plain), correlation=correlation)
    return Risk(name, value - plain, low, high, 0.0, len(odds))


def surest(hits: Hits, sureness: Tensor, *, share: float, baseline: float, name: str, confidence: float = 0.95) -> Risk:
    """Share of right guesses among those that the attack is surest of, in [0, 1]; ties share their places.

    Args:
        share: of all guesses; rounded up.
    """
    taken = max(1, int(np.ceil(share * len(hits) - 1e-9)))
    order = torch.argsort(sureness, descending=True, stable=True)
    found, sure = hits.double()[order], sureness[order]
    tied = sure == sure[taken - 1]
    found = torch.where(tied, found[tied].mean(), found)[:taken]
    return success(found, baseline=baseline, name=name, confidence=confidence)


def leak(
    hits: Hits,
    without: Hits,
    member: Bool[Tensor, " records"],
    *,
    name: str = "excess on members",
    confidence: float = 0.95,
) -> Risk:
    """How much more often guesses are right of members, than without the model and than the same gains on others.

    The smaller of two figures in [-1, 1]: `excess` on members, and that less `excess` on non-members. Both must lie
    above 0 to speak of a leak of training records: guesses worse than those without the model give nothing away by
    being yet worse on non-members. Its interval runs from the lower of their lower ends to the lower of their upper
    ends; the lower end needs no correction for there being two.

    Source: Berger, Multiparameter Hypothesis Testing and Acceptance Sampling, Technometrics 1982 (intersection-union).
    """
    own = excess(hits[member], without[member], confidence=confidence)
    both = own, excess_of_members(hits, without, member, confidence=confidence)
    return _smaller(both, name, len(member))


def area_leak(
    odds: Odds,
    without: Odds,
    right: Right,
    member: Bool[Tensor, " records"],
    *,
    name: str = "AUC excess on members",
    confidence: float = 0.95,
) -> Risk:
    """`leak` of `area` in place of the share of right guesses."""
    one, two = (area_excess(odds[of], without[of], right[of], confidence=confidence) for of in (member, ~member))
    if one.value is None or two.value is None:
        return Risk(name, None, -1.0, 1.0, 0.0, len(member), note=one.note or two.note)
    low, high = difference((one.low, one.high), (two.low, two.high), (one.value, two.value))
    return _smaller((one, Risk(name, one.value - two.value, low, high, 0.0, len(member))), name, len(member))


def surest_leak(
    hits: tuple[Hits, Hits],
    sureness: tuple[Tensor, Tensor],
    member: Bool[Tensor, " records"],
    *,
    share: float,
    name: str = "excess of the surest on members",
    confidence: float = 0.95,
) -> Risk:
    """`leak` of `surest`: the guesses that each adversary is surest of, which may be of different records.

    They are taken as independent, which makes the interval wider where they are of the same records.

    Args:
        hits, sureness: with the model, and without.
    """
    gains: list[tuple[float, Interval]] = []
    for of in (member, ~member):
        with_it, without = (
            surest(hit[of], sure[of], share=share, baseline=0.0, name=name, confidence=confidence)
            for hit, sure in zip(hits, sureness, strict=True)
        )
        values = with_it.value or 0.0, without.value or 0.0
        ends = difference((with_it.low, with_it.high), (without.low, without.high), values)
        gains.append((values[0] - values[1], ends))
    (one, inner), (two, outer) = gains
    low, high = difference(inner, outer, (one, two))
    both = Risk(name, one, *inner, 0.0, len(member)), Risk(name, one - two, low, high, 0.0, len(member))
    return _smaller(both, name, len(member))


def fewer(errors: Tensor, without: Tensor, *, name: str, confidence: float = 0.95) -> Risk:
    """Mean error, in the unit of what is guessed; its baseline is that of the guesses without the model.

    The interval is the normal one of a mean.
    """
    value, half = float(errors.mean()), normal_quantile(confidence) * float(errors.std()) / len(errors) ** 0.5
    return Risk(name, value, max(0.0, value - half), value + half, float(without.mean()), len(errors))


def _smaller(both: tuple[Risk, Risk], name: str, trials: int) -> Risk:
    value, low, high = (min(getattr(one, end) for one in both) for end in ("value", "low", "high"))
    return Risk(name, value, low, high, 0.0, trials)


def _components(odds: Odds, right: Right) -> tuple[float, np.ndarray] | None:
    """The mean AUC, and of each record how far it moves it; None where no value can be looked at.

    Source: DeLong et al., Biometrics 1988: the mean of the parts' squares over the records is the AUC's variance.
    """
    areas, parts = [], []
    for value in range(odds.shape[1]):
        truth = right[:, value]
        if min(int(truth.sum()), int((~truth).sum())) >= FEWEST:
            one, part = _one_against_rest(Scores(odds[:, value], truth))
            areas.append(one)
            parts.append(part)
    return (float(np.mean(areas)), np.mean(parts, 0)) if areas else None


def _one_against_rest(scores: Scores) -> tuple[float, np.ndarray]:
    from scipy.stats import rankdata

    truth, n = scores.truth.numpy(), len(scores.truth)
    ranks, within = rankdata(scores.score.numpy()), np.empty(n)
    for side in (truth, ~truth):
        within[side] = rankdata(scores.score.numpy()[side])
    holders = int(truth.sum())
    beaten = (ranks - within) / np.where(truth, n - holders, holders)
    value = float(beaten[truth].mean())
    return value, np.where(truth, (beaten - value) * n / holders, (1 - value - beaten) * n / (n - holders))


def _interval(value: float, parts: np.ndarray, confidence: float) -> Interval:
    return on_logit_scale(value, float(np.sqrt((parts**2).sum()) / len(parts)), len(parts), confidence)


def _too_few(records: int) -> str:
    return f"needs a value that {FEWEST} records hold and {FEWEST} do not, found none in {records} records"
