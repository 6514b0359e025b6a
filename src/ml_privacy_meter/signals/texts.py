"""Signals of texts: they follow from what a language model says of each token, see `tokens`."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals.tokens import PerText, SaidOfTokens, log_probability_of_text
from ml_privacy_meter.types import OutputSignal

SHARE = 0.2  # of a text's tokens that min-k looks at
SMALLEST = 1e-6  # a deviation below this is no measure of anything


def _mean_log_probability(outputs: SaidOfTokens, y: Tensor) -> PerText:
    """Mean log-probability of a text's tokens, in nats a token: minus the loss."""
    return log_probability_of_text(outputs)


def _text_log_probability(outputs: SaidOfTokens, y: Tensor) -> PerText:
    """Log-probability of the whole text, in nats."""
    return (outputs[..., 0].double() * (outputs[..., 2] >= 0)).sum(1)


def _min_k(outputs: SaidOfTokens, y: Tensor) -> PerText:
    """Mean log-probability of the fifth of a text's tokens that surprise the model most, one at least, in nats.

    Source: Shi et al., Detecting Pretraining Data from Large Language Models, ICLR 2024 (Min-K% Prob), k = 20.
    """
    return _lowest(outputs[..., 0].double(), outputs)


def _min_k_plus_plus(outputs: SaidOfTokens, y: Tensor) -> PerText:
    """Mean of a text's lowest fifth of log-probabilities, each less the vocabulary's mean and over its deviation.

    Source: Zhang et al., Min-K%++: Improved Baseline for Detecting Pre-Training Data, ICLR 2025, k = 20.
    """
    said = outputs.double()
    if not (said[..., 2] > 0).any():
        raise InputError("`min_k_plus_plus` needs what the model says of its whole vocabulary, which it does not give.")
    return _lowest((said[..., 0] - said[..., 1]) / said[..., 2].clamp(min=SMALLEST), outputs)


def _lowest(values: Float[Tensor, "texts tokens"], outputs: SaidOfTokens) -> PerText:
    there = outputs[..., 2] >= 0
    count = (SHARE * there.sum(1)).ceil().clamp(min=1).long()
    ordered = values.masked_fill(~there, math.inf).sort(1).values
    among = torch.arange(values.shape[1], device=values.device) < count[:, None]
    return ordered.masked_fill(~among, 0.0).sum(1) / count


min_k, min_k_plus_plus = OutputSignal(_min_k), OutputSignal(_min_k_plus_plus)
mean_log_probability, text_log_probability = OutputSignal(_mean_log_probability), OutputSignal(_text_log_probability)
