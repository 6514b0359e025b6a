"""Figures of guesses which client holds a record."""

import numpy as np
import torch
from scipy.stats import rankdata, t
from torch import Tensor

from ml_privacy_meter.findings import Group, Risk
from ml_privacy_meter.risk.intervals import normal_quantile, on_logit_scale
from ml_privacy_meter.risk.rates import excess, success
from ml_privacy_meter.source import Guesses
from ml_privacy_meter.types import Scores

FEWEST = 5  # clients of each kind; with fewer, an interval says nothing


def top_1(guesses: Guesses, *, confidence: float = 0.95) -> Risk:
    """Share of records whose client is named; ties count in parts.

    The baseline is the share of the client that holds most: who names it always is right so often. The interval is
    Clopper and Pearson's: it speaks of other records of the same clients, in this one training.
    """
    counts = torch.bincount(guesses.truth, minlength=guesses.score.shape[1])
    largest = float(counts.max()) / len(guesses.truth)
    return success(guesses.hit, baseline=largest, name="top-1 accuracy", confidence=confidence)


def above(guesses: Guesses, blind: Guesses, *, confidence: float = 0.95) -> Risk:
    """Top-1 accuracy less that of an adversary without the model, paired record by record; in [-1, 1]."""
    return excess(guesses.hit, blind.hit, name="top-1 accuracy above labels", confidence=confidence)


def by_client(guesses: Guesses, clients: tuple[str, ...], *, confidence: float = 0.95) -> tuple[Group, ...]:
    """Of each client: the share of its records that are said to be its.

    The baseline is the share of other clients' records that are said to be its: whoever names it without regard to the
    record, as often, reaches the same share of both.
    """
    found = []
    for place, name in enumerate(clients):
        own, said = guesses.truth == place, guesses.named[:, place]
        if own.any():
            others = float(said[~own].mean()) if not bool(own.all()) else 0.0
            risk = success(said[own], baseline=others, name="recall", confidence=confidence)
            found.append(Group("client", name, int(own.sum()), int((~own).sum()), (risk,)))
    return tuple(found)


def by_label(truth: Tensor, labels: Tensor, clients: int) -> Guesses:
    """What somebody guesses who knows how many records of each class each client holds, and has no model.

    Where labels are no classes: who knows how many records each client holds.
    """
    classes = labels if labels.dtype == torch.int64 else torch.zeros(len(labels), dtype=torch.int64)
    held = torch.zeros(int(classes.max()) + 1, clients, dtype=torch.float64)
    held.index_put_((classes, truth), torch.ones(len(truth), dtype=torch.float64), accumulate=True)
    return Guesses(held[classes], truth)


def clustered_auc(scores: Scores, client: np.ndarray, *, confidence: float = 0.95) -> Risk:
    """Probability that a trial with the property outscores one without, a tie counting half.

    Trials of one client go together: the interval speaks of other clients, not of further rounds of these.

    Source: Obuchowski, Nonparametric Analysis of Clustered ROC Curve Data, Biometrics 1997, on the logit scale, with
    the quantile of Student's t for the number of clients.

    Args:
        client: whose trial each is.
    """
    names, which = np.unique(client, return_inverse=True)
    truth, both = scores.truth.numpy(), rankdata(torch.cat([scores.members, scores.others]).numpy())
    m, o = int(truth.sum()), int((~truth).sum())
    kinds = [len(np.unique(which[side])) for side in (truth, ~truth)]
    if min(kinds) < FEWEST:
        note = f"needs {FEWEST} clients of each kind, found {kinds[0]} with the property and {kinds[1]} without"
        return Risk("AUC", None, 0.0, 1.0, 0.5, len(truth), note=note)
    beaten = (both[:m] - rankdata(scores.members.numpy())) / o
    beating = 1 - (both[m:] - rankdata(scores.others.numpy())) / m
    area, size = float(beaten.mean()), len(names)
    parts = [
        np.bincount(which[side], found - area, size) / len(found)
        for side, found in ((truth, beaten), (~truth, beating))
    ]
    error = float(np.sqrt(((parts[0] + parts[1]) ** 2).sum() * size / (size - 1)))
    error *= float(t.ppf((1 + confidence) / 2, size - 1)) / normal_quantile(confidence)
    low, high = on_logit_scale(area, error, min(kinds), confidence)
    return Risk("AUC", area, low, high, 0.5, len(truth))
