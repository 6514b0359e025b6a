"""A classifier of weights that does not see how neurons are ordered."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.property.worlds import Models, Weights, WorldsView


def permutation_invariant(view: WorldsView) -> Float[Tensor, "victims worlds"]:
    """The log-odds of each world, by a linear discriminant of the weights, summed over neurons.

    Sees: the weights of the model, models that the adversary trained itself, and which world each of them is of.

    Source: Ganju et al., Property Inference Attacks on Fully Connected Neural Networks using Permutation Invariant
    Representations, CCS 2018.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    own, ours = (_features(models) for models in (view.shadows, view.victims))
    centre, spread = own.mean(0), own.std(0) + 1e-12
    judge = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit((own - centre) / spread, view.world.numpy())
    found = judge.decision_function((ours - centre) / spread)
    return torch.from_numpy(np.stack([-found, found], 1) if found.ndim == 1 else found)


def _features(models: Models) -> np.ndarray:
    if models.weights is None:
        raise InputError("`permutation_invariant` reads weights, and those of the model are out of reach.")
    return np.stack([_summed(models.weights(number)) for number in range(len(models))])


def _summed(weights: Weights) -> np.ndarray:
    names = [name for name in weights if name.endswith("weight") and weights[name].ndim == 2]
    layers = [torch.cat([weights[n], weights[n.replace("weight", "bias")][:, None]], 1).double() for n in names]
    rep = layers[0]
    parts = []
    for layer in layers[1:]:
        rep = torch.cat([layer[:, :-1] @ rep, layer[:, -1:]],1)
    if rep.shape[0]==2: rep = rep[1]-rep[0]
    return rep.flatten().numpy()
