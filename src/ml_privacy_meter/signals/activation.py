"""What the inner layers of a model give for each record."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals.layers import layer
from ml_privacy_meter.signals.reader import evaluating
from ml_privacy_meter.types import Model


def activations(model: Model, x: Any, y: Tensor, *, of: str | int) -> Float[Tensor, "records features"]:
    """What the layer gives for each record, flat."""
    part = layer(model, of)
    seen: list[Tensor] = []

    def note(module: Any, args: Any, given: Any) -> None:
        seen.append((given[0] if isinstance(given, tuple) else given).detach().clone())

    handle = part.register_forward_hook(note)
    try:
        with torch.no_grad(), evaluating(model):
            model(x)
    finally:
        handle.remove()
    if not seen:
        raise InputError(f"The layer {of!r} gave no output.")
    return torch.cat([given.reshape(len(y), -1) for given in seen], 1).double()


vars(activations).update(access="parameters")
