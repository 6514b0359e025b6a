"""Backward passes through a model that is left as it was: recorded layer by layer, vectorised, or one at a time."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge, saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals.classifier import loss
from ml_privacy_meter.signals.layers import uncompiled
from ml_privacy_meter.signals.reader import evaluating

Weights = Mapping[str, nn.Parameter]


@dataclass(frozen=True)
class Call:
    """One call of a layer: what went in, and where the gradient by what came out is found."""

    layer: str
    a: Tensor
    version: int
    edge: GradientEdge
    shape: torch.Size


@contextmanager
def asking(model: Any, wanted: Weights) -> Iterator[None]:
    """Within, the model answers as in use and just these parameters ask for gradients; after, all is as it was."""
    wants = {id(p) for p in wanted.values()}
    flags = [(p, p.requires_grad) for p in model.parameters() if p.requires_grad != (id(p) in wants)]
    on_gpu = {p.device for p in wanted.values() if p.is_cuda}
    recurrent = any(isinstance(part, nn.RNNBase) for part in model.modules())
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.random.fork_rng(devices=on_gpu))
        stack.enter_context(evaluating(model))
        stack.enter_context(uncompiled(model))
        if on_gpu and recurrent:  # cuDNN takes their gradients in training mode alone
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        try:
            for p, flag in flags:
                p.requires_grad_(not flag)
            yield
        finally:
            for p, flag in flags:
                p.requires_grad_(flag)


def answer(model: Any, x: Any) -> Tensor:
    """The model's outputs, which follow from its parameters.

    Raises:
        InputError: they do not.
    """
    outputs: Tensor = model(x)
    if not isinstance(outputs, Tensor) or not outputs.requires_grad:
        raise InputError(
            "The model's answer must follow from the chosen parameters by operations of torch, found "
            f"{'one that does not' if isinstance(outputs, Tensor) else f'a {type(outputs).__name__}'}. Choose "
            "parameters that the model uses, or audit the model before it was frozen or wrapped."
        )
    return outputs


def towards(outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of each record's loss by the outputs, scaled to a largest number of 1, and what it was divided by.

    Losses of well-fitted records are so small that the squares of their gradients would vanish.
    """
    z = outputs.detach().double().requires_grad_()
    (by_outputs,) = torch.autograd.grad(loss.of(z, y.to(z.device)).sum(), z)
    scale = by_outputs.abs().reshape(len(y), -1).amax(1)  # quantities may be one number, without an axis
    scale = torch.where(scale > 0, scale, 1.0)
    return (by_outputs / scale.reshape(-1, *(1,) * (z.ndim - 1))).to(outputs.dtype), scale


def recorded(model: Any, layers: Mapping[str, nn.Module], x: Any) -> tuple[Tensor, list[Call]]:
    """The model's outputs, and the calls of these layers on the way there."""
    calls: list[Call] = []
    names = {id(part): name for name, part in layers.items()}

    def note(part: nn.Module, args: tuple, kwargs: dict, given: Tensor) -> None:
        a = (*args, *kwargs.values())[0].detach()
        # the edge is taken at once: an operation in place may change what the output stands for
        calls.append(Call(names[id(part)], a, a._version, get_gradient_edge(given), given.shape))

    handles = [part.register_forward_hook(note, with_kwargs=True) for part in layers.values()]
    try:
        return answer(model, x), calls
    finally:
        for handle in handles:
            handle.remove()


def backward(outputs: Tensor, calls: list[Call], direction: Tensor) -> list[Tensor]:
    """The gradient of what ``direction`` says of the outputs, by the output of each call."""
    if not calls:
        return []
    found = torch.autograd.grad(outputs, [call.edge for call in calls], direction, allow_unused=True)
    return [
        torch.zeros(call.shape, device=outputs.device) if b is None else b for call, b in zip(calls, found, strict=True)
    ]


def uses(outputs: Tensor, wanted: Weights) -> dict[str, int]:
    """How often each parameter is used on the way to the outputs."""
    counts = {id(p): 0 for p in wanted.values()}
    todo, seen = [get_gradient_edge(outputs).node], set()
    while todo:
        for node, _ in todo.pop().next_functions:
            if (variable := getattr(node, "variable", None)) is not None and id(variable) in counts:
                counts[id(variable)] += 1
            elif node is not None and node not in seen:
                seen.add(node)
                todo.append(node)
    return {name: counts[id(p)] for name, p in wanted.items()}


def one_by_one(model: Any, wanted: Weights, x: Any, directions: Tensor) -> Iterator[dict[str, Tensor]]:
    """The gradients of one record after the other."""
    for i in range(len(directions)):
        outputs = answer(model, x[i : i + 1])
        found = torch.autograd.grad(
            outputs, list(wanted.values()), directions[i : i + 1], allow_unused=True, materialize_grads=True
        )
        yield {name: g.to_dense() if g.is_sparse else g for name, g in zip(wanted, found, strict=True)}


def vectorised(model: Any, wanted: Weights, x: Tensor, directions: Tensor) -> dict[str, Tensor]:
    """The gradients of all records at once; whatever torch cannot do so, it refuses."""

    def said(weights: dict[str, Tensor], one: Tensor, direction: Tensor) -> Tensor:
        outputs: Tensor = torch.func.functional_call(model, weights, (one[None],))
        return (outputs * direction[None]).sum()

    of_one = torch.func.grad(said)
    weights = {name: p.detach() for name, p in wanted.items()}
    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):  # of attention, torch vectorises this form alone
        warnings.simplefilter("error")  # what torch computes one by one within vmap, it warns of
        found: dict[str, Tensor] = torch.func.vmap(of_one, (None, 0, 0), randomness="error")(weights, x, directions)
    return found


@contextmanager
def measured() -> Iterator[dict[int, int]]:
    """The bytes that a forward pass within keeps for the backward pass, by where they lie."""
    sizes: dict[int, int] = {}

    def pack(kept: Tensor) -> Tensor:
        at = kept.untyped_storage().data_ptr()
        sizes[at] = max(sizes.get(at, 0), min(kept.nbytes, kept.untyped_storage().nbytes()))
        return kept

    with saved_tensors_hooks(pack, lambda kept: kept):
        yield sizes
