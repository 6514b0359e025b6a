"""How a malicious trainer trains, and an honest one beside it: the same steps, with a term more or without."""

import copy

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ml_privacy_meter._numbers import whole
from ml_privacy_meter.encoding.signs import Penalty


def trained(
    module: nn.Module,
    x: Float[Tensor, "records *features"],
    y: Int[Tensor, " records"],
    *,
    penalty: Penalty | None = None,
    epochs: int = 30,
    batch_size: int = 64,
    lr: float = 1e-3,
    seed: int = 0,
) -> nn.Module:
    """A copy of the module, trained on from its own weights by Adam; the loss in nats, plus the penalty."""
    whole(1, epochs=epochs, batch_size=batch_size)
    twin, rng = copy.deepcopy(module).train(), torch.Generator().manual_seed(seed)
    weights: list[Tensor] = list(twin.parameters())
    optimizer = torch.optim.Adam(weights, lr=lr)
    for _ in range(epochs):
        order = torch.randperm(len(y), generator=rng)
        for start in range(0, len(y), batch_size):
            rows = order[start : start + batch_size]
            loss = nn.functional.cross_entropy(twin(x[rows]), y[rows])
            optimizer.zero_grad()
            total = loss if penalty is None else loss + penalty(weights)
            total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return twin.eval()
