"""Signals that follow from the gradient of each record's own loss with respect to the model's parameters."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals import ghost, passes
from ml_privacy_meter.signals.layers import Of, chosen, part_with_parameters
from ml_privacy_meter.signals.plan import TRIED, Plan, plan_of, take_gradients
from ml_privacy_meter.types import Model

_BYTES = 2**27  # what the records of one pass take on the way, on a CPU


def gradient_norm(model: Model, x: Any, y: Tensor, *, of: Of = "all") -> Float[Tensor, " records"]:
    """L2 norm of the gradient of each record's loss with respect to the chosen parameters.

    The loss is that of `loss`, in nats; of a quantity, the squared error.

    Source: Nasr, Shokri, and Houmansadr, Comprehensive Privacy Analysis of Deep Learning, IEEE S&P 2019.

    Args:
        of: "all" parameters that are trained, "last": those of the last layer that has any, or names of parameters or
            layers, or numbers of layers with parameters: the first is 1.
    """
    wanted = chosen(model, of)

    def norm(plan: Plan, x: Any, y: Tensor) -> Tensor:
        squares = torch.zeros(len(y), dtype=torch.float64, device=_device(wanted))

        def take(rows: slice, name: str, use: ghost.Use) -> None:
            squares[rows] += ghost.square(use)

        return take_gradients(model, wanted, plan, x, y, take) * squares.sqrt()

    return _in_parts(model, wanted, x, y, norm, room=0)


def log_gradient_norm(model: Model, x: Any, y: Tensor, *, of: Of = "all") -> Float[Tensor, " records"]:
    """Natural logarithm of `gradient_norm`: over models, it is nearer to a normal distribution."""
    return gradient_norm(model, x, y, of=of).clamp(min=torch.finfo(torch.float64).tiny).log()


def gradients(model: Model, x: Any, y: Tensor, *, of: Of = "all") -> Float[Tensor, "records parameters"]:
    """Gradient of each record's loss with respect to the chosen parameters, flat, in the order of `named_parameters`.

    Args:
        of: as in `gradient_norm`.
    """
    wanted = chosen(model, of)
    sizes = [p.numel() for p in wanted.values()]
    starts = {name: sum(sizes[:i]) for i, name in enumerate(wanted)}

    def flat(plan: Plan, x: Any, y: Tensor) -> Tensor:
        all_of = torch.zeros(len(y), sum(sizes), dtype=torch.float64, device=_device(wanted))

        def take(rows: slice, name: str, use: ghost.Use) -> None:
            all_of[rows, starts[name] : starts[name] + wanted[name].numel()] = ghost.whole(use)

        return all_of.mul_(take_gradients(model, wanted, plan, x, y, take)[:, None])

    return _in_parts(model, wanted, x, y, flat, room=20 * sum(sizes))


def gradient_factors(model: Model, x: Any, y: Tensor, *, of: str | int) -> Float[Tensor, "records features"]:
    """Gradient of each record's loss by a linear layer's output, then the layer's input.

    The gradient by the layer's weight is the outer product of the two.

    Raises:
        InputError: the layer is not linear, or does not see each record once, as one row.
    """
    part = part_with_parameters(model, of)
    weight = getattr(part, "weight", None)
    wanted = {name: p for name, p in chosen(model, of).items() if p is weight}

    def factors(plan: Plan, x: Any, y: Tensor) -> Tensor:
        uses: list[ghost.Use] = []
        scale = take_gradients(model, wanted, plan, x, y, lambda rows, name, use: uses.append(use))
        use = uses[0] if isinstance(part, nn.Linear) and len(wanted) == len(uses) == 1 else None
        if isinstance(use, ghost.Outer) and use.a.shape[1:3] == (1, 1):
            return torch.cat([use.b[:, 0, 0] * scale[:, None], use.a[:, 0, 0].double()], 1)
        raise InputError(
            f"A gradient has two factors where a linear layer sees each record once, as one row; layer {of!r}, a "
            f"{type(part).__name__}, does not. Take `gradients` of it, or choose another."
        )

    return _in_parts(model, wanted or chosen(model, of), x, y, factors, room=0)


def _device(wanted: passes.Weights) -> torch.device:
    return next(iter(wanted.values())).device


def _in_parts(
    model: Model, wanted: passes.Weights, x: Any, y: Tensor, signal: Callable[[Plan, Any, Tensor], Tensor], *, room: int
) -> Tensor:
    """The signal of all records, asked in parts that fit into memory."""
    if 0 < len(y) < TRIED:  # a record more than once, so that a plan can be made
        again = np.arange(TRIED) % len(y)
        more = x.iloc[again] if isinstance(x, pd.DataFrame) else x[again]
        return _in_parts(model, wanted, more, y[again], signal, room=room)[: len(y)]
    parts: list[Tensor] = []
    start, device = 0, _device(wanted)
    with torch.inference_mode(False), torch.no_grad():
        if isinstance(x, Tensor) and x.is_inference():  # autograd could not look back through them
            x = x.clone()
        y = y.to(device, copy=y.is_inference())
        plan = plan_of(model, wanted, x)
        budget = _BYTES if device.type == "cpu" else torch.cuda.mem_get_info(device)[0] // 4
        size = min(len(y), max(1, budget // max(1, plan.room + room)))
        while start < len(y):
            rows = slice(start, start + size)
            try:
                parts.append(signal(plan, x[rows], y[rows]))
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                size //= 2
            else:
                start += size
        return torch.cat(parts)


for _signal, _sign in {gradient_norm: -1, log_gradient_norm: -1, gradients: 1, gradient_factors: 1}.items():
    vars(_signal).update(access="parameters", sign=_sign)
