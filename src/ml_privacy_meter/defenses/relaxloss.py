"""A floor under the training loss, so that members' losses stay near those of others."""

from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from ml_privacy_meter._checks import in_range
from ml_privacy_meter.defenses.teaching import check_classes, log_probabilities, of_label
from ml_privacy_meter.training import Defense
from ml_privacy_meter.training.fit import State, fit_models


def relaxloss(*, alpha: float = 1.0, upper: float = 1.0) -> Defense:
    """A defense that keeps the mean training loss near ``alpha``.

    A batch whose mean loss is above alpha is trained on as ever. Below, the loss goes up; and in every other epoch
    records that are told wrong are also trained on targets as sure as the model is, spread evenly over the other
    classes.

    Source: Chen, Yu and Fritz, RelaxLoss: Defending Membership Inference Attacks without Losing Utility, ICLR 2022,
    and the authors' code, which in every other epoch lets the loss of all records go up (the paper does not say so),
    and has ``upper``. Unlike there, no gradient goes through the targets.

    Args:
        alpha: the loss that is aimed at, in nats.
        upper: the most that a target says of the right class, in (0, 1]; the authors' choice is 1 for images, 0.3 for
            Purchase-100.
    """
    in_range(0, float("inf"), alpha=alpha)
    in_range(0, 1 + 1e-9, upper=upper)
    return Defense(
        "relaxloss",
        {"alpha": alpha, "upper": upper},
        fit=partial(_fit, alpha=alpha, upper=upper),
        says=f"Training keeps the mean loss of training records near {alpha:g} nats.",
    )


def _fit(
    recipe: Any, build: Any, x: Any, y: Tensor, *rest: Any, alpha: float, upper: float, **named: Any
) -> list[State]:
    check_classes("relaxloss", y)
    losses = (partial(_ascend, alpha=alpha), partial(_flatten, alpha=alpha, upper=upper))
    return fit_models(recipe, build, x, y, *rest, losses=losses, **named)


def _ascend(
    answer: Float[Tensor, "models batch outputs"], y: Shaped[Tensor, "models batch"], *, alpha: float
) -> Float[Tensor, ""]:
    hard = -of_label(log_probabilities(answer), y)
    return (hard.mean(1) - alpha).abs().sum()


def _flatten(
    answer: Float[Tensor, "models batch outputs"], y: Shaped[Tensor, "models batch"], *, alpha: float, upper: float
) -> Float[Tensor, ""]:
    logs = log_probabilities(answer)
    hard, seen = -of_label(logs, y), logs.detach()
    sure = of_label(seen, y).exp().clamp(max=upper)
    spread = (1 - sure) / (logs.shape[2] - 1)
    soft = (sure - spread) * hard - spread * logs.sum(2)
    wrong = (seen.argmax(2) != y).to(soft.dtype)
    return torch.where(hard.mean(1) > alpha, hard.mean(1), (wrong * soft - hard).mean(1)).sum()
