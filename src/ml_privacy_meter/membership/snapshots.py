"""A signal of the target at several moments of its training."""

from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership.view import View
from ml_privacy_meter.membership.watching import watches
from ml_privacy_meter.signals.classifier import loss
from ml_privacy_meter.types import Signal, sign_of


@watches("snapshots")
def snapshots(view: View, *, signal: Signal = loss) -> Float[Tensor, " records"]:
    """The signal summed over snapshots and the model itself; higher says member; by default minus the loss, in nats.

    Sees: the target model, and the same model at earlier moments of its training (snapshots), of which it sees the
    output for each record, and the record's true label.

    Source: Nasr, Shokri and Houmansadr, Comprehensive Privacy Analysis of Deep Learning, IEEE S&P 2019: they show an
    attack network the model at several epochs. Ours takes the sum, which needs no known members.

    Args:
        signal: one number a record. A signal of your own, without a ``sign``, must be higher for members.

    Raises:
        InputError: there are no snapshots.
    """
    if not view.snapshots:
        raise InputError(
            "`snapshots` needs the model at earlier moments of its training, found none. Give `snapshots` or a `trace`."
        )
    read = view.of_target(signal).clone()
    for model in view.snapshots:
        read += view.reader.signal(signal, model, view.records)
    return sign_of(signal) * read
