"""Fewer digits in the answers."""

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets import Opened
from ml_privacy_meter.training import Defense


def rounding(*, digits: int = 2) -> Defense:
    """A defense that rounds the probabilities that a model gives.

    Who has the weights is not kept from anything, nor is who needs the labels alone.

    Args:
        digits: after the decimal point.
    """
    if isinstance(digits, bool) or not isinstance(digits, int) or not 0 <= digits <= 15:
        raise InputError(f"`digits` of rounding must be a whole number from 0 to 15, found {digits!r}.")
    return Defense(
        "rounding",
        {"digits": digits},
        wrap=partial(_wrap, digits=digits),
        says=f"Probabilities are rounded to {digits} digits; the weights must stay with whoever serves the model.",
    )


def _wrap(opened: Opened, x: Any, y: Any, seed: int, *, digits: int) -> Opened:
    says = f"rounding(digits={digits})"
    return replace(opened, after=partial(_rounded, digits=digits), after_key=says, after_says=says)


def _rounded(probabilities: Tensor, *, digits: int) -> Tensor:
    return torch.round(probabilities, decimals=digits)
