"""A floor under the training loss, so that members' losses stay near those of others."""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ml_privacy_meter._checks import in_range
from ml_privacy_meter.training import Defense
from ml_privacy_meter.training.fit import State, fit_models


def relaxloss(*, alpha: float = 1.0, upper: float = 1.0) -> Defense:
    """A defense that keeps the mean training loss near ``alpha``.

    In every other epoch the loss goes up where it has fallen below alpha. In those between, such a batch is trained on
    targets as sure as the model is, spread evenly over the other classes, but for records that are told right.

    Source: Chen, Yu and Fritz, RelaxLoss: Defending Membership Inference Attacks without Losing Utility, ICLR 2022,
    algorithm 1, and the authors' code for ``upper``.

    Args:
        alpha: the loss that is aimed at, in nats; 0 trains as ever.
        upper: the most that a target says of the right class, in (0, 1].
    """
    in_range(0, float("inf"), alpha=alpha)
    in_range(0, 1 + 1e-9, upper=upper)
    return Defense(
        "relaxloss",
        {"alpha": alpha, "upper": upper},
        fit=partial(_fit, alpha=alpha, upper=upper),
        says=f"Training keeps the mean loss of training records near {alpha:g} nats.",
    )


def _fit(*args: Any, alpha: float, upper: float, **named: Any) -> list[State]:
    losses = (partial(_ascend, alpha=alpha), partial(_flatten, alpha=alpha, upper=upper))
    return fit_models(*args, losses=losses, **named)


def _ascend(answer: Float[Tensor, "models batch classes"], y: Int[Tensor, "models batch"], *, alpha: float) -> Tensor:
    return (_cross_entropy(answer, y).mean(1) - alpha).abs().sum()


def _flatten(
    answer: Float[Tensor, "models batch classes"], y: Int[Tensor, "models batch"], *, alpha: float, upper: float
) -> Tensor:
    hard = _cross_entropy(answer, y)
    sure = answer.detach().softmax(2).gather(2, y.unsqueeze(2)).clamp(max=upper)
    spread = ((1 - sure) / (answer.shape[2] - 1)).expand_as(answer)
    soft = -(spread.scatter(2, y.unsqueeze(2), sure) * answer.log_softmax(2)).sum(2)
    wrong = (answer.detach().argmax(2) != y).to(soft.dtype)
    return torch.where(hard.mean(1) > alpha, hard.mean(1), (wrong * soft).mean(1)).sum()


def _cross_entropy(answer: Tensor, y: Tensor) -> Float[Tensor, "models batch"]:
    return F.cross_entropy(answer.flatten(0, 1), y.flatten(), reduction="none").view(y.shape)
