"""Do neighbouring weights go together as those of clean models do?"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.encoding.view import View, each_beside_the_others


def weight_patterns(view: View, *, lags: int = 64) -> Float[Tensor, " models"]:
    """How unlike weights and their signs go together with later ones: log of the largest difference of correlations.

    Sees: the weights and buffers of the model, in their order, and those of clean models. Pictures and texts that lie
    in consecutive weights bring their own patterns with them.

    Misses: a secret that was encrypted, compressed or put in an order that was agreed on.

    Args:
        lags: how far apart weights are compared.
    """
    features = torch.stack([_correlations(weights, lags) for weights in view.weights()])
    return each_beside_the_others(features).abs().amax(1).clamp(min=1e-9).log()


def _correlations(weights: list[Tensor], lags: int) -> Float[Tensor, " lags"]:
    """Of weights with those 1, 2, ... places later, and of their signs."""
    held = torch.cat([weight.detach().cpu().double().flatten() for weight in weights]).numpy()
    found = []
    for row in (held, np.sign(held)):
        row = row - row.mean()
        spectrum = np.fft.rfft(row, 2 * len(row) + lags)
        found.append(np.fft.irfft(np.abs(spectrum) ** 2)[1 : lags + 1] / max(float(row @ row), 1e-300))
    return torch.from_numpy(np.concatenate(found))
