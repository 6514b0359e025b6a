"""What the inner layers of a model give for each record."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals.layers import layer, uncompiled
from ml_privacy_meter.signals.reader import evaluating
from ml_privacy_meter.types import Model

_AT_ONCE = 1024


def activations(model: Model, x: Any, y: Tensor, *, of: str | int) -> Float[Tensor, "records features"]:
    """What a layer gives for each record, flat; of a layer that is called several times, all that it gives.

    Source: Nasr, Shokri, and Houmansadr, Comprehensive Privacy Analysis of Deep Learning, IEEE S&P 2019.

    Args:
        of: the layer's name in `named_modules`, or its number among the layers: the first is 1.

    Raises:
        InputError: there is no such layer (the message lists them), or it gives nothing for each record.
    """
    part = layer(model, of)
    some = np.arange(3) % len(y)
    three = x.iloc[some] if isinstance(x, pd.DataFrame) else x[some]
    axes = [_axis(a, b) for a, b in zip(_given(model, part, three), _given(model, part, three[:2]), strict=False)]
    if not axes or -1 in axes:
        raise InputError(
            f"Layer {of!r} must give one tensor with a row for each record when the model is called, found "
            f"{'one of another shape' if axes else 'none'}. Choose another layer: those of scripted models are not "
            "seen."
        )
    parts = []
    for start in range(0, len(y), _AT_ONCE):
        given = _given(model, part, x[start : start + _AT_ONCE])
        records = min(_AT_ONCE, len(y) - start)
        rows = [out.movedim(axis, 0).reshape(records, -1) for out, axis in zip(given, axes, strict=True)]
        parts.append(torch.cat(rows, 1).double())
    return torch.cat(parts)


def _given(model: Any, part: nn.Module, x: Any) -> list[Tensor]:
    """What the part gives when the model is asked, in the order of its calls; of several tensors, the first."""
    seen: list[Tensor] = []

    def note(_: nn.Module, args: Any, given: Any) -> None:
        while isinstance(given, tuple | list) and given:
            given = given[0]
        if isinstance(given, Tensor):
            seen.append(given.detach().clone())  # operations in place may change it afterwards

    handle = part.register_forward_hook(note)
    devices = {t.device for t in model.parameters() if t.is_cuda}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=devices), evaluating(model), uncompiled(model):
            model(x)
    finally:
        handle.remove()
    return seen


def _axis(three: Tensor, two: Tensor) -> int:
    """The axis that grows with the records; -1 where there is none, or more than one."""
    if three.ndim != two.ndim:
        return -1
    grown = [i for i, (n, m) in enumerate(zip(three.shape, two.shape, strict=True)) if n * 2 == m * 3]
    return grown[0] if len(grown) == 1 else -1


vars(activations).update(access="parameters", sign=1)
