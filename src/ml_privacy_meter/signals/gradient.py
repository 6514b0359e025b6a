"""Signals that follow from the gradient of each record's own loss with respect to the model's parameters."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.signals.classifier import loss
from ml_privacy_meter.signals.layers import Of, chosen, layer, trainable
from ml_privacy_meter.signals.reader import evaluating
from ml_privacy_meter.types import Model


def gradient_norm(model: Model, x: Any, y: Tensor, *, of: Of = "all") -> Float[Tensor, " records"]:
    """L2 norm of the gradient of each record's loss with respect to the chosen parameters."""
    norm: Tensor = torch.linalg.vector_norm(gradients(model, x, y, of=of), dim=1)
    return norm


def log_gradient_norm(model: Model, x: Any, y: Tensor, *, of: Of = "all") -> Float[Tensor, " records"]:
    """Natural logarithm of the gradient norm: over models, it is nearly Gaussian."""
    return gradient_norm(model, x, y, of=of).clamp(min=1e-150).log()


def gradients(model: Model, x: Any, y: Tensor, *, of: Of = "all") -> Float[Tensor, "records parameters"]:
    """The gradient of each record's loss with respect to the chosen parameters, flat, in the order of their names."""
    parameters = list(chosen(model, of).values())
    flags = [p.requires_grad for p in parameters]
    rows = []
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model):
        try:
            for p in parameters:
                p.requires_grad_(True)
            for i in range(len(y)):
                one = loss(model, x[i : i + 1], y[i : i + 1]).sum()
                found = torch.autograd.grad(one, parameters, allow_unused=True, materialize_grads=True)
                rows.append(torch.cat([g.double().flatten() for g in found]))
        finally:
            for p, flag in zip(parameters, flags, strict=True):
                p.requires_grad_(flag)
    return torch.stack(rows)


def gradient_factors(model: Model, x: Any, y: Tensor, *, of: str | int) -> Float[Tensor, "records features"]:
    """The gradient by a linear layer's output, then its input: the outer product of both is its weight's gradient."""
    part = list(trainable(model).values())[of - 1] if isinstance(of, int) else layer(model, of)
    seen: list[Any] = []
    handle = part.register_forward_hook(lambda module, args, out: seen.append((args[0], out)))
    flag = bool(part.weight.requires_grad)
    try:
        with torch.inference_mode(False), torch.enable_grad(), evaluating(model):
            part.get_parameter("weight").requires_grad_(True)
            total = loss(model, x, y).sum()
            (a, out) = seen[0]
            (b,) = torch.autograd.grad(total, [out])
    finally:
        handle.remove()
        part.get_parameter("weight").requires_grad_(flag)
    return torch.cat([b, a.detach()], 1).double()


for _signal, _sign in {gradient_norm: -1, log_gradient_norm: -1, gradients: 1, gradient_factors: 1}.items():
    vars(_signal).update(access="parameters", sign=_sign)
