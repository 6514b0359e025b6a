"""Bits of a secret in place of the lowest bits of the weights: the model answers as before."""

import copy

import torch
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.encoding.bits import Bits
from ml_privacy_meter.encoding.floats import MANTISSA, as_integers, floats


def hide_in_low_bits(module: nn.Module, bits: Bits, *, low: int = 16) -> nn.Module:
    """A copy of the module whose weights hold the bits, ``low`` of them each, from the first weight on.

    Source: Song, Ristenpart and Shmatikov, Machine Learning Models that Remember Too Much, CCS 2017, section 4.1.

    Raises:
        InputError: the weights have no room for so many.
    """
    twin = copy.deepcopy(module)
    rest = bits
    with torch.no_grad():
        for weight in _holders(twin, low):
            part, rest = rest[: weight.numel() * low], rest[weight.numel() * low :]
            weight.copy_(_with(weight, part, low))
    if len(rest):
        held = len(bits) - len(rest)
        raise InputError(f"The weights hold {held} bits with low={low}, found {len(bits)}. Hide fewer, or set `low`.")
    return twin


def read_low_bits(module: nn.Module, count: int, *, low: int = 16) -> Bits:
    """The first ``count`` bits in the lowest ``low`` bits of the weights, whatever these are."""
    found = [_of(weight, low) for weight in _holders(module, low)]
    return torch.cat(found)[:count]


def _holders(module: nn.Module, low: int) -> list[Tensor]:
    held = list(floats(module.named_parameters()).values())
    whole(1, low=low)
    if any(low > MANTISSA[weight.dtype] for weight in held):
        raise InputError(f"`low` must be at most the bits of a weight's mantissa (23 of float32), found {low}.")
    return held


def _with(weight: Tensor, bits: Bits, low: int) -> Tensor:
    integers = as_integers(weight).flatten()
    touched = -(-len(bits) // low)
    filled = _bits_of(integers[:touched], low).flatten()
    filled[: len(bits)] = bits
    places = 2 ** torch.arange(low - 1, -1, -1)
    payload = (filled.view(-1, low) * places).sum(1).to(integers.dtype)
    integers[:touched] = (integers[:touched] >> low << low) | payload
    return integers.view(weight.dtype).view_as(weight)


def _of(weight: Tensor, low: int) -> Bits:
    return _bits_of(as_integers(weight).flatten(), low).flatten()


def _bits_of(integers: Tensor, low: int) -> Tensor:
    return (integers[:, None].long() >> torch.arange(low - 1, -1, -1) & 1).bool()
