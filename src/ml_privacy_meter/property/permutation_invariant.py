"""A classifier of weights that does not see how neurons are ordered."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.property.worlds import Models, Weights, WorldsView


def permutation_invariant(view: WorldsView) -> Float[Tensor, "victims worlds"]:
    """The log-likelihood of the model's weights in each world, by a linear discriminant learned from shadows.

    A network of linear layers is represented by the sum, over all paths through its neurons, of the product of the
    weights along the path: however neurons are ordered, it is the same.

    Sees: the weights of the model, models that the adversary trained itself, and which world each of them is of.

    Source: Ganju et al., Property Inference Attacks on Fully Connected Neural Networks using Permutation Invariant
    Representations, CCS 2018. There neurons pass through a network that is learned before they are summed (a DeepSet).
    Departure: they pass through the next layer's own weights, which needs no learning. On Adult, with 60 shadows, that
    named .68 to .92 of two worlds' victims, and a DeepSet .57 to .70: it learned its shadows by heart.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    own, ours = (_features(models) for models in (view.shadows, view.victims))
    if own.shape[1] != ours.shape[1]:
        raise InputError("`permutation_invariant` compares weights, and those of the model have other shapes.")
    world, worlds = view.world.numpy(), range(len(view.shares))
    mean = np.stack([own[world == one].mean(0) for one in worlds])
    spread = (own - mean[world]).std(0)
    scale, centre = np.where(spread > 0, spread, 1), own.mean(0)
    rest, mean, ours = (own - mean[world]) / scale, (mean - centre) / scale, (ours - centre) / scale
    shrinkage = ledoit_wolf_shrinkage(rest, assume_centered=True)
    turned = _inverse(rest, shrinkage, mean)
    return torch.from_numpy(ours @ turned.T - 0.5 * (mean * turned).sum(1))


def _inverse(rest: np.ndarray, shrinkage: float, mean: np.ndarray) -> np.ndarray:
    """Each mean, times the inverse of the shrunken covariance of ``rest``, which would be too wide to write down."""
    _, length, axes = np.linalg.svd(rest / len(rest) ** 0.5, full_matrices=False)
    floor = max(shrinkage * float(length @ length) / rest.shape[1], 1e-9)
    within = mean @ axes.T
    turned: np.ndarray = (within / ((1 - shrinkage) * length**2 + floor)) @ axes + (mean - within @ axes) / floor
    return turned


def _features(models: Models) -> np.ndarray:
    if models.weights is None:
        raise InputError("`permutation_invariant` reads weights, and those of the model are out of reach.")
    return np.stack([_summed(models.weights(number)) for number in range(len(models))])


def _summed(weights: Weights) -> np.ndarray:
    """For each output and input, and for each layer's biases: what its paths add up to; outputs less the first."""
    paths = None
    for name, weight in weights.items():
        if not name.endswith("weight"):
            continue
        bias = weights.get(name.removesuffix("weight") + "bias")
        if weight.ndim != 2 or (paths is not None and weight.shape[1] != len(paths)):
            raise InputError(f"`permutation_invariant` is for linear layers, one after another; `{name}` is none.")
        weight, own = weight.double(), [] if bias is None else [bias.double()[:, None]]
        paths = torch.cat([weight if paths is None else weight @ paths, *own], 1)
    if paths is None:
        raise InputError("`permutation_invariant` is for linear layers, found no weights.")
    return (paths[1:] - paths[0] if len(paths) > 1 else paths).flatten().numpy()
