"""What the white-box attacks read off one model for each record, as parts of what a network is shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, logsigmoid, one_hot

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership.network import Outer, Part
from ml_privacy_meter.signals.classifier import logit_gap
from ml_privacy_meter.signals.gradient import gradient_factors
from ml_privacy_meter.signals.layers import layer, layers, trainable
from ml_privacy_meter.signals.sketch import activation_sketch, gradient_sketch
from ml_privacy_meter.types import Model, OutputSignal, Signal

Which = Sequence[str | int]
Read = Callable[[Signal], Tensor]


@dataclass(frozen=True)
class Exploited:
    """What is read: see `whitebox`."""

    layers: Which = ("last",)
    gradients: Which = ("last",)
    outputs: bool = True
    loss: bool = True
    label: bool = True

    def plain(self, moments: int = 1) -> int:
        """How many of the parts, the first, can be seen from outside of the model: outputs, losses and label."""
        return moments * (self.outputs + self.loss) + self.label

    def of(self, model: Model, labels: Tensor, *reads: Read) -> list[Part]:
        """Parts of each record: outputs and loss at each moment and the label, then activations, then gradients.

        Args:
            reads: what a signal of the model says of the records, whose labels these are; and, of each earlier moment
                that is shown beside, what it said there.
        """
        parts: list[Part] = []
        for read in reads:
            if self.outputs:
                parts.append(read(log_outputs))
            if self.loss:
                parts.append(read(logit_gap)[:, None])
        if self.label:
            parts.append(_coded(labels, reads[0](log_outputs).shape[1]))
        parts += [_activations(model, which, read) for which in self.layers for read in reads]
        parts += [_gradients(model, which, read) for which in self.gradients for read in reads]
        if not parts:
            raise InputError("An attack network needs something to look at, found nothing. Exploit the loss.")
        return parts


def _log_outputs(outputs: Tensor, y: Tensor) -> Tensor:
    """The logarithm of each class's probability (of each label's, that it holds), in nats; quantities as they are."""
    z = outputs.double().flatten(1)
    if y.is_floating_point():
        return z
    return logsigmoid(z) if y.dtype == torch.bool else log_softmax(z, 1)


log_outputs = OutputSignal(_log_outputs)


def _coded(labels: Tensor, classes: int) -> Tensor:
    coded = one_hot(labels, classes) if labels.dtype == torch.int64 else labels.flatten(1)
    return coded.double()


def _activations(model: Model, which: str | int, read: Read) -> Tensor:
    if which != "last":
        return read(partial(activation_sketch, of=which))
    last = _last(model)
    factors = _factors(last, layer(model, last), read)
    if factors is not None:
        return factors.rows
    names = list(layers(model))
    return read(partial(activation_sketch, of=names[max(0, names.index(last) - 1)]))


def _gradients(model: Model, which: str | int, read: Read) -> Part:
    """The gradient by a linear layer's weight, as factors; by other layers, whole."""
    found = {"last": _last(model)}.get(str(which), which)
    part = list(trainable(model).values())[found - 1] if isinstance(found, int) else layer(model, found)
    factors = _factors(found, part, read)
    return read(partial(gradient_sketch, of=found))[:, None, :] if factors is None else factors


def _factors(which: str | int, part: nn.Module, read: Read) -> Outer | None:
    """None where the layer is not linear, or is applied more than once to a record."""
    if not isinstance(part, nn.Linear):
        return None
    try:
        both = read(partial(gradient_factors, of=which))
    except InputError:
        return None
    return Outer(rows=both[:, part.out_features :], columns=both[:, : part.out_features])


def _last(model: Model) -> str:
    names = list(trainable(model))
    if not names:
        raise InputError(
            "A white-box attack needs a model with layers that have parameters, found none. Give the module itself, or "
            "a program that `torch.export` made of it."
        )
    return names[-1]
