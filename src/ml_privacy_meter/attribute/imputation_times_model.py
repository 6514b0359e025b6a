"""Imputation, corrected by the model."""

from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.attribute.game import View


def imputation_times_model(view: View) -> Float[Tensor, "records candidates"]:
    """What imputation says of each value, times the probability that the model gives to the record's label with it.

    Sees: the probability of the record's label; the adversary's own records with their secret.

    Source: Jayaraman and Evans, Are Attribute Inference Attacks Just Imputation?, CCS 2022 (BB.IP).
    """
    return view.imputed + view.records.answers().confidence
