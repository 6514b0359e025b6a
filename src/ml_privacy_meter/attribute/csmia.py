"""The value with which the model is right, or least wrong."""

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.attribute.game import View


def csmia(view: View) -> Float[Tensor, "records candidates"]:
    """The one value with which the model names the record's label; of several the surest, of none the least sure.

    Sees: the class that the model names and its probability.

    Source: Mehnaz et al., Are Your Sensitive Attributes Private?, USENIX Security 2022.
    """
    answers = view.records.answers()
    if answers.agrees is None or answers.certainty is None:
        raise InputError("`csmia` asks whether the model names the record's class, but labels are quantities.")
    return torch.where(answers.agrees, 1 + answers.certainty, -answers.certainty)
