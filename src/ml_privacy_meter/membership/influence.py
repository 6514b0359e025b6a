"""How far would training on the record once more move the target's last layer?"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.membership.marks import needs_population, sees_parameters
from ml_privacy_meter.membership.view import View, learns
from ml_privacy_meter.signals.layers import trainable, uncompiled
from ml_privacy_meter.types import Model, OutputSignal

MOST = 2048  # inputs of the layer, or else known records, whose products are taken


@sees_parameters
@learns
@needs_population
def influence(view: View, *, damping: float = 0.1) -> Float[Tensor, " records"]:
    """Minus the logarithm of the length of H^-1 g: g is the gradient of the record's loss by the target's last layer.

    H is the Hessian, by the same weights, of the mean loss of records that the target was not trained on.

    Sees: the target model's weights, of which the gradients of the last layer are read, the record's true label, and
    other records that the model was not trained on.

    Source: Suri, Zhang and Evans, Do Parameters Reveal More than Loss for Membership Inference?, arXiv 2406.11544, 2024
    (the Inverse Hessian Attack). Theirs takes all weights, and H and the mean gradient of all training records but one;
    ours the last layer, and H of records known to be non-members, so that the truth has no part in it. The term with
    the mean gradient is left out: that of non-members turns the attack around. So are momentum, weight decay and the
    loss itself. H is Kronecker-factored and damped as in Martens and Grosse, Optimizing Neural Networks with
    Kronecker-factored Approximate Curvature, ICML 2015, sections 3 and 6.3: the mean curvature by the layer's outputs
    times the mean square of its inputs; of a layer with more than 2,048 inputs, that of 2,048 of the records at most.

    Args:
        damping: what is added to the eigenvalues of H, in units of their mean, above 0; its root goes to each factor.

    Raises:
        InputError: the target's weights are not known, or its last layer is not linear, or gives no logits.
    """
    in_range(0, math.inf, damping=damping)
    asked = _factors(view)
    known = _factors(view, population=True)
    assert view.population is not None
    curvature = _damped(_curvature(known[0], view.population.labels), damping)
    lengths = torch.linalg.solve(curvature, asked[0].T).norm(dim=0), _of_inputs(asked[1], known[1], damping)
    score: Tensor = -torch.stack([length.clamp(min=1e-150).log() for length in lengths]).sum(0)
    return score


def _of_inputs(
    asked: Float[Tensor, "records inputs"], known: Float[Tensor, "known inputs"], damping: float
) -> Float[Tensor, " records"]:
    """How long what enters the layer is, times the inverse of its damped mean square among the known records."""
    records, inputs = known.shape
    if inputs > min(records, MOST):  # then the products of records are fewer than those of inputs (Woodbury)
        known = known[torch.linspace(0, records - 1, min(records, MOST)).long()]
        more = _more(known.square().mean(), damping)
        products = known @ known.T / len(known)
        products.diagonal().add_(more)
        of_known = torch.linalg.solve(products, known @ asked.T / len(known))
        solved = (asked - of_known.T @ known) / more
    else:
        solved = torch.linalg.solve(_damped(known.T @ known / records, damping), asked.T).T
    lengths: Tensor = torch.linalg.vector_norm(solved, dim=1)
    return lengths


def _more(eigenvalue: Float[Tensor, ""], damping: float) -> Float[Tensor, ""]:
    """What is added to the eigenvalues of a factor, by their mean."""
    return (math.sqrt(damping) * eigenvalue).clamp(min=1e-12)


def _damped(factor: Float[Tensor, "n n"], damping: float) -> Float[Tensor, "n n"]:
    """The factor with a multiple of its mean eigenvalue added to all of them."""
    more = _more(factor.diagonal().mean(), damping)
    return factor + more * torch.eye(len(factor), dtype=factor.dtype)


def _residual(outputs: Float[Tensor, "records *outputs"], y: Tensor) -> Float[Tensor, "records outputs"]:
    """Gradient of the record's loss by the model's outputs: what is predicted, less the truth."""
    z = outputs.double()
    if y.is_floating_point():
        return 2 * (z.reshape(len(y), -1) - y.reshape(len(y), -1))
    if y.dtype == torch.bool:
        return z.sigmoid() - y.double()
    return z.softmax(1) - torch.nn.functional.one_hot(y, z.shape[1])


residual = OutputSignal(_residual)


@sees_parameters
def last_layer(model: Model, x: Any, y: Tensor) -> Float[Tensor, "records features"]:
    """What the last layer with weights gives for each record, then what enters it, and a 1 where it has a bias."""
    name, part = ([("a model without layers", nn.Identity()), *trainable(model).items()])[-1]
    seen: list[tuple[Tensor, Tensor]] = []
    handle = part.register_forward_hook(lambda _, args, given: seen.append((args[0], given)))
    try:
        with uncompiled(model):
            model(x)
    finally:
        handle.remove()
    if len(seen) != 1 or seen[0][0].ndim != 2 or seen[0][1].ndim != 2 or len(seen[0][0]) != len(y):
        raise InputError(_LINEAR.format(name=name))
    bias = torch.full_like(seen[0][0][:, :1], getattr(part, "bias", None) is not None)
    return torch.cat([seen[0][1], seen[0][0], bias], 1).double()


def _factors(view: View, *, population: bool = False) -> tuple[Tensor, Tensor]:
    """The gradient by the last layer's outputs, and what enters it: the layer's gradient is their outer product."""
    layer, asked = (view.of_target(signal, population=population) for signal in (last_layer, residual))
    y = (view.population if population and view.population else view.records).labels
    found = _apart(layer, asked, y)
    if found is None:
        raise InputError(_LINEAR.format(name="the last one"))
    return found


def _apart(layer: Tensor, asked: Tensor, y: Tensor) -> tuple[Tensor, Tensor] | None:
    """The two, told apart; None where what the layer gives are not the model's logits."""
    width = asked.shape[1]
    if layer.shape[1] > width and torch.allclose(_residual(layer[:, :width], y), asked, atol=1e-4):
        return asked, layer[:, width:]
    if width == 2 and y.ndim == 1 and torch.allclose(layer[:, 0].sigmoid(), asked[:, 1] + y, atol=1e-4):
        return asked[:, 1:], layer[:, 1:]  # a binary model of one output is read as one of two
    return None


def ends_linear(model: Any, x: Any, y: Tensor) -> bool:
    """Whether the last layer of the model with weights is linear and gives the logits: `influence` needs that."""
    try:
        with torch.no_grad():
            layer, asked = (signal(model, x, y).cpu() for signal in (last_layer, residual))
        return _apart(layer, asked, y) is not None
    except Exception:  # whatever a model of a stranger raises
        return False


_LINEAR = (
    "`influence` needs a model whose last layer with weights is linear, asked once for each record, and gives the "
    "logits (or quantities); `{name}` is not. Leave `influence` out."
)


def _curvature(residuals: Float[Tensor, "records outputs"], y: Tensor) -> Float[Tensor, "outputs outputs"]:
    """Mean second derivative of the loss by the outputs."""
    width = residuals.shape[1]
    if y.is_floating_point():
        return 2 * torch.eye(width, dtype=torch.float64)
    if y.dtype == torch.bool or width == 1:
        p = residuals + y.reshape(len(y), -1)
        return (p * (1 - p)).mean(0).diag()
    p = residuals + torch.nn.functional.one_hot(y, width)
    return p.mean(0).diag() - p.T @ p / len(p)
