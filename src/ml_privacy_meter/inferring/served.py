"""A model as it answers points that nobody has a record of: rows of numbers, brought to the form that it takes."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals.reader import evaluating
from ml_privacy_meter.targets import Target
from ml_privacy_meter.targets.estimator import Estimator
from ml_privacy_meter.training.fit import device_of
from ml_privacy_meter.types import Batch, Rows

Points = Float[Tensor, "points features"]
Ask = Callable[[Points], Tensor]

_AT_ONCE = 1024


@dataclass(frozen=True)
class Form:
    """The form of a record, learned from one.

    Args:
        one: a batch of one record.
    """

    one: Batch

    def points(self, rows: Rows, name: str) -> Points:
        """Records as rows of numbers.

        Raises:
            InputError: they are of another form, hold words, or a number that is not finite.
        """
        batches = [rows[slice(start, start + _AT_ONCE)] for start in range(0, len(rows), _AT_ONCE)]
        for batch in batches:
            if batch.shape[1:] != self.one.shape[1:] or type(batch) is not type(self.one):
                raise InputError(
                    f"The {name} must have the form of the other records, {tuple(self.one.shape[1:])}, found "
                    f"{tuple(batch.shape[1:])}."
                )
        found = torch.cat([_numbers(batch) for batch in batches])
        if not found.isfinite().all():
            row = int((~found.isfinite().all(1)).nonzero()[0])
            raise InputError(
                f"A model is copied by asking about numbers; record {row} of the {name} holds one not finite."
            )
        return found

    @property
    def whole(self) -> Bool[Tensor, " features"]:
        """Which features are whole numbers."""
        if isinstance(self.one, pd.DataFrame):
            return torch.tensor([kind.kind != "f" for kind in self.one.dtypes])
        return torch.full((self.one[0].numel(),), not self.one.is_floating_point())

    def batch(self, points: Points) -> Batch:
        """Rows of numbers in the form that the model takes."""
        if isinstance(self.one, pd.DataFrame):
            frame = pd.DataFrame(points.numpy(), columns=self.one.columns)
            return frame.astype({name: self.one[name].dtype for name in frame.columns})
        return points.reshape(-1, *self.one.shape[1:]).to(self.one.dtype)


def asking(target: Target, form: Form, device: str) -> Ask:
    """Points -> the target's logits or quantities, in float64."""
    on = device_of(device)
    away = {weight.device.type for weight in target.parameters()} - {on.type}
    here = copy.deepcopy(target).to(on) if away else target

    @torch.no_grad()
    def ask(points: Points) -> Tensor:
        with evaluating(here):
            parts = [here(form.batch(part)) for part in torch.split(points, _AT_ONCE)]
        return torch.cat(parts).reshape(len(points), -1).double().cpu()

    return ask


def is_tree(target: Target) -> bool:
    """Whether it is a single decision tree of scikit-learn."""
    return isinstance(target.inner, Estimator) and hasattr(target.inner.model, "tree_")


def weights_of(target: Target, ask: Ask, points: Points, *, classes: bool) -> tuple[Tensor, Tensor] | None:
    """(features, outputs) and (outputs,): a linear model's weights, as they stand in it; None where it is none.

    Args:
        ask: the target itself, before anything changes its answers: what is read must answer alike.
        points: to see that it does.
    """
    found = _written(target.inner)
    if found is None or found[0].shape[1] != points.shape[1]:
        return None
    weight, bias = (torch.as_tensor(np.asarray(part, np.float64)) for part in found)
    if classes and len(weight) == 1:  # the logit of the second of two classes
        weight, bias = (torch.cat([torch.zeros_like(part), part]) for part in (weight, bias))
    said, read = ask(points), points @ weight.T + bias
    if said.shape != read.shape:
        return None
    if classes:
        said, read = said.log_softmax(1), read.log_softmax(1)
        said, read = said.clamp(min=-20), read.clamp(min=-20)  # beyond, few digits of a probability are left
    return (weight.T, bias) if torch.allclose(said, read, rtol=1e-3, atol=1e-3) else None


def _written(inner: object) -> tuple[np.ndarray, np.ndarray] | None:
    """(outputs, features) and (outputs,), where a model holds such."""
    if isinstance(inner, Estimator):
        model = inner.model
        if not hasattr(model, "coef_"):
            return None
        weight = np.atleast_2d(model.coef_)
        return weight, np.zeros(len(weight)) + np.ravel(getattr(model, "intercept_", 0.0))
    if not isinstance(inner, nn.Module):
        return None
    layers = [part for part in inner.modules() if isinstance(part, nn.Linear)]
    if len(layers) != 1 or {id(w) for w in inner.parameters()} != {id(w) for w in layers[0].parameters()}:
        return None
    weight = layers[0].weight.detach().double().cpu().numpy()
    bias = layers[0].bias
    return weight, np.zeros(len(weight)) if bias is None else bias.detach().double().cpu().numpy()


def _numbers(batch: Batch) -> Points:
    if isinstance(batch, pd.DataFrame):
        words = [str(name) for name in batch.columns if batch[name].dtype.kind not in "biuf"]
        if words:
            raise InputError(
                f"A model is copied by asking about numbers, found columns of other kinds: {', '.join(words)}. Give "
                "records as the numbers that they become, and the model that takes these."
            )
        return torch.from_numpy(batch.to_numpy(np.float64, copy=True))
    return batch.detach().cpu().double().reshape(len(batch), -1)
