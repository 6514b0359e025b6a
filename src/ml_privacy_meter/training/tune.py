"""Trains a language model on: adapters of several models at once beside frozen weights, or all weights of one."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets.language import LanguageModel
from ml_privacy_meter.training.pieces import Piece, batches_of

BETAS, EPS = (0.9, 0.999), 1e-8


@dataclass(frozen=True)
class Pace:
    """How fast weights are changed.

    Args:
        lr: Adam's step at the beginning.
        schedule: "linear": it falls to 0 over all steps; "constant".
        clip: the largest norm of a model's gradient; a longer one is made so short.
    """

    lr: float
    schedule: str
    clip: float


def tune(
    language: LanguageModel,
    weights: Sequence[Tensor],
    steps: Sequence[Sequence[Sequence[Piece]]],
    pace: Pace,
    *,
    at_once: int,
    progress: Callable[[float], None],
) -> None:
    """Changes these weights, until the texts of each step were learned from.

    Args:
        language: hangs on the weights; where there are several models, a batch holds rows of each, in their order.
        weights: those of all models, with an axis of models in front where there are several.
        steps: of each model, the pieces of each of its steps.
        at_once: the most tokens that the model reads at once.

    Raises:
        InputError: a loss is not finite, or some weights have no part in what the model answers.
    """
    models, most = len(steps), max(map(len, steps))
    moments = [(torch.zeros_like(weight), torch.zeros_like(weight)) for weight in weights]
    with _by_its_parts():
        for step in range(most):
            now = [own[step] if step < len(own) else [] for own in steps]
            grads = _gradients(language, weights, now, at_once)
            _clip(grads, models, pace.clip)
            rates = [_rate(pace, step, len(own)) for own in steps]
            _adam(weights, grads, moments, torch.tensor(rates), step + 1)
            progress((step + 1) / most)


def _gradients(
    language: LanguageModel, weights: Sequence[Tensor], now: Sequence[Sequence[Piece]], at_once: int
) -> list[Tensor]:
    """Of the mean loss of each model's pieces, by its weights."""
    whole = [torch.zeros_like(weight) for weight in weights]
    for batch in batches_of(now, at_once=at_once):
        loss = batch.loss(language)
        if not loss.isfinite():
            raise InputError(
                f"The loss must stay finite while a language model is tuned, found {loss.item()}. Choose a smaller "
                "`lr`."
            )
        for sum_, part in zip(whole, torch.autograd.grad(loss, list(weights), allow_unused=True), strict=True):
            if part is None:
                raise InputError(
                    "Every adapted layer must have a part in what the model answers, and one has none. Name the others "
                    "as `targets`."
                )
            sum_ += part
    return whole


def _rate(pace: Pace, step: int, steps: int) -> float:
    """The learning rate of this step; 0 for a model that is finished."""
    if step >= steps:
        return 0.0
    return pace.lr * (1 - step / steps) if pace.schedule == "linear" else pace.lr


def _clip(grads: Sequence[Tensor], models: int, most: float) -> None:
    norms: Float[Tensor, " models"] = (
        torch.stack([grad.reshape(models, -1).float().square().sum(1) for grad in grads]).sum(0).sqrt()
    )
    factor = (most / (norms + 1e-6)).clamp(max=1.0)
    for grad in grads:
        grad.view(models, -1).mul_(factor[:, None].to(grad))


@torch.no_grad()
def _adam(
    weights: Sequence[Tensor],
    grads: Sequence[Tensor],
    moments: Sequence[tuple[Tensor, Tensor]],
    rates: Float[Tensor, " models"],
    step: int,
) -> None:
    """Adam with a rate for each model: torch's own has one for all.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, algorithm 1.
    """
    first, second = BETAS
    for weight, grad, (mean, square) in zip(weights, grads, moments, strict=True):
        mean.lerp_(grad, 1 - first)
        square.mul_(second).addcmul_(grad, grad, value=1 - second)
        change = mean / (square.sqrt() / math.sqrt(1 - second**step) + EPS)
        weight.view(len(rates), -1).sub_(change.view(len(rates), -1) * (rates / (1 - first**step)).to(weight)[:, None])


@contextmanager
def _by_its_parts() -> Iterator[None]:
    """Within, torch asks each layer of a transformer by itself, and so what was set beside it."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def with_module(language: LanguageModel, module: nn.Module, key: str = "", kind: str = "") -> LanguageModel:
    """The language model with another module in place of its own."""
    return LanguageModel(
        module,
        language.tokenizer,
        begin=language.begin,
        context=language.context,
        encoder=language.encoder,
        key=key,
        kind=kind or language.kind,
    )


def apart(language: LanguageModel, alone: Callable[[int], LanguageModel], models: int) -> bool:
    """Whether rows of several models in one batch are answered as each by its own model."""
    ids = [[language.begin] * 3, [language.begin] * 2]
    read = [list(one) for one in ids]
    with torch.no_grad(), _by_its_parts():
        try:
            together = language.logits(ids * models, read * models)
        except RuntimeError:  # some layer takes the batch to pieces
            return False
        found = torch.cat([alone(model).logits(ids, read) for model in range(models)])
    close: bool = torch.allclose(together, found, rtol=1e-3, atol=1e-4)
    return close
