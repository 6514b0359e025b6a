"""Answers for the likeliest classes alone."""

from torch import Tensor

from ml_privacy_meter._numbers import whole
from ml_privacy_meter.defenses.answers import answering
from ml_privacy_meter.training import Defense


def top_k(*, k: int = 1) -> Defense:
    """A defense that gives the probabilities of the ``k`` likeliest classes, and nothing of the others.

    Whoever asks can only spread what is left evenly over the others; so does an audit. Predicted labels stay as they
    are.

    Args:
        k: of all classes, or more of them than there are.
    """
    whole(1, k=k)
    return answering("top_k", _top, says=f"Only the {k} largest probabilities are given.", k=k)


def _top(probabilities: Tensor, *, k: int) -> Tensor:
    values, places = probabilities.topk(min(k, probabilities.shape[1]), dim=1)
    others = max(probabilities.shape[1] - k, 1)
    left = ((1 - values.sum(1, keepdim=True)) / others).clamp(min=0).expand_as(probabilities)
    return left.scatter(1, places, values)
