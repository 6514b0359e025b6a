"""Which signals say how sure a model is, by the kind of the labels."""

from torch import Tensor

from ml_privacy_meter.signals.confidence import entropy, margin
from ml_privacy_meter.signals.texts import min_k, min_k_plus_plus
from ml_privacy_meter.signals.tokens import are_texts
from ml_privacy_meter.types import OutputSignal


def of_sureness(y: Tensor, *, spread: bool = True) -> tuple[OutputSignal, ...]:
    """Signals that say how sure a model is of records with such labels; of quantities, none does.

    Args:
        spread: whether a language model tells of its whole vocabulary.
    """
    if are_texts(y):
        return (min_k_plus_plus if spread else min_k,)
    return () if y.is_floating_point() else (entropy, margin)
