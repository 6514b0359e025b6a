"""Figures of guesses which client holds a record."""

import numpy as np
import torch
from torch import Tensor

from ml_privacy_meter.findings import Group, Risk
from ml_privacy_meter.risk.intervals import difference, mixed_clopper_pearson, wilson
from ml_privacy_meter.source import Guesses


def top_1(guesses: Guesses, *, confidence: float = 0.95) -> Risk:
    """Share of records whose client is named; ties count in parts.

    The baseline is the share of the client that holds most: who names it always is right so often. The interval is
    Clopper and Pearson's: it speaks of other records of the same clients, in this one training.
    """
    counts = torch.bincount(guesses.truth, minlength=guesses.score.shape[1])
    largest = float(counts.max()) / len(guesses.truth)
    return _share("top-1 accuracy", guesses.hit, largest, confidence)


def above(guesses: Guesses, blind: Guesses, *, confidence: float = 0.95) -> Risk:
    """Top-1 accuracy less that of an adversary without the model, paired record by record; in [-1, 1]."""
    pair = np.stack([guesses.hit.numpy(), blind.hit.numpy()])
    values, trials = pair.mean(1), pair.shape[1]
    correlation = float(np.corrcoef(pair)[0, 1]) if (pair.std(1) > 0).all() else 0.0
    ends = [wilson(value * trials, trials, confidence) for value in values]
    low, high = difference(ends[0], ends[1], (values[0], values[1]), correlation=correlation)
    return Risk("top-1 accuracy above labels", float(values[0] - values[1]), low, high, 0.0, trials)


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
            risk = _share("recall", said[own], others, confidence)
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


def _share(name: str, hit: Tensor, baseline: float, confidence: float) -> Risk:
    hits, trials = float(hit.sum()), len(hit)
    low, high = mixed_clopper_pearson(np.array([hits]), np.array([1.0]), trials, confidence)
    return Risk(name, hits / trials, low, high, baseline, trials)
