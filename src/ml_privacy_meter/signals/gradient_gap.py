"""The logit gap's like for whoever has the weights: near Gaussian over models where the gradient norm is not."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals import passes
from ml_privacy_meter.signals.classifier import log_probability
from ml_privacy_meter.signals.gradient import gradient_norm, log_gradient_norm
from ml_privacy_meter.signals.layers import Of, bare, chosen
from ml_privacy_meter.types import Model


def gradient_gap(model: Model, x: Any, y: Tensor, *, of: Of = "all") -> Float[Tensor, " records"]:
    """Logarithm of the true class's probability, less that of the gradient's norm; of a quantity, minus the latter.

    The logit gap is log p - log(1 - p); here the norm stands for 1 - p, which it follows but for the size of what
    enters the layers. The norm alone stops growing where a model is sure and wrong: over models, its logarithm is
    bunched there, and an attack that takes it for Gaussian misses the records that are exposed the most.

    Source: ours.

    Args:
        of: the layers whose gradient it is, as for `gradient_norm`.
    """
    norm = log_gradient_norm(model, x, y, of=of)
    if y.is_floating_point():
        return -norm
    with torch.no_grad():
        return log_probability()(model, x, y).to(norm) - norm


vars(gradient_gap).update(access="parameters", sign=1)


def has_gradients(model: Any, x: Any, y: Tensor, *, of: Of = "all") -> bool:
    """Whether these weights of the model are at hand, and its answers can be differentiated by them."""
    return not why_none(model, x, y, of=of)


def why_none(model: Any, x: Any, y: Tensor, *, of: Of = "all") -> str:
    """Why the model's answers cannot be differentiated by these weights, in words; empty where they can."""
    module = model.load() if hasattr(model, "load") else model
    if getattr(module, "access", "parameters") != "parameters" or not isinstance(module, torch.nn.Module):
        return "its weights are not at hand"
    place = next((p.device for p in module.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad():
            finite = bool(gradient_norm(module, x, y.to(place), of=of).isfinite().all())
    except Exception as problem:  # whatever a model of a stranger raises: it was made to be asked, not to be trained
        kind = "" if isinstance(problem, InputError) else f"{type(problem).__name__}: "
        return kind + " ".join(str(problem).split()).rstrip(".")
    return "" if finite else "its gradients are not finite"


def cut_off(model: Any, x: Any) -> tuple[list[str], int]:
    """The layers by which no gradient is other than 0, though they are trained; and how many are trained in all.

    The answers do not hang on them, or what they give is cut off within the model (`detach`, `torch.no_grad`).
    """
    module = model.load() if hasattr(model, "load") else model
    wanted, (_, prefix) = chosen(module, "all"), bare(module)
    with passes.asking(module, wanted):
        counts = passes.uses(passes.answer(module, x), wanted)
    used: dict[str, bool] = {}
    for name, count in counts.items():
        owner = name.removeprefix(prefix).rpartition(".")[0] or name.removeprefix(prefix)
        used[owner] = used.get(owner, False) or count > 0
    return [owner for owner, reached in used.items() if not reached], len(used)
