"""Signals that follow from a model's outputs and the label, whose kind says the task (see `types`)."""

import functools
import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.signals.tokens import are_texts, log_probability_of_text, ranked_first
from ml_privacy_meter.types import OutputSignal

Outputs = Float[Tensor, "records *outputs"]
PerRecord = Float[Tensor, " records"]


def _loss(outputs: Outputs, y: Tensor) -> PerRecord:
    """Cross entropy of the true label or labels, in nats; of a quantity, the squared error in its unit squared.

    Of a text: minus the mean log-probability of its tokens, in nats a token.

    Source: Yeom et al., Privacy Risk in Machine Learning, CSF 2018.
    """
    if are_texts(y):
        return -log_probability_of_text(outputs)
    z = outputs.double()
    if y.is_floating_point():
        return (z - y).square().reshape(len(y), -1).sum(1)
    if y.dtype == torch.bool:
        return binary_cross_entropy_with_logits(z, y.double(), reduction="none").sum(1)
    return cross_entropy(z, y, reduction="none")


def _logit_gap(outputs: Outputs, y: Tensor) -> PerRecord:
    """log p(y) - log(1 - p(y)) of the true class, in nats; of several labels, the sum over them.

    Taken from the logits, so that it stays finite where p rounds to 1. For one label it orders records as the loss
    does. Of a quantity, which has no logits: minus the logarithm of the squared error, which orders as the loss, too.
    Of a text: the mean log-probability of its tokens.

    Source: Carlini et al., Membership Inference Attacks From First Principles, IEEE S&P 2022.
    """
    if y.is_floating_point():
        return -_loss(outputs, y).clamp(min=torch.finfo(torch.float64).tiny).log()
    if are_texts(y):
        return log_probability_of_text(outputs)
    if y.dtype == torch.bool:
        return towards_truth(outputs, y).sum(1)
    true, others = true_and_others(outputs, y, "logit_gap")
    return true - others.logsumexp(1)


def _true_probability(outputs: Outputs, y: Tensor) -> PerRecord:
    """Probability of the true class (of all the true labels), in [0, 1]. It orders records as the loss does.

    Of a text: the geometric mean of its tokens' probabilities.
    """
    labels_only(y, "true_probability", texts=True)
    return _loss(outputs, y).neg().exp()


def _correct(outputs: Outputs, y: Tensor) -> PerRecord:
    """1 where the predicted class is the true one, else 0; of several labels, or of a text's tokens, the share."""
    labels_only(y, "correct", texts=True)
    if are_texts(y):
        return ranked_first(outputs)
    if y.dtype == torch.bool:
        return ((outputs > 0) == y).double().mean(1)
    return (outputs.argmax(1) == y).double()


loss = OutputSignal(_loss, sign=-1)
logit_gap = OutputSignal(_logit_gap)
true_probability = OutputSignal(_true_probability)
correct = OutputSignal(_correct)


@functools.cache
def log_probability(temperature: float = 1.0) -> OutputSignal:
    """The signal: logarithm of the true class's probability (of all the true labels'), in nats, never above 0.

    Args:
        temperature: divides the logits, so that above 1 models seem less sure; of a text, its mean log-probability.
    """
    in_range(0, math.inf, temperature=temperature)

    def log_probability(outputs: Outputs, y: Tensor) -> PerRecord:
        labels_only(y, "log_probability", texts=True)
        return -_loss(outputs.double() / temperature, y)

    return OutputSignal(log_probability)


def towards_truth(outputs: Outputs, y: Tensor) -> Tensor:
    """The logit of each label, turned so that positive is right."""
    return torch.where(y, outputs.double(), -outputs.double())


def true_and_others(outputs: Outputs, y: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """The true class's logit, and all logits with the true class's at minus infinity."""
    labels_only(y, name)
    z = outputs.double()
    return z.gather(1, y[:, None]).squeeze(1), z.scatter(1, y[:, None], -torch.inf)


def labels_only(y: Tensor, name: str, *, texts: bool = False) -> None:
    if are_texts(y) and not texts:
        raise InputError(f"`{name}` is defined for class labels, and these records are texts. Use `loss` or `min_k`.")
    if y.is_floating_point():
        raise InputError(f"`{name}` is defined for class labels, and these records have quantities. Use `loss`.")
