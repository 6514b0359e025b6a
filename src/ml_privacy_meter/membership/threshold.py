"""A signal of the target model, taken as it is."""

from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.membership.view import View
from ml_privacy_meter.signals.classifier import correct, loss
from ml_privacy_meter.types import Signal, sign_of


def threshold(view: View, *, signal: Signal = loss) -> Float[Tensor, " records"]:
    """The target model's signal, turned so that higher says member; by default minus the loss, in nats.

    Sees: the target model's output for each record, and the record's true label.

    Source: Yeom et al., Privacy Risk in Machine Learning, CSF 2018 (loss); Song and Mittal, Systematic Evaluation of
    Privacy Risks of Machine Learning Models, USENIX Security 2021 (entropy, modified entropy).

    Args:
        signal: one number a record. A signal of your own, without a ``sign``, must be higher for members.
    """
    return sign_of(signal) * view.of_target(signal)


def gap(view: View) -> Float[Tensor, " records"]:
    """1 where the target model is right, else 0: "right" is taken for "member". The field's baseline.

    Sees: whether the target model's predicted label is the true one.

    Source: Yeom et al., Privacy Risk in Machine Learning, CSF 2018. Its advantage is the gap in accuracy between
    members and non-members.
    """
    return view.of_target(correct)
