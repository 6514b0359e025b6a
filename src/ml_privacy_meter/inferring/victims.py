"""Models of each world: trained at once, and asked the same questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from ml_privacy_meter import records as records_room
from ml_privacy_meter import targets
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.beside import fitted, names_of
from ml_privacy_meter.inferring.worlds import Dealt, Rows, Table, drawn
from ml_privacy_meter.property import Models, Weights
from ml_privacy_meter.records.memory import FrameInMemory
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.targets.estimator import Estimator
from ml_privacy_meter.training import Recipe, Reference, trained_on
from ml_privacy_meter.types import Model, Records


def trainer(opened: targets.Opened, train: Any, recipe: Mapping[str, Any] | None) -> Any:
    """How victims and shadows are trained: as is said, else like the target as far as that can be known."""
    if train is not None and recipe is not None:
        raise InputError("Models are trained by `train` or by a `recipe`, found both. Leave one out.")
    if recipe is not None:
        try:
            return Recipe(**recipe)
        except TypeError as problem:
            raise InputError(f"`recipe` must hold settings of `Recipe`: {problem}.") from problem
    if train is not None:
        return train
    if isinstance(opened.inner, nn.Module):
        return Recipe(epochs=10, batch_size=64)
    if isinstance(opened.inner, Estimator):
        return opened.inner.model
    raise InputError(
        f"Victims are trained like the target, and how that is cannot be read off a {opened.kind}. Give a function "
        "(x, y, seed) -> model, or an estimator, as `train`."
    )


def how_said(how: Any) -> str:
    """How models are trained, in words."""
    if isinstance(how, Recipe):
        where = "your model's architecture" if how.architecture == "like-target" else "an architecture of their own"
        named = (how.epochs, how.optimizer, how.lr, how.batch_size, how.weight_decay)
        return "{}, {} epochs of {} (learning rate {:g}, batches of {}, weight decay {:g})".format(where, *named)
    return f"by `{how}`" if isinstance(how, str) else f"by `{getattr(how, '__name__', type(how).__name__)}`"


def only_linear(inner: Any) -> bool:
    """Whether all weights of a model are those of linear layers."""
    if not isinstance(inner, nn.Module):
        return False
    own = [part for part in inner.modules() if [*part.parameters(recurse=False)]]
    return bool(own) and all(type(part) is nn.Linear for part in own)


@dataclass(frozen=True)
class Asked:
    """The target, and the questions that all models are asked.

    Args:
        opened: the target before it was fitted.
        sides: members and non-members, as they came.
        questions: with the target's labels.
    """

    opened: targets.Opened
    target: targets.Target
    sides: tuple[Records, Records]
    questions: Records
    device: str

    def target_alone(self) -> Models:
        """The target, as the adversary sees it."""
        return Models(self._logits(self.target)[None], self._weights([self.opened]))

    def models(self, references: Sequence[Reference]) -> Models:
        """These models, as the adversary sees them."""
        names = names_of(self.target, self.questions, self.sides)
        logits = [
            self._logits(
                fitted(self.opened, self.target, one, self.sides, names=names, called=f"Model {number} of the worlds")
            )
            for number, one in enumerate(references)
        ]
        return Models(torch.stack(logits), self._weights(references))

    def _logits(self, model: Model) -> Tensor:
        return Reader(Store(), device=self.device).signal(_answers, model, self.questions)

    def _weights(self, models: Sequence[Any]) -> Any:
        if self.target.access != "parameters":
            return None

        def weights(number: int) -> Weights:
            one = models[number]
            inner: Any = (one.open() if isinstance(one, Reference) else one).inner
            return {name: value.detach().cpu() for name, value in inner.state_dict().items()}

        return weights


def held(records: Records, rows: Rows) -> Records:
    """These records in memory: each model is asked about them anew."""
    x = records.x[rows]
    kept = FrameInMemory(x) if isinstance(x, pd.DataFrame) else x
    return replace(records.take(rows), x=kept, base=None, rows=None)


def _answers(model: Model, x: Any, y: Tensor) -> Tensor:
    return model(x)


@dataclass(frozen=True)
class Drawn:
    """What each model is trained on.

    Args:
        inside: of the pool; the victims first.
        world: of each model.
        victims: how many of the models are victims.
    """

    inside: Bool[Tensor, "records models"]
    world: Int[np.ndarray, " models"]
    victims: int


def draw(
    deal: Dealt, cell: Int[np.ndarray, " rows"], tables: Sequence[Table], counts: tuple[int, int], seed: int
) -> Drawn:
    """Training sets of so many victims and shadows of each world; the victims in an order that says nothing."""
    rng = np.random.default_rng([seed, 1])
    worlds = [rng.permutation(np.repeat(np.arange(len(tables)), count)) for count in counts]
    inside = np.zeros((len(cell), sum(map(len, worlds))), bool)
    for model, world in enumerate(np.concatenate(worlds)):
        rows = deal.victims if model < len(worlds[0]) else deal.shadows
        inside[drawn(rows, cell[rows], tables[world], rng), model] = True
    return Drawn(torch.from_numpy(inside), np.concatenate(worlds), len(worlds[0]))


def poisoned_pool(pool: Records, deal: Dealt, classes: Int[np.ndarray, " rows"]) -> Records:
    """The pool, and after it the poison, whose label is wrong."""
    named = pool.y[int(np.flatnonzero(classes == deal.label)[0])]
    poison = pool.take(deal.poison)
    wrong = poison.y.clone() if isinstance(poison.y, Tensor) else np.array(poison.y)
    wrong[:] = named
    return records_room.join(pool, replace(poison, y=wrong, base=None, rows=None))


def trained(
    how: Any, pool: Records, made: Drawn, asked: Asked, *, seed: int, device: str, poison: int = 0
) -> tuple[Models, Models]:
    """The victims and the shadows, trained on their records and on the last ``poison`` of the pool."""
    extra = torch.ones(poison, made.inside.shape[1], dtype=torch.bool)
    inside = torch.cat([made.inside, extra])
    known = records_room.scan(pool, name="records").records
    named = "Poisoned worlds" if poison else "Worlds"
    found = trained_on(how, known, inside, seed=seed, device=device, like=asked.opened, named=named)
    return asked.models(found[: made.victims]), asked.models(found[made.victims :])
