"""The commonest value."""

from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.attribute.game import View


def prior(view: View) -> Float[Tensor, "records candidates"]:
    """How common each value is among the adversary's own records: the same guess for all.

    Sees: no model; the adversary's own records with their secret.
    """
    return view.prior.expand(len(view.records.features), -1)
