"""What a good learner fills in."""

from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.attribute.game import View


def imputation(view: View) -> Float[Tensor, "records candidates"]:
    """How likely each value is by the record's other columns and its label, as boosted trees learned it.

    Sees: no model; the adversary's own records with their secret.

    Source: Jayaraman and Evans, Are Attribute Inference Attacks Just Imputation?, CCS 2022. Departure: boosted trees in
    place of a network.
    """
    return view.imputed
