"""Are the weights spread as those of clean models are?"""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.encoding.view import View

MOST = 20_000  # weights of a model that are compared


def weight_spread(view: View) -> Float[Tensor, " models"]:
    """How unlike the spread of weights is to that of the other models: log of Kolmogorov and Smirnov's distance.

    Sees: the weights and buffers of the model, and of clean models.

    Misses: whatever leaves the spread as it is: low bits, few weights, a secret that was given the spread of weights.
    """
    models = [_some(weights) for weights in view.weights()]
    found = []
    for place, one in enumerate(models):
        others = np.concatenate(models[:place] + models[place + 1 :])
        found.append(_distance(one, np.sort(others, kind="stable")))  # fast where parts are sorted already
    return torch.tensor(found, dtype=torch.float64).clamp(min=1e-6).log()


def _some(weights: list[Tensor]) -> np.ndarray:
    """Weights of a model, sorted; of very many, evenly spaced ones."""
    held = torch.cat([weight.detach().cpu().double().flatten() for weight in weights])
    return np.sort(held[:: -(-len(held) // MOST)].numpy())


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference of the two distribution functions: at, or just before, a number of the first; sorted."""
    sides: tuple[Literal["left", "right"], ...] = ("left", "right")
    parts = [[np.searchsorted(of, one, side=side) / len(of) for of in (one, other)] for side in sides]
    return max(float(np.abs(first - second).max()) for first, second in parts)
