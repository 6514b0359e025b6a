"""An attack at a threshold that was set without the target."""

from collections.abc import Sequence

import numpy as np

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.findings import Carried, Risk
from ml_privacy_meter.risk.intervals import clopper_pearson
from ml_privacy_meter.risk.roc import percent
from ml_privacy_meter.types import Scores


def carried(scores: Scores, rehearsed: Sequence[Scores], *, fpr: float, confidence: float = 0.95) -> Carried:
    """Both rates on the target at the lowest threshold that keeps to ``fpr`` on the non-members of all rehearsals.

    So does an adversary who has models of its own, and cannot know which records the target was not trained on. The
    false positive rate that is reached on the target is another than the intended one, and stands beside. A tie never
    straddles the threshold. For the target it is a given number, so Clopper and Pearson's intervals are exact.

    Args:
        rehearsed: the attack's scores where a reference model played the target, one for each that did.
    """
    in_range(0, 1, fpr=fpr, confidence=confidence)
    if not rehearsed:
        raise InputError("A threshold is carried over from rehearsals, found none. Give the scores of one or more.")
    tpr_name, reached_name = (f"{rate} ({percent(fpr)}FPR intended)" for rate in ("TPR", "FPR"))
    others = np.concatenate([one.others.numpy() for one in rehearsed])
    allowed, m, o = int(round(fpr * len(others), 9)), len(scores.members), len(scores.others)
    if allowed < 1:
        needs = f"needs {int(np.ceil(1 / fpr))} non-members in rehearsals, found {len(others)}"
        reached = Risk(reached_name, None, 0.0, 1.0, fpr, o, note=needs)
        return Carried(fpr, Risk(tpr_name, None, 0.0, 1.0, fpr, m, note=needs), reached)
    first = len(others) - 1 - allowed  # the highest that must not pass
    threshold = float(np.partition(others, first)[first])
    right, wrong = int((scores.members > threshold).sum()), int((scores.others > threshold).sum())
    reached = Risk(reached_name, wrong / o, *clopper_pearson(wrong, o, confidence), fpr, o)
    tpr = Risk(tpr_name, right / m, *clopper_pearson(right, m, confidence), wrong / o, m)
    return Carried(fpr, tpr, reached)
