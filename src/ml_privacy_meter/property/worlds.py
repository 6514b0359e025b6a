"""Which share of a training set had a property? Worlds that differ in this share, and the challenger who draws one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ml_privacy_meter._checks import InputError

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Models:
    """Models that were all asked the same questions.

    Args:
        logits: their answers.
        weights: (number) -> the weights of this model; None: out of reach.
    """

    logits: Float[Tensor, "models questions classes"]
    weights: Callable[[int], Weights] | None = None

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def odds(self) -> Float[Tensor, "models questions classes"]:
        """The log-odds of each class; of two classes those of the second alone, as the first's are the same negated."""
        if self.logits.shape[2] == 2:
            return self.logits[:, :, 1:] - self.logits[:, :, :1]
        every = self.logits.log_softmax(2)
        rest = torch.stack([_without(self.logits, k).logsumexp(2) for k in range(self.logits.shape[2])], 2)
        return every - (rest - self.logits.logsumexp(2, keepdim=True))


@dataclass(frozen=True)
class Poisoned:
    """Models in whose training the adversary took part: it added records with the property and a wrong label.

    Args:
        label: the class that it gave them.
    """

    victims: Models
    shadows: Models
    label: int


@dataclass(frozen=True)
class WorldsView:
    """All that the adversary sees who asks which share of a training set had a property. No truth.

    Args:
        shares: of the records with the property in each world, rising.
        victims: the models that are asked about.
        shadows: the adversary's own, trained on records of its own.
        world: of each shadow.
        labels: the class of each question. Questions are the adversary's own records, too, and trained no shadow.
        has: whether a question has the property.
        weight: how likely a question is in each world, adding up to 1 in each.
        poisoned: the same with the adversary's records in each training set; None: it cannot add any.
        seed: for what an attack draws.
    """

    shares: tuple[float, ...]
    victims: Models
    shadows: Models
    world: Int[Tensor, " shadows"]
    labels: Int[Tensor, " questions"]
    has: Bool[Tensor, " questions"]
    weight: Float[Tensor, "worlds questions"]
    poisoned: Poisoned | None = None
    seed: int = 0


Attack = Callable[[WorldsView], Tensor]


@dataclass(frozen=True)
class Placed:
    """What an attack said of each victim.

    Args:
        score: for each world, higher says that it is the victim's.
        share: the share that it says.
        shares: of the worlds.
    """

    score: Float[Tensor, "victims worlds"]
    share: Float[Tensor, " victims"]
    shares: tuple[float, ...]

    @property
    def named(self) -> Float[Tensor, "victims worlds"]:
        """The share of each victim's one guess that goes to each world: all to the highest score, ties share it."""
        return _named(self.score)

    def hit(self, world: Int[Tensor, " victims"]) -> Float[Tensor, " victims"]:
        """The share of each victim's guess that is right, in [0, 1], where these are their worlds."""
        return self.named.gather(1, world[:, None])[:, 0]

    def between(self, worlds: list[int]) -> "Placed":
        """The guesses of who knows that it is one of these worlds."""
        return Placed(self.score[:, worlds], self.share, tuple(self.shares[one] for one in worlds))


@dataclass(frozen=True)
class WorldsGame:
    """The challenger.

    Args:
        world: of each victim of the view.
    """

    view: WorldsView
    world: Int[Tensor, " victims"]

    def play(self, attack: Attack) -> Placed:
        """Hands the view, and only the view, to the attack; what it says, to be set beside ``world``."""
        return place(attack, self.view)


def place(attack: Attack, view: WorldsView) -> Placed:
    """What an attack says of each victim of the view.

    An attack gives a score for each world (victims, worlds), or the share itself (victims): then the nearest world is
    its guess. Of scores, the share that it says is that of the world it names. None lies beyond those of all worlds.
    """
    found: Any = torch.as_tensor(attack(view)).double().cpu()
    shares = torch.tensor(view.shares, dtype=torch.float64)
    count = len(view.victims)
    if found.shape not in ((count,), (count, len(shares))):
        raise InputError(
            f"An attack must say a share of each of {count} victims, or give each a score for each of {len(shares)} "
            f"worlds, found shape {tuple(found.shape)}."
        )
    if not found.isfinite().all():
        raise InputError(f"A score must be finite, found {found[~found.isfinite()][0]}.")
    if found.ndim == 2:
        return Placed(found, _named(found) @ shares, view.shares)
    share = found.clamp(view.shares[0], view.shares[-1])
    return Placed(-(share[:, None] - shares).abs(), share, view.shares)


def nearest(
    of_victims: Float[Tensor, " victims"], of_shadows: Float[Tensor, " shadows"], view: WorldsView
) -> Float[Tensor, "victims worlds"]:
    """The log-likelihood of a number in each world: normal around its shadows' mean, equally wide in all worlds.

    Of two worlds, the threshold lies midway between the means of their shadows.
    """
    mean = torch.stack([of_shadows[view.world == world].mean() for world in range(len(view.shares))])
    spread = (of_shadows - mean[view.world]).square().mean().clamp(min=1e-12)
    return -(of_victims[:, None] - mean).square() / (2 * spread)


def _named(score: Tensor) -> Tensor:
    best = score == score.amax(1, keepdim=True)
    return best.double() / best.sum(1, keepdim=True)


def _without(logits: Tensor, column: int) -> Tensor:
    return torch.cat([logits[:, :, :column], logits[:, :, column + 1 :]], 2)
