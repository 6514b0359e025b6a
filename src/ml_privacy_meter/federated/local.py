"""What clients do in a round: each trains from what it was sent, on its own records, as the recipe says."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial, reduce
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records import as_records, join
from ml_privacy_meter.targets import key
from ml_privacy_meter.traces import EVERYONE, Weights
from ml_privacy_meter.training import Defense, Recipe
from ml_privacy_meter.training.data import matched
from ml_privacy_meter.training.fit import device_of, fit_models
from ml_privacy_meter.training.side import sides
from ml_privacy_meter.training.ways import ByRecipe

State = dict[str, Tensor]


@dataclass(frozen=True)
class Local:
    """The clients' records and how they train on them.

    Args:
        module: with the first global weights.
        counts: by client: how many records it holds; row after row, they are those of ``x`` and ``y``.
        dtype: what records are cast to.
    """

    module: nn.Module
    recipe: Recipe
    counts: Mapping[str, int]
    x: Shaped[Tensor, "records ..."]
    y: Shaped[Tensor, "records *labels"]
    dtype: torch.dtype
    device: torch.device
    fit: Callable[..., list[State]] | None

    @cached_property
    def key(self) -> str:
        """Of all that is trained, and what from and on; empty where the module is more than words can say."""
        structure, data = key.of_module(self.module), (self.x.cpu(), self.y.cpu())
        held = [value.contiguous().flatten().view(torch.uint8).numpy().tobytes() for value in data]
        shapes = [f"{tuple(value.shape)} {value.dtype}" for value in data]
        said = map(repr, (sorted(self.trained), shapes, self.dtype, *self.counts.items()))
        return key.digest(structure, *held, *said) if structure else ""

    @property
    def trained(self) -> frozenset[str]:
        """Names of the weights that are trained: all but buffers and what is frozen."""
        return frozenset(n for n, value in self.module.state_dict(keep_vars=True).items() if value.requires_grad)

    def steps(self, client: str) -> int:
        """How many steps a client takes in a round."""
        return self.recipe.epochs * math.ceil(self.counts[client] / self.recipe.batch_size)

    def state(self, weights: Weights | None = None) -> State:
        """These weights, by default the first ones, as the module holds them: of its types, tied where it ties them."""
        module = self.module if weights is None else self._with(weights)
        return {name: value.detach().clone() for name, value in module.state_dict().items()}

    def train(
        self, sent: Mapping[str, Weights], seeds: Sequence[int], done: float, progress: Callable[[float], None]
    ) -> dict[str, State]:
        """The weights of each of these clients after it trained from those that it was sent.

        Args:
            done: the share of all rounds that is done, for the schedule of the learning rate.
        """
        if not sent:
            return {}
        own = dict(zip(seeds, sent.values(), strict=True))
        # one by one on a CPU: to record what many do at once takes longer than a round does
        fit = self.fit or partial(fit_models, _at_once=sides(self.device) if self.device.type == "cpu" else 0)
        found = fit(
            at(self.recipe, done),
            partial(self._from, own),
            self.x,
            self.y,
            torch.stack([self._rows[name] for name in sent], dim=1),
            list(seeds),
            feed=partial(Tensor.to, dtype=self.dtype),
            device=self.device,
            progress=progress,
        )
        return {name: {n: value.cpu() for n, value in state.items()} for name, state in zip(sent, found, strict=True)}

    def _from(self, own: Mapping[int, Weights], seed: int) -> nn.Module:
        """The module that a client starts from, by the client's seed; by 0, one that is only looked at."""
        if seed and seed not in own:
            raise InputError(
                "A `Defense` of clients must train each from the weights that it was sent, and this one trains others "
                "beside them. Use one that trains a single model, such as `dp_sgd`."
            )
        return self._with(own[seed]) if seed else copy.deepcopy(self.module)

    @cached_property
    def _rows(self) -> dict[str, Tensor]:
        """Which records each client holds."""
        owner = torch.repeat_interleave(torch.tensor(list(self.counts.values())))
        return {name: owner == place for place, name in enumerate(self.counts)}

    def _with(self, weights: Weights) -> nn.Module:
        module = copy.deepcopy(self.module)
        module.load_state_dict(dict(weights))
        return module


def at(recipe: Recipe, done: float) -> Recipe:
    """The recipe of a round before which this share of all rounds is done: a schedule runs over the rounds."""
    falls = (1 + math.cos(math.pi * done)) / 2 if recipe.schedule == "cosine" else 1
    return replace(recipe, lr=recipe.lr * falls, schedule="constant")


def prepared(
    model: nn.Module, clients: Mapping[str, Any], recipe: Recipe, defense: Defense | None, device: str
) -> Local:
    """The clients' records, read and cast, beside a copy of the model.

    Raises:
        InputError: a name cannot be used, or records are not of one kind, do not fit the model, or are not finite.
    """
    if not isinstance(model, nn.Module) or any(isinstance(p, torch.jit.ScriptModule) for p in model.modules()):
        raise InputError(f"`federate` trains an nn.Module, found a {type(model).__name__}. Give the module itself.")
    if not clients:
        raise InputError("A federated training needs clients, found none. Give {name: (x, y), ...}.")
    for name in clients:
        if not isinstance(name, str) or not name or "/" in name or name == EVERYONE:
            raise InputError(f"A client's name must be text without a slash, and not `{EVERYONE}`, found {name!r:.80}.")
    given = {name: as_records(data, name=name) for name, data in clients.items()}
    own = copy.deepcopy(model).cpu()
    way, data = matched(
        replace(recipe, architecture=lambda: copy.deepcopy(own)), [reduce(join, given.values())], None, defense
    )
    assert isinstance(way, ByRecipe)
    if data.x.dtype.kind == "f" and not np.isfinite(np.asarray(data.x)).all():
        raise InputError("The clients' features must be finite, and some are not. Fill them in, or leave records out.")
    counts, on = {name: len(records) for name, records in given.items()}, device_of(device)
    most = replace(way.recipe, batch_size=min(way.recipe.batch_size, max(counts.values())))
    x, y = (torch.from_numpy(np.array(part)).to(on) for part in (data.x, data.y))
    fit = defense.fit if defense else None
    return Local(way.build(0), most, counts, x, y, way.dtype, on, fit)
