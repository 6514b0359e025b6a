"""What passes between models, attacks and figures, and the conventions that hold in every room. (See also `findings`.)

* A higher score says "member". Rates are shares in [0, 1]. Logarithms are natural: losses are in nats.
* Signals and scores are float64: differences of logarithms cancel.
* A tie counts half in an AUC, and never straddles a threshold.
* Axes mean the same everywhere: ``records``, ``models`` (reference models), ``trials`` (one guess against one secret).
* The kind of a label says the task. ``Int["records"]``: the index of a class. ``Bool["records labels"]``: several
  labels at once. ``Float["records *outputs"]``: a quantity (regression).
* A model answers in logits for labels (two columns for a binary model), in the quantity's own unit for regression.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ml_privacy_meter._checks import InputError

Batch = Tensor | pd.DataFrame
Index = slice | np.ndarray
Model = Callable[[Any], Tensor]
Labels = Tensor | np.ndarray


@runtime_checkable
class Rows(Protocol):
    """The inputs of records, in memory or on disk: ``rows[index]`` is a batch as the model takes it.

    A `torch.Tensor` is one. ``index`` is a slice, or an integer array.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


@runtime_checkable
class Signal(Protocol):
    """What is read off one model for each record of a batch: ``(model, x, y) -> Float["records *features"]``."""

    def __call__(self, model: Model, x: Any, y: Tensor, /) -> Tensor: ...


class OutputSignal:
    """A signal that follows from a model's outputs and the label: all such signals share one pass over the records.

    Args:
        of: ``(outputs, y) -> Float["records *features"]``.
        sign: +1 if it is higher for members, -1 if it is lower.
    """

    def __init__(self, of: Callable[[Tensor, Tensor], Tensor], sign: int = 1) -> None:
        self.of, self.sign = of, sign
        functools.update_wrapper(self, of)
        self.__name__ = of.__name__.lstrip("_")

    def __call__(self, model: Model, x: Any, y: Tensor) -> Tensor:
        return self.of(model(x), y)


def marked(function: Any, mark: str, default: Any = False) -> Any:
    """What an attack or a signal, with settings or without, was marked with; ``default`` where it was not."""
    within = function.func if isinstance(function, functools.partial) else None
    return getattr(function, mark, default if within is None else marked(within, mark, default))


def sign_of(signal: Signal) -> int:
    """+1 if the signal is higher for members or does not say, -1 if it is lower."""
    return int(marked(signal, "sign", 1))


@runtime_checkable
class Reads(Protocol):
    """Asks models about records: ``signal`` of every record, in the form ``query`` (0: as it stands)."""

    def signal(self, signal: Signal, model: Model, records: "Records", query: int = 0) -> Tensor: ...


@dataclass(frozen=True)
class Records:
    """Labelled records in a fixed order; row i is record i everywhere.

    Args:
        x: their inputs; may lie on disk.
        y: their labels: a tensor whose kind says the task, or, as loaded, whatever the user calls the classes.
        id: the user's own name of each record.
        groups: columns to report on separately, by name.
        outputs: what the target model answered for them, where that was saved; one row a record.
        gives: "logits", "probabilities" or "values": what ``outputs`` are.
        key: of the content of ``x``; empty where it is not known, and then nothing about these records is kept.
        columns: names of the features, where they came from a table.
        labelled: their labels were given; those of texts may not be.
    """

    x: Rows
    y: Labels
    id: np.ndarray
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)
    outputs: Rows | None = None
    gives: str = ""
    key: str = ""
    columns: tuple[str, ...] = ()
    base: "Records | None" = None
    rows: np.ndarray | None = None
    labelled: bool = True

    def __post_init__(self) -> None:
        sizes = {"x": len(self.x), "y": len(self.y), "id": len(self.id)}
        sizes |= {f"group {name}": len(values) for name, values in self.groups.items()}
        if len(set(sizes.values())) > 1:
            raise InputError(f"Every column must have one entry for each record, found {sizes}.")

    def __len__(self) -> int:
        return len(self.id)

    def take(self, rows: np.ndarray) -> "Records":
        """These rows, in this order, by reference: signals that were read of the whole serve the part."""
        return replace(
            self,
            x=Picked(self.x, rows),
            y=self.y[rows],
            id=self.id[rows],
            groups={name: values[rows] for name, values in self.groups.items()},
            outputs=None if self.outputs is None else Picked(self.outputs, rows),
            key="",
            base=self,
            rows=rows,
        )

    @property
    def labels(self) -> Tensor:
        """The labels as a tensor whose kind says the task."""
        if not isinstance(self.y, Tensor):
            raise TypeError("These labels have not been set beside a model's outputs yet: see `targets.fit_labels`.")
        return self.y


@dataclass(frozen=True)
class Picked:
    """Some rows of others, in another order."""

    of: Rows
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: Index) -> Batch:
        batch: Batch = self.of[self.order[index]]
        return batch


@dataclass(frozen=True)
class Signals:
    """One signal of the same records under the target model and under every reference model.

    ``inside[i, j]`` says that record ``i`` was in the training set of reference model ``j``. Nothing here says which
    records the target model was trained on: that is what the adversary guesses.
    """

    target: Float[Tensor, "records *features"]
    reference: Float[Tensor, "records models *features"]
    inside: Bool[Tensor, "records models"]


@dataclass(frozen=True)
class Scores:
    """What an attack said of each trial, beside the truth; a higher score says "member".

    Raises:
        InputError: a score is not finite, or members or non-members are missing.
    """

    score: Float[Tensor, " trials"]
    truth: Bool[Tensor, " trials"]

    def __post_init__(self) -> None:
        if not self.score.isfinite().all():
            first = int((~self.score.isfinite()).nonzero()[0])
            raise InputError(f"A score must be finite, found {float(self.score[first])} at trial {first}.")
        if self.truth.all() or not self.truth.any():
            raise InputError(
                f"Scores need members and non-members, found {int(self.truth.sum())} members in {len(self.truth)}."
            )

    @property
    def members(self) -> Float[Tensor, " members"]:
        return self.score[self.truth].double()

    @property
    def others(self) -> Float[Tensor, " non_members"]:
        return self.score[~self.truth].double()

    def where(self, rows: Tensor) -> "Scores":
        return Scores(self.score[rows], self.truth[rows])


def fold_of(truth: Bool[Tensor, " trials"], folds: int) -> np.ndarray:
    """The fold of each trial: members and non-members dealt out evenly, each at random, and always alike."""
    fold, rng = torch.empty(len(truth), dtype=torch.long), torch.Generator().manual_seed(0)
    for side in (truth, ~truth):
        fold[side] = torch.randperm(int(side.sum()), generator=rng) % folds
    return fold.numpy()
