"""Answers without probabilities."""

import torch.nn.functional as F
from torch import Tensor

from ml_privacy_meter.defenses.answers import answering
from ml_privacy_meter.training import Defense


def label_only() -> Defense:
    """A defense that gives the predicted label alone; an audit reads it as a probability of 1.

    How surely a record is told can still be found out by asking about near copies: see `signals.label_robustness`.
    """
    return answering("label_only", _labels, says="Only predicted labels are given.")


def _labels(probabilities: Tensor) -> Tensor:
    return F.one_hot(probabilities.argmax(1), probabilities.shape[1]).to(probabilities)
