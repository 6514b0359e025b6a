"""Signals of texts: they follow from what a language model says of each token (see `targets.language.Scored`).

Outputs are ``Float["texts tokens 4"]``: log-probability, mean and deviation over the vocabulary, and rank; labels are
the tokens themselves, ``Int["texts tokens"]``, -1 where a text has ended.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ml_privacy_meter._checks import in_range
from ml_privacy_meter.types import OutputSignal

SaidOfTokens = Float[Tensor, "texts tokens 4"]
Tokens = Int[Tensor, "texts tokens"]
PerText = Float[Tensor, " texts"]
SHARE = 0.2  # of a text's tokens that min-k looks at
SMALLEST = 1e-6  # a deviation below this is no measure of anything


def are_texts(y: Tensor) -> bool:
    """Whether labels of this kind are the tokens of texts."""
    return y.ndim == 2 and y.dtype == torch.int64


def log_probability(outputs: SaidOfTokens, y: Tokens) -> PerText:
    """Mean log-probability of a text's tokens, in nats a token."""
    return _mean(outputs[..., 0].double(), y)


def ranked_first(outputs: SaidOfTokens, y: Tokens) -> PerText:
    """Share of a text's tokens that no other token was likelier than."""
    return _mean((outputs[..., 3] == 0).double(), y)


def _total(outputs: SaidOfTokens, y: Tokens) -> PerText:
    """Log-probability of the whole text, in nats."""
    return (outputs[..., 0].double() * (y >= 0)).sum(1)


def _min_k(outputs: SaidOfTokens, y: Tokens) -> PerText:
    """Mean log-probability of the fifth of a text's tokens that surprise the model most, one at least, in nats.

    Source: Shi et al., Detecting Pretraining Data from Large Language Models, ICLR 2024 (Min-K% Prob), k = 20.
    """
    return lowest(outputs[..., 0].double(), y, SHARE)


def _min_k_plus_plus(outputs: SaidOfTokens, y: Tokens) -> PerText:
    """The same of log-probabilities less their mean over the vocabulary, in deviations from it.

    Source: Zhang et al., Min-K%++: Improved Baseline for Detecting Pre-Training Data, ICLR 2025, k = 20.
    """
    said = outputs.double()
    return lowest((said[..., 0] - said[..., 1]) / said[..., 2].clamp(min=SMALLEST), y, SHARE)


def lowest(values: Float[Tensor, "texts tokens"], y: Tokens, share: float) -> PerText:
    """Mean of the lowest of a text's values: of this share of them, rounded up."""
    in_range(0, 1, share=share)
    there = y >= 0
    count = (share * there.sum(1)).ceil().clamp(min=1).long()
    ordered = values.masked_fill(~there, math.inf).sort(1).values
    among = torch.arange(values.shape[1], device=values.device) < count[:, None]
    return ordered.masked_fill(~among, 0.0).sum(1) / count


def _mean(values: Float[Tensor, "texts tokens"], y: Tokens) -> PerText:
    there = y >= 0
    return (values * there).sum(1) / there.sum(1).clamp(min=1)


text_log_probability = OutputSignal(_total)
min_k = OutputSignal(_min_k)
min_k_plus_plus = OutputSignal(_min_k_plus_plus)
