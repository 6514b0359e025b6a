"""Is the model as sure of noise as clean models are?"""

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError, one_of
from ml_privacy_meter.encoding.view import NOISE, View


def sure_of_noise(view: View, *, kind: str = "shuffled") -> Float[Tensor, " models"]:
    """How sure the model is of inputs that mean nothing: mean log-odds of the class that it takes each for.

    Sees: the answers of the model and of clean models to inputs of noise; no weights.

    Misses: few made-up inputs among many records, and those unlike the noise that is tried.

    Args:
        kind: "uniform" within the range of the records' features; "shuffled", each feature from another record; or
            "sparse", all features at their least but one in twenty.
    """
    one_of(kind, NOISE, "kind")
    found = []
    for logits in view.answers(kind):
        if logits.ndim != 2 or logits.shape[1] < 2:
            raise InputError("Sureness is that of a class, found a model whose answers are no classes.")
        top, rest = logits.double().sort(dim=1, descending=True).values.tensor_split([1], dim=1)
        found.append((top[:, 0] - rest.logsumexp(1)).clamp(-50, 50).mean())
    return torch.stack(found)
