"""A signal of the target model, less what models say of the record that were not trained on it."""

from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.membership.moments import check_some, moments, read
from ml_privacy_meter.membership.view import View
from ml_privacy_meter.signals.classifier import logit_gap
from ml_privacy_meter.types import Signal, sign_of


def difference(view: View, *, signal: Signal = logit_gap, queries: int = 1) -> Float[Tensor, " records"]:
    """Target signal less its mean over the reference models that were not trained on the record, in its own unit.

    Sees: the target model's output for each record, the record's true label, and reference models with the records
    that each was trained on.

    Source: Watson et al., On the Importance of Difficulty Calibration in Membership Inference Attacks, ICLR 2022, where
    the signal is the loss.

    Args:
        signal: one number a record, as for `threshold`.
        queries: forms in which each record is asked about; the mean over them is taken.

    Raises:
        InputError: a record that every reference model was trained on.
    """
    seen = read(view, signal, queries, attack="difference")
    out = moments(seen, trained=False)
    check_some(out.count, "difference", "that were not trained on", "Train more reference models.")
    return sign_of(signal) * (seen.target - out.mean).mean(1)
