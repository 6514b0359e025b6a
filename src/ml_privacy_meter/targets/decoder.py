"""How a token is drawn from what a language model says."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import in_range
from ml_privacy_meter._numbers import whole

NEVER = -math.inf


@dataclass(frozen=True)
class Decoder:
    """Tokens are drawn with the model's probabilities at a temperature, from the likeliest alone.

    Applied in the order of the fields, as `transformers` does; what is left is scaled to a sum of 1.

    Args:
        temperature: what logits are divided by.
        top_k: only the so many likeliest are drawn, and those that tie with the last of them; 0: all.
        top_p: only the likeliest that are needed to reach this share together; 1: all.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        in_range(0, math.inf, temperature=self.temperature)
        whole(0, top_k=self.top_k)
        if self.top_p != 1:
            in_range(0, 1, top_p=self.top_p)

    def log_probabilities(self, logits: Float[Tensor, "tokens vocabulary"]) -> Float[Tensor, "tokens vocabulary"]:
        """With which each token is drawn, in nats; -inf where it is never drawn."""
        every = logits.float() / self.temperature
        if 0 < self.top_k < every.shape[-1]:
            every = every.where(every >= every.topk(self.top_k).values[:, -1:], NEVER)
        if self.top_p < 1:
            ordered, order = every.softmax(-1).sort(stable=True, dim=-1, descending=True)
            above = ordered.cumsum(-1) - ordered
            kept = torch.empty_like(order, dtype=torch.bool).scatter_(1, order, above < self.top_p)
            every = every.where(kept, NEVER)
        return every.log_softmax(-1)
