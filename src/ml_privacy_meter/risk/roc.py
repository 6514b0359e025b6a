"""Risk of a game of two worlds, from its scores.

Intervals speak of other records of the same source, under this one target model.
"""

import numpy as np
import torch
from jaxtyping import Bool
from scipy.stats import binom, rankdata
from torch import Tensor

from ml_privacy_meter._checks import in_range
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.risk.intervals import clopper_pearson, difference, mixed_clopper_pearson, on_logit_scale, wilson
from ml_privacy_meter.types import Scores, fold_of

FEWEST = 20  # records of either kind; below, an interval would be wider than it is worth


def auc(scores: Scores, *, confidence: float = 0.95) -> Risk:
    """Probability that a member outscores a non-member, a tie counting half.

    Source: DeLong et al., Comparing the Areas under Two or More Correlated Receiver Operating Characteristic Curves,
    Biometrics 1988, for the standard error; the interval is taken on the logit scale.
    """
    in_range(0, 1, confidence=confidence)
    m, o = len(scores.members), len(scores.others)
    if min(m, o) < FEWEST:
        return _unresolved("AUC", 0.5, scores, f"needs {FEWEST} members and {FEWEST} non-members, found {m} and {o}")
    both = rankdata(torch.cat([scores.members, scores.others]).numpy())
    beaten = (both[:m] - rankdata(scores.members.numpy())) / o  # by each member: share of non-members
    beating = 1 - (both[m:] - rankdata(scores.others.numpy())) / m  # each non-member: share of members
    area = float(beaten.mean())
    error = float(np.sqrt(beaten.var(ddof=1) / m + beating.var(ddof=1) / o))
    low, high = on_logit_scale(area, error, min(m, o), confidence)
    return Risk("AUC", area, low, high, 0.5, m + o)


def tpr_at_fpr(scores: Scores, *, fpr: float, confidence: float = 0.95) -> Risk:
    """True positive rate at a false positive rate of at most ``fpr``; both are shares in [0, 1].

    The threshold is the lowest that keeps to ``fpr`` on the non-members at hand; a tie never straddles it. That makes
    it uncertain too: how many of these non-members lie above the threshold that is right for their source is binomial.
    The interval is Clopper-Pearson, averaged over that number. With the threshold taken as given, as is the custom,
    intervals that are called 95% hold the true rate in 43 to 91% of simulations (`docs/figures.md`).
    """
    in_range(0, 1, fpr=fpr, confidence=confidence)
    m, o = len(scores.members), len(scores.others)
    name = f"TPR@{percent(fpr)}FPR"
    if round(fpr * o, 9) < 1:
        return _unresolved(name, fpr, scores, f"needs {int(np.ceil(1 / fpr))} non-members, found {o}")
    ordered, others = np.sort(scores.members.numpy()), np.sort(scores.others.numpy())[::-1]

    def members_above(allowed: np.ndarray) -> np.ndarray:
        """Members over the threshold that lets ``allowed`` non-members pass."""
        return np.where(allowed < 0, 0, m - np.searchsorted(ordered, others[allowed.clip(0, o - 1)], side="right"))

    hits = int(members_above(np.array([int(round(fpr * o, 9))]))[0])
    above = np.arange(binom.ppf(1e-9, o, fpr), min(binom.isf(1e-9, o, fpr), o - 1) + 1).astype(int)
    weight = binom.pmf(above, o, fpr)
    between = (members_above(above) + members_above(above - 1)) / 2  # the threshold lies between two non-members
    low, high = mixed_clopper_pearson(between, weight / weight.sum(), m, confidence)
    return Risk(name, hits / m, min(low, hits / m), max(high, hits / m), fpr, m)


def percent(rate: float) -> str:
    """ "0.1%" of 0.001, as it stands in the names of figures."""
    return np.format_float_positional(100 * rate, 6, fractional=False, trim="-") + "%"


def power(scores: Scores, *, confidence: float = 0.95) -> Risk:
    """Share of members that are called members, where each half of the records sets the threshold of the other half.

    The baseline is the share of the records (in equal parts) that are called members: a guess at random would reach it.
    """
    right, _ = _called(scores)
    interval = clopper_pearson(right, len(scores.members), confidence)
    return Risk("power", right / len(scores.members), *interval, _share(scores), len(scores.members))


def error(scores: Scores, *, confidence: float = 0.95) -> Risk:
    """Share of non-members that are called members; thresholds and baseline are those of `power`."""
    _, wrong = _called(scores)
    interval = clopper_pearson(wrong, len(scores.others), confidence)
    return Risk("error", wrong / len(scores.others), *interval, _share(scores), len(scores.others))


def advantage(scores: Scores, *, confidence: float = 0.95) -> Risk:
    """`power` less `error`, in [-1, 1].

    Source: Yeom et al., Privacy Risk in Machine Learning, CSF 2018, definition 4.
    """
    (right, wrong), m, o = _called(scores), len(scores.members), len(scores.others)
    shares = right / m, wrong / o
    interval = difference(wilson(right, m, confidence), wilson(wrong, o, confidence), shares)
    return Risk("advantage", shares[0] - shares[1], *interval, 0.0, m + o)


def balanced_accuracy(scores: Scores, *, confidence: float = 0.95) -> Risk:
    """Share of right calls where members and non-members are equally many, with the thresholds of `power`."""
    gained = advantage(scores, confidence=confidence)
    value, low, high = ((1 + g) / 2 for g in (gained.value or 0.0, gained.low, gained.high))
    return Risk("balanced accuracy", value, low, high, 0.5, gained.trials)


def decisions(scores: Scores) -> Bool[Tensor, " trials"]:
    """Whether each trial is called a member: above the threshold with the most advantage on the other half of them.

    Where there is no other half, as of one member and one non-member, none is.
    """
    half = torch.from_numpy(fold_of(scores.truth, 2))
    called = torch.zeros(len(scores.truth), dtype=torch.bool)
    for k in (0, 1):
        called[half == k] = scores.score[half == k] >= _best_threshold(scores, half != k)
    return called


def _best_threshold(scores: Scores, among: Bool[Tensor, " trials"]) -> float:
    truth = scores.truth[among].double()
    values, which = scores.score[among].unique(return_inverse=True)  # type: ignore[no-untyped-call]
    gain = truth / truth.sum().clamp(min=1) - (1 - truth) / (1 - truth).sum().clamp(min=1)
    advantage_from = torch.zeros(len(values), dtype=torch.float64).index_add(0, which, gain).flip(0).cumsum(0).flip(0)
    return float(values[advantage_from.argmax()]) if len(values) else torch.inf


def _called(scores: Scores) -> tuple[int, int]:
    called = decisions(scores)
    return int((called & scores.truth).sum()), int((called & ~scores.truth).sum())


def _share(scores: Scores) -> float:
    right, wrong = _called(scores)
    return (right / len(scores.members) + wrong / len(scores.others)) / 2


def _unresolved(name: str, baseline: float, scores: Scores, needs: str) -> Risk:
    return Risk(name, None, 0.0, 1.0, baseline, len(scores.truth), note=needs)
