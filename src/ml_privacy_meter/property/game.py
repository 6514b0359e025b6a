"""Do the records that a client trained on in a round have a property? The challenger keeps the truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.types import Scores

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Trial:
    """What one client was sent in one round, and what it changed: read anew at every call.

    Args:
        apart: whether it was sent weights of its own; else all others of the round were sent the same.
    """

    round: int
    client: str
    sent: Callable[[], Weights]
    update: Callable[[], Weights]
    apart: bool = False


@dataclass(frozen=True)
class View:
    """All that the adversary may see who asks whether clients' records have a property.

    Args:
        trials: one for each client and round.
        simulate: (trial, how many, seed) -> the updates of so many made-up clients whose records have the property,
            and of as many whose records do not. All train as in the trial's round, from the weights that its client was
            sent, on the adversary's own records.
    """

    trials: tuple[Trial, ...]
    simulate: Callable[[Trial, int, int], tuple[list[Weights], list[Weights]]]


Attack = Callable[[View], Tensor]


@dataclass(frozen=True)
class PropertyGame:
    """The challenger.

    Args:
        has: whether the client's records had the property in that round, for each trial of the view.
    """

    view: View
    has: Bool[Tensor, " trials"]

    def play(self, attack: Attack) -> Scores:
        """Hands the view, and only the view, to the attack; sets the truth beside its scores."""
        found: Float[Tensor, "..."] = torch.as_tensor(attack(self.view))
        if found.shape != self.has.shape:
            raise InputError(f"An attack must score each of {len(self.has)} trials, found shape {tuple(found.shape)}.")
        return Scores(found.double().cpu(), self.has)
