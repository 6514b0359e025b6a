"""A classifier of updates, learned from updates that the adversary made."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.property.game import Trial, View, Weights


def learned(
    view: View, *, simulations: int = 32, directions: int = 16, sizes: bool = False, seed: int = 0
) -> Float[Tensor, " trials"]:
    """The log-odds that the client's records have the property, by a classifier learned for what it was sent.

    Updates are projected onto the directions in which simulated ones differ most.

    Sees: the weights that were sent out and the update of each client in each round; records of its own with the
    property and without; how clients train, and on how many records.

    Source: Melis et al., Exploiting Unintended Feature Leakage in Collaborative Learning, IEEE S&P 2019, section VI.
    Departure: a linear discriminant with a shrunken covariance in place of random forests, one for each round, and for
    each client that was sent weights of its own.

    Args:
        simulations: made-up clients of each kind, for each classifier.
        directions: at most so many.
        sizes: also look how far each weight went, whatever way: a property may push it up here and down there.
    """
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    whole(2, simulations=simulations)
    whole(1, directions=directions)
    score, groups = np.zeros(len(view.trials)), _alike(view.trials)
    for number, places in enumerate(groups):
        having, lacking = view.simulate(view.trials[places[0]], simulations, seed + number)
        made = np.stack([_flat(update, sizes) for update in (*having, *lacking)])
        kept = PCA(min(directions, len(made) - 1), svd_solver="full", whiten=False).fit(made)
        truth = np.repeat([True, False], [len(having), len(lacking)])
        judge = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(kept.transform(made), truth)
        seen = np.stack([_flat(view.trials[place].update(), sizes) for place in places])
        score[places] = judge.decision_function(kept.transform(seen))
    return torch.from_numpy(score)


def _alike(trials: tuple[Trial, ...]) -> list[list[int]]:
    """The places of trials of the same round whose clients were sent the same weights."""
    found: dict[tuple[int, str], list[int]] = {}
    for place, trial in enumerate(trials):
        found.setdefault((trial.round, trial.client if trial.apart else ""), []).append(place)
    return list(found.values())


def _flat(update: Weights, sizes: bool) -> np.ndarray:
    parts = [value.double().flatten() for _, value in sorted(update.items()) if value.is_floating_point()]
    if not parts:
        raise InputError("An update must change numbers, found none. Give a trace whose updates are seen.")
    flat = torch.cat(parts)
    return (torch.cat([flat, flat.abs()]) if sizes else flat).numpy()
