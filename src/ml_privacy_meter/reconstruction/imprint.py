"""A layer that an active server puts before its model, so that the gradient keeps records apart."""

from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ml_privacy_meter._numbers import whole
from ml_privacy_meter.reconstruction.view import DoesNotApplyError, View


class Imprint(nn.Module):
    """Hands records on, nearly as they are, and sorts them into bins on the way. See `imprinted`."""

    def __init__(self, size: int, bins: int) -> None:
        super().__init__()
        self.sort = nn.Linear(size, bins)
        self.back = nn.Linear(bins, size)

    def forward(self, x: Tensor) -> Tensor:
        """The records, each with the same small pattern added, more of it the higher its bin."""
        out: Tensor = x + self.back(self.sort(x.flatten(1)).relu()).reshape(x.shape)
        return out


class Imprinted(nn.Module):
    """A model behind an imprint layer."""

    def __init__(self, imprint: Imprint, model: nn.Module) -> None:
        super().__init__()
        self.imprint = imprint
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """The model's logits for what the imprint layer hands on."""
        out: Tensor = self.model(self.imprint(x))
        return out


@torch.no_grad()
def imprinted(model: nn.Module, public: Tensor, *, bins: int = 64, seed: int = 0) -> Imprinted:
    """The model as a malicious server sends it: behind a layer whose gradient holds one record a bin.

    All units of the layer measure the same random direction of a record, and each begins to move at another value: a
    quantile of the public records. So a record moves all units up to its bin, and neighbouring units differ by the
    records of one bin. What follows is the same for all units. The architecture is another than the model's, which a
    client who looks can see.

    Source: Fowl et al., Robbing the Fed: Directly Obtaining Private Data in Federated Learning with Modified Models,
    ICLR 2022; the random direction is drawn from a normal distribution, as the mean of a record ties.

    Args:
        public: records that are not the client's, for the quantiles.
        bins: more keep more records apart.
    """
    whole(2, bins=bins)
    size, draw = prod(public.shape[1:]), torch.Generator().manual_seed(seed)
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    kind = next((weight.dtype for weight in model.parameters()), torch.float32)
    direction = torch.randn(size, generator=draw, dtype=torch.float64) / size**0.5
    measured = public.double().cpu().flatten(1) @ direction
    cuts = measured.quantile(torch.arange(bins, dtype=torch.float64) / bins)
    cuts[0] = measured.min() - 3 * (measured.max() - measured.min())  # below all records, public or not
    made = Imprint(size, bins)
    made.sort.weight.copy_(direction.expand(bins, size))
    made.sort.bias.copy_(-cuts)
    made.back.weight.copy_((torch.randn(size, 1, generator=draw) / (10 * bins)).expand(size, bins))
    made.back.bias.zero_()
    return Imprinted(made.to(device, kind), model)


def imprint(view: View, *, least: float = 1e-5) -> Tensor:
    """Records that stand alone in a bin of an imprint layer; two in one bin come out as a mixture.

    Exact after one local step. Over several the layer itself moves, and the reading is what it would be after one.

    Sees: the gradient or update of a model that the adversary made itself, with `imprinted`.

    Source: Fowl et al., 2022, see `imprinted`.

    Args:
        least: what a bin must hold, as a share of the fullest, not to count as empty.

    Raises:
        DoesNotApplyError: the model has no imprint layer.
    """
    where = [name for name, part in view.model.named_modules() if isinstance(part, Imprint)]
    if not where:
        raise DoesNotApplyError("This takes a model that the server made with `imprinted`, and here it did not.")
    gradients = view.gradients()
    prefix = f"{where[0]}." if where[0] else ""
    weight, bias = gradients[f"{prefix}sort.weight"], gradients[f"{prefix}sort.bias"]
    records, held = weight - _next(weight), bias - _next(bias)
    fullest = held.abs().argsort(descending=True)[: view.count]
    kept = fullest[held[fullest].abs() > least * held.abs().max()]
    return (records[kept] / held[kept][:, None]).reshape(-1, *view.shape)


def expected_share(count: int, bins: int) -> float:
    """The share of records that stand alone in their bin, in theory, where bins are equally likely: in (0, 1].

    Source: Fowl et al., 2022, proposition 1.
    """
    whole(1, count=count, bins=bins)
    return float((1 - 1 / bins) ** (count - 1))


def _next(rows: Float[Tensor, "bins *numbers"]) -> Float[Tensor, "bins *numbers"]:
    """Of each unit: what its neighbour holds; of the last nothing."""
    return torch.cat([rows[1:], torch.zeros_like(rows[:1])])
