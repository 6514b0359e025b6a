"""Records that a first linear layer's gradient holds as they are."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ml_privacy_meter.reconstruction.view import DoesNotApplyError, View


def analytic(view: View, *, agree: float = 1e-3) -> Tensor:
    """Records that a first linear layer was fed with, exact up to the precision of the gradient.

    A row of the gradient by the weights is the sum over records of how much each moves the row's unit, times the
    record; the entry of the bias is that sum without the record. Their ratio is the record where only one moved the
    unit: always where there is one record, after any number of steps; of more records where units rest, as behind a
    ReLU. Which ratios are of one record shows in that several units agree on them, as mixtures do not.

    Sees: the model, and its gradient or update.

    Source: Phong et al., Privacy-Preserving Deep Learning via Additively Homomorphic Encryption, IEEE TIFS 2018; for
    batches, Boenisch et al., When the Curious Abandon Honesty, EuroS&P 2023; that ratios must agree is added here.

    Args:
        agree: how far two ratios may lie apart, as a share of their length, to be of one record.

    Raises:
        DoesNotApplyError: the model does not begin with a linear layer with a bias.
    """
    layer = _first_linear(view)
    gradients = view.gradients()
    weight, bias = gradients[f"{layer}weight"], gradients[f"{layer}bias"]
    moved = bias.abs() > 1e-7 * bias.abs().max()
    if not moved.any():
        return view.public.double()[:0]
    weight, bias = weight[moved], bias[moved]
    if view.count == 1:
        return (bias @ weight / (bias @ bias)).reshape(1, *view.shape)
    found = _agreed(weight / bias[:, None], bias.abs(), agree)
    return found[: view.count].reshape(-1, *view.shape)


def _agreed(
    ratios: Float[Tensor, "rows numbers"], weight: Float[Tensor, " rows"], agree: float
) -> Float[Tensor, "groups numbers"]:
    """The mean of each group of at least two rows that agree, the largest group first."""
    near = torch.cdist(ratios, ratios) <= agree * ratios.norm(dim=1).clamp(min=1e-12)
    near &= near.T.clone()
    groups = []
    free = torch.ones(len(ratios), dtype=torch.bool, device=ratios.device)
    while free.any():
        sizes = (near & free).sum(1) * free
        row = int(sizes.argmax())
        if sizes[row] < 2:
            break
        group = near[row] & free
        groups.append(weight[group] @ ratios[group] / weight[group].sum())
        free &= ~group
    return torch.stack(groups) if groups else ratios[:0]


@torch.no_grad()
def _first_linear(view: View) -> str:
    """The beginning of the parameters' names of the layer that is fed with records as they are."""
    module = view.module()
    fed: dict[str, Tensor] = {}
    for name, part in module.named_modules():
        if isinstance(part, nn.Linear):
            part.register_forward_pre_hook(lambda _, given, name=name: fed.setdefault(name, given[0]))
    records = view.public[:2].double()
    module(records)
    for name, given in fed.items():
        prefix = f"{name}." if name else ""
        flat = records.flatten(1)
        if (
            given.shape == flat.shape
            and torch.equal(given, flat)
            and {f"{prefix}weight", f"{prefix}bias"} <= {*view.names}
        ):
            return prefix
    raise DoesNotApplyError("This takes a model that begins with a linear layer with a bias, and here none does.")
