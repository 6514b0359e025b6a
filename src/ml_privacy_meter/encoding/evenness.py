"""Are the lowest bits of the weights as even as those of clean models?"""

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.encoding.floats import MANTISSA, as_integers
from ml_privacy_meter.encoding.view import View


def low_bits(view: View) -> Float[Tensor, " models"]:
    """How unevenly the low bits of weights fall: log of the chi-square of their bytes, by its degrees of freedom.

    Sees: the weights and buffers of the model, and of clean models. About 0 where every value of a byte is equally
    frequent. Untrained weights lie above, as do clean models with inputs that never vary.

    Misses: a secret that was compressed or encrypted, and lies in weights whose low bits are even anyway.
    """
    found = []
    for weights in view.weights():
        if not weights:
            raise InputError("Low bits are those of floating weights, found none in a model.")
        found.append(torch.stack([_unevenness(byte) for byte in _bytes(weights)]).mean().log())
    return torch.stack(found)


def _bytes(weights: list[Tensor]) -> list[Float[Tensor, " values"]]:
    """How often each value occurs of the lowest byte, and of each above it that lies within the mantissa."""
    parts: dict[int, Tensor] = {}
    for weight in weights:
        bits = MANTISSA[weight.dtype]
        width = min(8, bits)
        integers = as_integers(weight).flatten()
        integers = integers[integers != 0].long()  # pruned weights hold nothing
        for place in range(bits // width):
            counts = torch.bincount(integers >> width * place & 2**width - 1, minlength=2**width).double()
            key = 100 * width + place
            parts[key] = parts[key] + counts if key in parts else counts
    return list(parts.values())


def _unevenness(counts: Float[Tensor, " values"]) -> Float[Tensor, ""]:
    expected = (counts.sum() / len(counts)).clamp(min=1e-9)
    return ((counts - expected).square().sum() / expected / (len(counts) - 1)).clamp(min=1e-3)
