"""Inputs of layers that are left out at random while a model is trained."""

from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.training import Defense

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def dropout(*, rate: float = 0.5) -> Defense:
    """A defense that leaves out a share of the inputs of every linear and convolutional layer but the first.

    The state dict stays that of the bare module, and dropout of its own stays where it is.

    Args:
        rate: the share, in (0, 1).
    """
    in_range(0, 1, rate=rate)
    return Defense(
        "dropout",
        {"rate": rate},
        prepare=partial(_dropping, rate=rate),
        says=f"While the model is trained, a share of {rate:g} of the inputs of inner layers is left out at random.",
    )


def _dropping(module: nn.Module, rate: float) -> nn.Module:
    layers = [part for part in module.modules() if type(part) in LAYERS]
    if len(layers) < 2:
        raise InputError(
            f"dropout needs a module with two linear or convolutional layers at least, found {len(layers)} in a "
            f"{type(module).__name__}. Put dropout into the module itself."
        )
    for layer in layers[1:]:
        layer.register_forward_pre_hook(partial(_drop, rate=rate))
    return module


def _drop(layer: nn.Module, inputs: tuple[Any, ...], rate: float) -> tuple[Any, ...]:
    x, *rest = inputs
    dropped: Tensor = F.dropout(x, rate, layer.training)
    return dropped, *rest
