"""Fine-tuning of a language model: by low-rank adapters, those of many models at once, or of all its weights."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool
from safetensors.torch import load_file, save
from torch import Generator

from ml_privacy_meter._checks import InputError, in_range, one_of
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.targets import LanguageModel, Opened, key, open_model
from ml_privacy_meter.targets.language import LOGITS
from ml_privacy_meter.training.adapters import Adapter, Weights, adapted, begun, linear_layers, merged, sharing
from ml_privacy_meter.training.adapters import weights_of as adapter_of
from ml_privacy_meter.training.fit import device_of
from ml_privacy_meter.training.keep import Made
from ml_privacy_meter.training.pieces import Piece, batches, pieces_of
from ml_privacy_meter.training.tune import Pace, apart, tune, with_module

Progress = Callable[[float], None]
SCHEDULES = ("linear", "constant")
LOUD = 0.1  # what adapters that add nothing yet are tried with
MOST = 16  # models at once: more gain nothing
WORTH = 2**28  # multiplications of a step beside which the time that they take to start counts


@dataclass(frozen=True)
class FineTuning:
    """How a language model is trained on, as its owner did it; dropout is off.

    Args:
        base: the model that was tuned: its folder, or a `LanguageModel`. In a run file, that of ``[model]``.
        rank: of the adapters (LoRA) beside its linear layers; 0: it has none, and all its weights are trained.
        alpha: adapters are added ``alpha / rank`` times.
        targets: the layers that have adapters, by the ends of their names ("q_proj"); None: all linear layers but the
            last.
        lr: of Adam.
        schedule: "linear": it falls to 0 over all steps; "constant".
        batch_size: texts of a step; a long text counts as several.
        max_tokens: a longer text is trained on in pieces of so many; never more than the model reads at once.
        clip: the largest norm of a gradient; infinite: any.
    """

    base: Any = None
    rank: int = 8
    alpha: float = 16.0
    targets: Sequence[str] | None = None
    epochs: int = 3
    lr: float = 2e-4
    schedule: str = "linear"
    batch_size: int = 8
    max_tokens: int = 512
    clip: float = 1.0

    def __post_init__(self) -> None:
        one_of(self.schedule, SCHEDULES, "schedule")
        whole(1, epochs=self.epochs, batch_size=self.batch_size, max_tokens=self.max_tokens)
        whole(0, rank=self.rank)
        in_range(0, math.inf, lr=self.lr, alpha=self.alpha, **({} if self.clip == math.inf else {"clip": self.clip}))
        if isinstance(self.targets, str):
            raise InputError(f'`targets` must be a list, found "{self.targets}". Write ["{self.targets}"].')

    @property
    def scale(self) -> float:
        """How often an adapter is added."""
        return self.alpha / (self.rank or 1)

    def settings(self) -> dict[str, Any]:
        """All of it but the base; of training all weights, what that takes."""
        left_out = ("base",) if self.rank else ("base", "alpha", "targets")
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in left_out}


@dataclass(frozen=True)
class ByTuning:
    """Models that are tuned from one language model, which stays as it is: see `ways.Way`."""

    language: LanguageModel
    tuning: FineTuning

    @property
    def key(self) -> str:
        return self.language.key and key.digest(self.language.key, repr(sorted(self.tuning.settings().items())))

    @property
    def says(self) -> str:
        said = ", ".join(f"{name} {value!r}" for name, value in self.tuning.settings().items())
        how = "an adapter (LoRA) beside it" if self.tuning.rank else "all its weights"
        return f"{type(self.language.module).__name__}, {how} trained on texts ({said})"

    def at_once(self, x: Any, device: str) -> int:
        """As many as fill a step: where one model does, others gain nothing beside it."""
        if not self.tuning.rank:
            return 1
        pieces = pieces_of(self.language, x, self.tuning.max_tokens)
        tokens = int(np.mean([len(piece.before) + len(piece.tokens) for piece in pieces]) * self.tuning.batch_size)
        weights = sum(weight.numel() for weight in self.language.parameters())
        room = LOGITS // (tokens * self.language.vocabulary())
        if device_of(device).type == "cpu":
            room = min(room, WORTH // (tokens * weights))
        return max(1, min(room, MOST))

    def train(
        self,
        x: np.ndarray | pd.DataFrame,
        y: np.ndarray,
        inside: Bool[np.ndarray, "records models"],
        seeds: Sequence[int],
        *,
        device: str,
        progress: Progress,
    ) -> list[Made]:
        pieces = pieces_of(self.language, x, self.tuning.max_tokens)
        language = with_module(self.language, sharing(self.language.module).to(device_of(device)))
        draws = [Generator().manual_seed(seed) for seed in seeds]
        adapters = self._begun(language, draws)  # drawn first, so that the order of texts hangs on nothing else
        steps = [self._steps(pieces, own, draw) for own, draw in zip(inside.T, draws, strict=True)]
        pace = Pace(self.tuning.lr, self.tuning.schedule, self.tuning.clip)
        room = language.room()
        if adapters is None:
            found = [
                _all_weights(language, one, pace, at_once=room, progress=_part(progress, number, len(steps)))
                for number, one in enumerate(steps)
            ]
        else:
            found = _by_adapters(language, adapters, steps, pace, at_once=room, progress=progress)
        return [Made("safetensors", save(one)) for one in found]

    def open(self, file: Path, classes: tuple[str, ...] | None, epoch: int = 0) -> Opened:
        weights, kind = load_file(file), "language model that was tuned here"
        content = self.language.key and key.digest(self.language.key, str(self.tuning.scale), key.of_files(file))
        inner = self.language.module
        if not self.tuning.rank:
            module = sharing(inner)
            for name, weight in module.named_parameters():
                weight.data = weights[name]
        else:
            module = merged(inner, weights, self.tuning.scale)
        return open_model(with_module(self.language, module, content, kind))

    def _begun(self, language: LanguageModel, draws: Sequence[Generator]) -> dict[str, Adapter] | None:
        if not self.tuning.rank:
            return None
        layers = linear_layers(language.module, self.tuning.targets, language.vocabulary())
        return begun(layers, self.tuning.rank, self.tuning.alpha, draws, language.device)

    def _steps(self, pieces: Sequence[Piece], inside: np.ndarray, draw: Generator) -> list[list[Piece]]:
        return batches(pieces, inside, draw=draw, epochs=self.tuning.epochs, size=self.tuning.batch_size)


def way_of_tuning(tuning: FineTuning) -> ByTuning:
    """The way to train models that this says.

    Raises:
        InputError: it does not say what is tuned, or that is no language model.
    """
    if tuning.base is None:
        raise InputError("A fine-tuning begins with a language model: name its folder as `base`.")
    opened = tuning.base if isinstance(tuning.base, Opened) else open_model(tuning.base)
    if not isinstance(opened.inner, LanguageModel):
        raise InputError(f"`base` must be a language model, found a {opened.kind}. Name the folder of one.")
    return ByTuning(opened.inner, tuning)


def _by_adapters(
    language: LanguageModel,
    adapters: Mapping[str, Adapter],
    steps: Sequence[list[list[Piece]]],
    pace: Pace,
    *,
    at_once: int,
    progress: Progress,
) -> list[Weights]:
    """The adapters of each model: trained in one pass for all, or each by itself where rows cannot be told apart."""
    models = len(steps)
    if models > 1 and not _apart(language, adapters, models):
        parts = ({name: one.of(model) for name, one in adapters.items()} for model in range(models))
        found = []
        for model, own in enumerate(parts):
            told = _part(progress, model, models)
            found += _by_adapters(language, own, steps[model : model + 1], pace, at_once=at_once, progress=told)
        return found
    weights = [weight.requires_grad_() for one in adapters.values() for weight in (one.down, one.up)]
    tune(_with_adapters(language, adapters), weights, steps, pace, at_once=at_once, progress=progress)
    return [adapter_of(adapters, model) for model in range(models)]


def _apart(language: LanguageModel, adapters: Mapping[str, Adapter], models: int) -> bool:
    """Whether adapters that add something do so to the rows of their own model alone."""
    loud = {name: replace(one, up=torch.full_like(one.up, LOUD)) for name, one in adapters.items()}
    return apart(
        _with_adapters(language, loud),
        lambda model: _with_adapters(language, {name: one.of(model) for name, one in loud.items()}),
        models,
    )


def _with_adapters(language: LanguageModel, adapters: Mapping[str, Adapter]) -> LanguageModel:
    return with_module(language, adapted(language.module, adapters))


def _all_weights(
    language: LanguageModel, steps: list[list[Piece]], pace: Pace, *, at_once: int, progress: Progress
) -> Weights:
    module = sharing(language.module)
    for weight in module.parameters():
        weight.data = weight.data.clone()
        weight.requires_grad_(weight.is_floating_point())
    tune(with_module(language, module), [*module.parameters()], [steps], pace, at_once=at_once, progress=progress)
    return {name: weight.detach().cpu() for name, weight in module.named_parameters()}


def _part(progress: Progress, number: int, count: int) -> Progress:
    """Of so many parts of the work, one tells of itself."""
    return lambda share: progress((number + share) / count)
