"""A model as it answers points that nobody has a record of: rows of numbers, brought to the form that it takes."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

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


Words = Mapping[str, tuple[Any, ...]]  # of each column that holds no numbers: what it may hold


@dataclass(frozen=True)
class Form:
    """The form of a record; a column of words becomes a number for each of them, of which one is 1.

    Args:
        one: a batch of one record.
        words: of each column of words in it.
    """

    one: Batch
    words: Words = field(default_factory=dict)

    def points(self, rows: Rows, name: str) -> Points:
        """Records as rows of numbers.

        Raises:
            InputError: they are of another form, hold a word that no other record has, or a number not finite.
        """
        batches = [rows[slice(start, start + _AT_ONCE)] for start in range(0, len(rows), _AT_ONCE)]
        for batch in batches:
            if batch.shape[1:] != self.one.shape[1:] or type(batch) is not type(self.one):
                raise InputError(
                    f"The {name} must have the form of the other records, {tuple(self.one.shape[1:])}, found "
                    f"{tuple(batch.shape[1:])}."
                )
        found = torch.cat([self._numbers(batch, name) for batch in batches])
        if not found.isfinite().all():
            row = int((~found.isfinite().all(1)).nonzero()[0])
            raise InputError(
                f"A model is copied by asking about numbers; record {row} of the {name} holds one not finite."
            )
        return found

    @property
    def choices(self) -> tuple[tuple[int, ...], ...]:
        """The features of each column of words."""
        if not isinstance(self.one, pd.DataFrame):
            return ()
        ends = np.cumsum([self._width(name) for name in self.one.columns])
        named = zip(self.one.columns, ends, strict=True)
        return tuple(tuple(range(end - self._width(name), end)) for name, end in named if name in self.words)

    @property
    def whole(self) -> Bool[Tensor, " features"]:
        """Which features are whole numbers."""
        if isinstance(self.one, pd.DataFrame):
            kinds = [(self.one[name].dtype.kind, self._width(name), name in self.words) for name in self.one.columns]
            return torch.tensor([kind != "f" and not word for kind, width, word in kinds for _ in range(width)])
        return torch.full((self.one[0].numel(),), not self.one.is_floating_point())

    def batch(self, points: Points) -> Batch:
        """Rows of numbers in the form that the model takes."""
        if not isinstance(self.one, pd.DataFrame):
            return points.reshape(-1, *self.one.shape[1:]).to(self.one.dtype)
        parts = torch.split(points, [self._width(name) for name in self.one.columns], 1)
        columns = {}
        for name, part in zip(self.one.columns, parts, strict=True):
            held = part[:, 0].numpy()
            if name in self.words:
                held = np.array([*self.words[name], None], object)[:-1][part.argmax(1).numpy()]
            columns[name] = pd.Series(held).astype(self.one[name].dtype)
        return pd.DataFrame(columns)

    def _width(self, name: str) -> int:
        return len(self.words.get(name, (0,)))

    def _numbers(self, batch: Batch, where: str) -> Points:
        if not isinstance(batch, pd.DataFrame):
            return batch.detach().cpu().double().reshape(len(batch), -1)
        parts = [
            _chosen(batch[name], self.words[name], where) if name in self.words else batch[[name]].to_numpy(np.float64)
            for name in batch.columns
        ]
        return torch.from_numpy(np.concatenate(parts, 1))


def form_of(*sides: Rows) -> Form:
    """The form of records, with all words that they hold."""
    one = sides[0][slice(0, 1)]
    if not isinstance(one, pd.DataFrame):
        return Form(one)
    words: dict[str, dict[Any, None]] = {str(n): {} for n in one.columns if one[n].dtype.kind not in "biuf"}
    for rows in sides if words else ():
        for start in range(0, len(rows), _AT_ONCE):
            batch = rows[slice(start, start + _AT_ONCE)]
            for name in words.keys() & {*getattr(batch, "columns", ())}:
                words[name] |= dict.fromkeys(_spoken(batch[name]))
    return Form(one, {name: tuple(sorted(held, key=str)) for name, held in words.items()})


def _spoken(column: pd.Series) -> list[Any]:
    """What a column holds, with None for what is missing."""
    return [None if missing else value for value, missing in zip(column, column.isna(), strict=True)]


def _chosen(column: pd.Series, words: tuple[Any, ...], where: str) -> np.ndarray:
    """A number for each word that the column may hold, of which one is 1."""
    place = {word: k for k, word in enumerate(words)}
    held = _spoken(column)
    if strange := [word for word in held if word not in place]:
        raise InputError(
            f"The {where} must hold words that other records hold too, found {strange[0]!r} in `{column.name}`."
        )
    return np.eye(len(words))[[place[word] for word in held]]


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
