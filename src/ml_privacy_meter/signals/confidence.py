"""Signals of how sure a classifier is, and of what else it answers: they follow from outputs and label."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid

from ml_privacy_meter.signals.classifier import Outputs, PerRecord, labels_only, towards_truth, true_and_others
from ml_privacy_meter.types import OutputSignal


def _entropy(outputs: Outputs, y: Tensor) -> PerRecord:
    """Entropy of the predicted distribution, in nats. It needs no true label.

    Source: Song and Mittal, Systematic Evaluation of Privacy Risks of Machine Learning Models, USENIX Security 2021.
    """
    labels_only(y, "entropy")
    z = outputs.double()
    if y.dtype == torch.bool:
        return -(z.sigmoid() * logsigmoid(z) + (-z).sigmoid() * logsigmoid(-z)).sum(1)
    log_p = log_softmax(z, 1)
    return -(log_p.exp() * log_p).sum(1)


def _modified_entropy(outputs: Outputs, y: Tensor) -> PerRecord:
    """-(1 - p(y)) log p(y) - sum over the other classes i of p(i) log(1 - p(i)), in nats.

    Several labels: the sum of it over the labels, each a choice between two classes.

    Source: Song and Mittal, Systematic Evaluation of Privacy Risks of Machine Learning Models, USENIX Security 2021,
    equation 8.
    """
    if y.dtype == torch.bool:
        towards = towards_truth(outputs, y)
        return -2 * ((-towards).sigmoid() * logsigmoid(towards)).sum(1)
    true, others = true_and_others(outputs, y, "modified_entropy")
    log_rest = others.logsumexp(1)
    total = torch.logaddexp(true, log_rest)
    log_p = others - total[:, None]
    # 1 - p rounds away where p is near 1, which only the largest can be: there it is the sum of all the rest.
    top = others.argmax(1, keepdim=True)
    without_top = others.scatter(1, top, -torch.inf).logsumexp(1)
    log_not_p = torch.log1p(-log_p.exp().clamp(max=0.5))
    log_not_p = log_not_p.scatter(1, top, (torch.logaddexp(true, without_top) - total)[:, None])
    return -(log_rest - total).exp() * (true - total) - (log_p.exp() * log_not_p).sum(1)


def _margin(outputs: Outputs, y: Tensor) -> PerRecord:
    """Logit of the true class less the largest of the others, in nats; of several labels, that of the least certain.

    Negative where the prediction is wrong.
    """
    if y.dtype == torch.bool:
        return towards_truth(outputs, y).amin(1)
    true, others = true_and_others(outputs, y, "margin")
    return true - others.amax(1)


def _other_classes(outputs: Outputs, y: Tensor) -> Float[Tensor, "records features"]:
    """The true label, then how the other classes share what it leaves: their entropy, and their 8 largest logits.

    In nats, less the logits' log-sum: nothing of it depends on the true class's own probability. Of several labels,
    or of a quantity: the labels, or the quantity, alone.
    """
    if y.is_floating_point() or y.dtype == torch.bool:
        return y.double().reshape(len(y), -1)
    _, others = true_and_others(outputs, y, "other_classes")
    log_q = log_softmax(others, 1)
    largest = log_q.topk(min(8, others.shape[1] - 1), dim=1).values
    spread = -(log_q.exp() * log_q.clamp(min=-1e300)).sum(1, keepdim=True)
    return torch.cat([y[:, None].double(), spread, largest], 1)


entropy = OutputSignal(_entropy, sign=-1)
modified_entropy = OutputSignal(_modified_entropy, sign=-1)
margin = OutputSignal(_margin)
other_classes = OutputSignal(_other_classes)
