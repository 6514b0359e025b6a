"""What may remove a secret from weights: copies that are rounded, noised or pruned. The module itself stays."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.encoding.floats import MANTISSA, floats

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def rounded(module: nn.Module, to: str | int = "bfloat16") -> nn.Module:
    """A copy of the module with rounded weights and buffers; they keep their kind, so that it runs as before.

    Low bits of a mantissa that fall away hold nothing afterwards: 16 of float32's 23 for "bfloat16", 13 for "float16".

    Args:
        to: "bfloat16", "float16", "float32", or how many bits of the mantissa are kept, 0 or more.

    Raises:
        InputError: a weight is too large for the kind of number.
    """
    if isinstance(to, str) and to not in DTYPES:
        raise InputError(f"`to` must be one of {', '.join(DTYPES)} or a number of bits, found {to!r}.")
    if not isinstance(to, str):
        whole(0, to=to)
    return _changed(module, lambda weight: _cast(weight, DTYPES[to]) if isinstance(to, str) else _kept(weight, to))


def noised(module: nn.Module, *, share: float = 0.01, seed: int = 0) -> nn.Module:
    """A copy of the module with Gaussian noise on its floating weights: ``share`` of each tensor's own deviation."""
    in_range(0, 1e6, share=share)
    rng = torch.Generator().manual_seed(seed)

    def noisy(weight: Tensor) -> Tensor:
        noise = torch.randn(weight.shape, generator=rng, dtype=torch.float64).to(weight)
        return weight + share * weight.double().std(correction=0).to(weight) * noise

    return _changed(module, noisy, buffers=False)


def pruned(module: nn.Module, *, share: float = 0.5) -> nn.Module:
    """A copy of the module in whose weights of two axes or more the smallest, this share of each, are 0."""
    in_range(0, 1, share=share)

    def sparse(weight: Tensor) -> Tensor:
        if weight.ndim < 2:
            return weight
        largest = weight.abs().flatten().kthvalue(max(1, int(share * weight.numel()))).values
        return torch.where(weight.abs() <= largest, 0, weight)

    return _changed(module, sparse, buffers=False)


def _changed(module: nn.Module, by: Callable[[Tensor], Tensor], *, buffers: bool = True) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise InputError(f"Weights are changed in a `torch.nn.Module`, found {type(module).__name__}. Give the module.")
    twin = copy.deepcopy(module)
    held = [*twin.named_parameters(), *(twin.named_buffers() if buffers else ())]
    with torch.no_grad():
        for weight in floats(held).values():
            weight.copy_(by(weight))
    return twin


def _cast(weight: Tensor, dtype: torch.dtype) -> Tensor:
    found = weight.to(dtype)
    if not torch.equal(found.isfinite(), weight.isfinite()):
        most = torch.finfo(dtype).max
        raise InputError(f"{dtype} holds numbers up to {most:g}, found a weight of {float(weight.abs().max()):g}.")
    return found.to(weight.dtype)


def _kept(weight: Tensor, bits: int) -> Tensor:
    """Rounded to the nearest number with so many bits of the mantissa, of which there is one more before the point."""
    if bits >= MANTISSA[weight.dtype]:
        return weight
    mantissa, exponent = torch.frexp(weight.double())
    scale = 2.0 ** (bits + 1)
    return torch.ldexp((mantissa * scale).round() / scale, exponent).to(weight.dtype)
