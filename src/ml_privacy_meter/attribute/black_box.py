"""What is learned from the model's answers to each value."""

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.attribute.game import Known, View


def black_box(view: View) -> Float[Tensor, "records candidates"]:
    """How likely each value is by the record's other columns, its label, and what the model answers to each value.

    Sees: the probability of the record's label; the adversary's own records with their secret, and the model's answers
    to them.

    Source: Jayaraman and Evans, Are Attribute Inference Attacks Just Imputation?, CCS 2022 (BB). Departure: boosted
    trees in place of a network.
    """
    categorical = (*view.categorical, *(False,) * len(view.candidates))
    return view.learned(_with_answers(view.auxiliary), view.secret, _with_answers(view.records), categorical)


def _with_answers(known: Known) -> Float[Tensor, "records features"]:
    """What is known, and how much surer of the label than on average the model is with each candidate."""
    confidence = known.answers().confidence
    return torch.cat([known.features, confidence - confidence.mean(1, keepdim=True)], 1)
