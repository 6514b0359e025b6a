"""How much of a data set was the target model trained on?"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor

from ml_privacy_meter._checks import in_range
from ml_privacy_meter.membership.bavaria import bavaria
from ml_privacy_meter.membership.game import as_rehearsed, rehearsals
from ml_privacy_meter.membership.view import Attack, View


@dataclass(frozen=True)
class Usage:
    """The share of a data set that the target model was trained on, in [0, 1], with its interval.

    Args:
        tpr: share of members called members when a reference model plays the target; mean over reference models.
        fpr: the same of non-members.
        records: in the data set.
    """

    share: float
    low: float
    high: float
    tpr: float
    fpr: float
    records: int


def dataset_usage(view: View, *, attack: Attack = bavaria, confidence: float = 0.95, seed: int = 0) -> Usage:
    """Share of the view's records that the target was trained on: (called members - FPR) / (TPR - FPR).

    Threshold and rates come of rehearsals: of reference models that play the target. They hold for a target trained
    like these, on as many records, whatever their share of this data set. Offline, where the references were trained on
    the population, they hold if it is like the data set.

    The interval is Fieller's: of all shares p at which the called members differ from p TPR + (1 - p) FPR by no more
    than is usual. What is usual is how much both rates vary and covary over the reference models (which holds the noise
    of counting, too), but no less than a binomial count; it is widened for rates that are means of so few models, and
    taken times a quantile of Student's t. Where the rates do not differ, the interval is [0, 1]. It errs on the wide
    side, mostly where models differ little.

    Source: Tong et al., How Much of My Dataset Did You Use?, ICLR 2025 (DUCI). Theirs can debias each record's decision
    by rates of its own; few references know those of all records together, so ours are pooled. The interval is ours.

    Args:
        attack: whose scores are thresholded: the stronger, the narrower the interval.
    """
    in_range(0, 1, confidence=confidence)
    played, called = [], []
    for game in rehearsals(view):
        played.append(game.play(attack))
        called.append(attack(as_rehearsed(view, game.view, seed=seed)))
    least = _threshold(torch.cat([s.score for s in played]), torch.cat([s.truth for s in played]))
    tpr = np.array([float((s.members >= least).double().mean()) for s in played])
    fpr = np.array([float((s.others >= least).double().mean()) for s in played])
    mean = float((torch.stack(called) >= least).double().mean())
    share, low, high = _share(mean, tpr, fpr, len(view.records), confidence)
    return Usage(share, low, high, float(tpr.mean()), float(fpr.mean()), len(view.records))


def _threshold(score: Tensor, truth: Tensor) -> Tensor:
    """The score from which "member" is said: where TPR - FPR is largest."""
    order = score.argsort(descending=True)
    ahead = (truth[order].double() / truth.sum() - (~truth[order]).double() / (~truth).sum()).cumsum(0)
    last = torch.cat([score[order].diff() != 0, torch.ones(1, dtype=torch.bool)])  # of those with one score
    return score[order][ahead.masked_fill(~last, -1).argmax()]


def _share(
    mean: float, tpr: np.ndarray, fpr: np.ndarray, records: int, confidence: float
) -> tuple[float, float, float]:
    """The share that explains the mean decision best, and all that explain it well enough (Fieller's interval)."""
    t, f, models = float(tpr.mean()), float(fpr.mean()), len(tpr)
    if t <= f:
        return 0.5, 0.0, 1.0
    mean = float(np.clip(mean, f, t))
    p = np.linspace(0, 1, 2001)
    spread = np.cov(tpr, fpr)
    between = p**2 * spread[0, 0] + (1 - p) ** 2 * spread[1, 1] + 2 * p * (1 - p) * spread[0, 1]
    chance = (p * t * (1 - t) + (1 - p) * f * (1 - f)) / records
    usual = np.sqrt(np.maximum(between, chance) * (1 + 1 / models))
    fits = p[np.abs(mean - p * t - (1 - p) * f) <= student.ppf((1 + confidence) / 2, models - 1) * usual]
    share = (mean - f) / (t - f)
    return share, min(share, float(fits.min(initial=1))), max(share, float(fits.max(initial=0)))
