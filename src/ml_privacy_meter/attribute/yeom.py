"""The value with which the model is surest of the record's label."""

from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.attribute.game import View


def yeom(view: View, *, weighed: bool = True) -> Float[Tensor, "records candidates"]:
    """How common each value is, times the probability that the model gives to the record's label with it filled in.

    Sees: the probability of the record's label; the shares of the values among the adversary's own records.

    Source: Fredrikson et al., Privacy in Pharmacogenetics, USENIX Security 2014; Yeom et al., Privacy Risk in Machine
    Learning, CSF 2018. Departure: errors of quantities are taken for normal, with a spread from a hundredth of that on
    the adversary's records to all of it.

    Args:
        weighed: False leaves out how common a value is.
    """
    confidence = view.records.answers().confidence
    return view.prior + confidence if weighed else confidence
