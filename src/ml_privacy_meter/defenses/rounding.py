"""Fewer digits in the answers."""

import torch
from torch import Tensor

from ml_privacy_meter._numbers import whole
from ml_privacy_meter.defenses.answers import answering
from ml_privacy_meter.training import Defense


def rounding(*, digits: int = 2) -> Defense:
    """A defense that rounds the probabilities that a model gives.

    Predicted labels stay as they are, but for ties: attacks on labels see as much as before.

    Args:
        digits: after the decimal point.
    """
    whole(0, digits=digits)
    return answering("rounding", _rounded, says=f"Probabilities are rounded to {digits} digits.", digits=digits)


def _rounded(probabilities: Tensor, *, digits: int) -> Tensor:
    return torch.round(probabilities, decimals=digits)
