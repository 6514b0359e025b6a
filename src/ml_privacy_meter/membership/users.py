"""Did this user contribute to the training? What the adversary sees who has a few records of each of many users."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from ml_privacy_meter.membership.view import View
from ml_privacy_meter.types import Model, Records


@dataclass(frozen=True)
class Shadow:
    """A reference model beside records of users, of each of whom it is known whether they contributed to it.

    Args:
        records: ``known`` of each user, user after user.
        inside: whether the model was trained on records of each of them.
    """

    model: Model
    records: Records
    inside: Bool[Tensor, " users"]


@dataclass(frozen=True)
class UserView:
    """All that an adversary may see who asks about users.

    Args:
        view: of the records that it has: ``known`` of each user, user after user, users in an order that says nothing.
        known: records of each user.
        shadows: reference models with users of their own.
    """

    view: View
    known: int
    shadows: tuple[Shadow, ...] = ()


def mean_by_user(score: Float[Tensor, " records"], known: int) -> Float[Tensor, " users"]:
    """Mean score of each user's records, of which there are ``known`` of each, user after user.

    Source: Kandpal et al., User Inference Attacks on Large Language Models, EMNLP 2024, equation 3, where the score is
    the log-probability of a text under the target less that under the model that it was tuned from.
    """
    return score.reshape(-1, known).mean(1)
