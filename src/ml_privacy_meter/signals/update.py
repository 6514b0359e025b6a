"""How far an update of a model's weights went where each record's own loss falls."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals import passes
from ml_privacy_meter.signals.gradient import gradients
from ml_privacy_meter.signals.layers import bare, chosen
from ml_privacy_meter.types import Model

_NEAR = {torch.float64: 1e-6, torch.float32: 2e-3}
_BLOCK = 2**22  # numbers in the gradients that are taken at once where forward mode fails


class Moved(nn.Module):
    """A model as it stood before an update, which it holds: it answers as that model.

    Args:
        change: weights after less weights before, by the names that the module's owner knows.
    """

    wraps = "model"

    def __init__(self, model: nn.Module, change: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.model, self.change = model, dict(change)
        self.hands_over = getattr(model, "hands_over", False)

    def forward(self, batch: Any) -> Tensor:
        answer: Tensor = self.model(batch)
        return answer


def update_alignment(model: Model, x: Any, y: Tensor) -> Float[Tensor, " records"]:
    """Minus the gradient of each record's loss times the update of the weights: how far its loss falls, in nats.

    To first order; where the model is no longer linear along the update, the loss itself falls by something else. It
    is taken of all records at once, in one pass in forward mode; of models that refuse it, from `gradients`.

    Source: Li, Rezaei and Liu, Effective Passive Membership Inference Attacks in Federated Learning against
    Overparameterized Models, ICLR 2023 (gradients of records against updates).

    Args:
        model: one that holds the update: see `Moved`.
    """
    change = getattr(model, "change", None)
    if change is None:
        raise InputError(
            "`update_alignment` needs a model that holds an update, found one that holds none. Ask it of what "
            "`View.updates` name."
        )
    wanted, prefix = chosen(model, "all"), bare(model)[1]
    missing = [name for name in wanted if name.removeprefix(prefix) not in change]
    if missing:
        raise InputError(f"An update must say how each parameter changed, found nothing of `{missing[0]}`.")
    moved = {name: change[name.removeprefix(prefix)].double() for name in wanted}
    most = max(float(part.abs().max()) for part in moved.values() if part.numel()) or 1.0  # small ones leave float16
    along = {name: (moved[name] / most).to(p) for name, p in wanted.items()}
    with torch.inference_mode(False), torch.no_grad():
        if isinstance(x, Tensor) and x.is_inference():
            x = x.clone()
        found = _forward(model, wanted, along, x, y)
        return most * (_backward(model, wanted, along, x, y) if found is None else found)


def _forward(model: Any, wanted: passes.Weights, along: Mapping[str, Tensor], x: Any, y: Tensor) -> Tensor | None:
    """All records at once; None where the model refuses it, or the first record's own gradient says otherwise."""

    def said(weights: dict[str, Tensor]) -> Tensor:
        outputs: Tensor = torch.func.functional_call(model, weights, (x,))
        return outputs

    weights = {name: p.detach() for name, p in wanted.items()}
    with passes.asking(model, wanted):
        try:
            with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns of what it uses itself
                outputs, moved = torch.func.jvp(said, (weights,), (dict(along),))[:2]
            directions, scale = passes.towards(outputs, y)
            (single,) = passes.one_by_one(model, wanted, x[:1], directions[:1])
        except Exception:  # what it cannot do, torch.func refuses in many ways
            return None
    found = -(directions.double() * moved.double()).reshape(len(y), -1).sum(1) * scale
    parts = [(single[name].double(), along[name].double()) for name in wanted]
    expected = -sum(float((g * u).sum()) for g, u in parts)
    length = (
        sum(float(g.square().sum()) for g, _ in parts) ** 0.5 * sum(float(u.square().sum()) for _, u in parts) ** 0.5
    )
    near = _NEAR.get(next(iter(wanted.values())).dtype, 0.1)
    return found if abs(float(found[0] / scale[0]) - expected) <= near * length + 1e-30 else None


def _backward(model: Any, wanted: passes.Weights, along: Mapping[str, Tensor], x: Any, y: Tensor) -> Tensor:
    """From the gradients of some records after others."""
    flat = torch.cat([along[name].double().flatten() for name in wanted])
    size = max(1, _BLOCK // len(flat))
    blocks = [slice(start, start + size) for start in range(0, len(y), size)]
    return torch.cat([-(gradients(model, x[rows], y[rows]) @ flat) for rows in blocks])


vars(update_alignment).update(access="parameters", sign=1)
