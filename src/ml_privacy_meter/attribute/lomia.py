"""What is learned from records of which the model's named classes alone tell the value."""

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.attribute.game import View

_TOLD = 20.0  # above any log-probability that is learned


def lomia(view: View) -> Float[Tensor, "records candidates"]:
    """The one value with which the model names the record's label; else what is learned from records that have one.

    Sees: the class that the model names, no probability; no records but those that are asked about, all together.

    Source: Mehnaz et al., Are Your Sensitive Attributes Private?, USENIX Security 2022.
    """
    agrees = view.records.answers().agrees
    if agrees is None:
        raise InputError("`lomia` asks whether the model names the record's class, but labels are quantities.")
    alone, features = agrees.sum(1) == 1, view.records.features
    told = agrees[alone].int().argmax(1)
    score = view.learned(features[alone], told, features, view.categorical)
    return torch.where(alone[:, None] & agrees, score + _TOLD, score)
