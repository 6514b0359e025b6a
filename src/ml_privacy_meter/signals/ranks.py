"""How high a language model ranks the tokens of a text. Outputs and labels are those of `signals.tokens`."""

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.types import OutputSignal

RANK_BINS = 20  # up to a vocabulary of half a million


def _rank_counts(outputs: Float[Tensor, "texts tokens 4"], y: Tensor) -> Float[Tensor, "texts bins"]:
    """How many of a text's tokens have a rank of 0, of 1 or 2, of 3 to 6, and so on: bins of powers of two."""
    bins = (outputs[..., 3].double() + 1).log2().floor().long().clamp(0, RANK_BINS - 1)
    there = outputs[..., 2] >= 0
    return (torch.nn.functional.one_hot(bins, RANK_BINS) * there[..., None]).sum(1).double()


rank_counts = OutputSignal(_rank_counts)
