"""Weights as floating numbers, and as the bits that these are made of."""

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Int
from torch import Tensor

MANTISSA = {torch.float64: 52, torch.float32: 23, torch.float16: 10, torch.bfloat16: 7}  # bits, the lowest of a number
_INTEGERS = {8: torch.int64, 4: torch.int32, 2: torch.int16}


def floats(named: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Those of the tensors that are floating numbers of a usual kind, by their names."""
    return {name: tensor for name, tensor in dict(named).items() if tensor.dtype in MANTISSA and tensor.numel()}


def as_integers(weight: Tensor) -> Int[Tensor, "..."]:
    """A copy of the numbers' bits, as integers of as many bits, on the CPU."""
    held = weight.detach().cpu().contiguous().clone()
    return held.view(_INTEGERS[held.element_size()])


def flat(weights: Iterable[Tensor]) -> Tensor:
    """All weights as one row, in the order of the module's parameters."""
    return torch.cat([weight.flatten() for weight in weights])
