"""Inputs of noise, within the range of the records that a model is asked about."""

import torch
from torch import Tensor

from ml_privacy_meter.encoding import NOISE
from ml_privacy_meter.types import Rows

MOST = 2_000  # records that the range is taken of
RARE = 0.05  # of sparse noise: the share of features that are not at their least


def noise_like(x: Rows, count: int, *, seed: int) -> dict[str, Tensor] | None:
    """So many inputs of each kind of noise; None where records are no tensors of numbers.

    Args:
        x: records in an order that says nothing.
    """
    some = x[slice(0, MOST)]
    if not isinstance(some, Tensor) or some.is_complex() or not some[0].numel():
        return None
    kind, shape = some.dtype, some.shape[1:]
    held = some.cpu().flatten(1).double()
    rng = torch.Generator().manual_seed(seed)
    wide = torch.rand(count, held.shape[1], generator=rng) * (held.max() - held.min()) + held.min()
    wide = wide if kind.is_floating_point else wide.round()
    rows = torch.randint(len(held), wide.shape, generator=rng)
    rare = torch.rand(wide.shape, generator=rng) < RARE
    made = wide, held.gather(0, rows), torch.where(rare, wide, held.amin(0))
    return {name: of.to(kind).view(count, *shape) for name, of in zip(NOISE, made, strict=True)}
