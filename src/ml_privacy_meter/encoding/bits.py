"""Bytes as bits, and how many of them came back wrong."""

import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from ml_privacy_meter._checks import InputError

Bits = Bool[Tensor, " bits"]


def as_bits(payload: UInt8[Tensor, "..."]) -> Bits:
    """Eight bits of each byte, the highest first."""
    places = torch.arange(7, -1, -1, dtype=torch.uint8)
    return (payload.flatten()[:, None] >> places & 1).flatten().bool()


def as_bytes(bits: Bits) -> UInt8[Tensor, " bytes"]:
    """The bytes of these bits; a last part of a byte falls away."""
    places = 2 ** torch.arange(7, -1, -1)
    return (bits[: len(bits) // 8 * 8].view(-1, 8) * places).sum(1).to(torch.uint8)


def enciphered(bits: Bits, seed: int) -> Bits:
    """The bits, each turned or not by a coin that follows from the seed: random without it. Done twice, undone."""
    rng = torch.Generator().manual_seed(seed)
    return bits ^ (torch.rand(len(bits), generator=rng) < 0.5)


def bit_error_rate(sent: Bits, read: Bool[Tensor, " read"]) -> float:
    """Share of bits that were read wrongly, in [0, 1]; 0.5 where nothing came through."""
    if len(sent) != len(read) or not len(sent):
        raise InputError(f"As many bits must be read as were sent, found {len(read)} of {len(sent)}.")
    return float((sent != read).double().mean())
