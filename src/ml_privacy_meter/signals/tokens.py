"""What a language model says of the tokens of texts (see `targets.language.Scored`).

Outputs are ``Float["texts tokens 4"]``: log-probability, mean and deviation over the vocabulary (-1 where a text has
ended), and rank; labels are the tokens themselves, ``Int["texts tokens"]``.
"""

import torch
from jaxtyping import Float
from torch import Tensor

SaidOfTokens = Float[Tensor, "texts tokens 4"]
PerText = Float[Tensor, " texts"]


def are_texts(y: Tensor) -> bool:
    """Whether labels of this kind are the tokens of texts."""
    return y.ndim == 2 and y.dtype == torch.int64


def log_probability_of_text(outputs: SaidOfTokens) -> PerText:
    """Mean log-probability of a text's tokens, in nats a token."""
    return _mean(outputs[..., 0].double(), outputs)


def ranked_first(outputs: SaidOfTokens) -> PerText:
    """Share of a text's tokens that no other token was likelier than."""
    return _mean((outputs[..., 3] == 0).double(), outputs)


def _mean(values: Float[Tensor, "texts tokens"], outputs: SaidOfTokens) -> PerText:
    there = outputs[..., 2] >= 0
    return (values * there).sum(1) / there.sum(1).clamp(min=1)
