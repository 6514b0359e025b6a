"""Which client holds this record? The challenger keeps the truth; the adversary is a function of its view."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.types import Model, Reads, Records


@dataclass(frozen=True)
class Part:
    """What one client did in one round.

    Args:
        after: the model that it sent back.
        moved: the model that it was sent; `signals.update_alignment` of it also knows what the client changed.
    """

    round: int
    client: str
    after: Model
    moved: Model


@dataclass(frozen=True)
class View:
    """All that the adversary may see who asks which client holds a record.

    Args:
        records: each lies with one of the clients, in an order that says nothing.
        reader: asks models, in batches.
        clients: the names of those that may hold a record.
        parts: what each client did in each round that it took part in.
    """

    records: Records
    reader: Reads
    clients: tuple[str, ...]
    parts: tuple[Part, ...]

    def compared(self, of: Callable[[Part], Tensor]) -> Float[Tensor, "records clients"]:
        """What is read of each client's parts, less its mean over the clients of the same round; averaged over rounds.

        A round is compared within itself, so that a client which sat some rounds out is judged by those it was in. One
        that took part in none, or alone, has zeros.
        """
        total = torch.zeros(len(self.records), len(self.clients), dtype=torch.float64)
        rounds = torch.zeros(len(self.clients), dtype=torch.float64)
        for number in dict.fromkeys(part.round for part in self.parts):
            here = [part for part in self.parts if part.round == number]
            found = torch.stack([of(part) for part in here], 1)
            places = torch.tensor([self.clients.index(part.client) for part in here])
            total[:, places] += found - found.mean(1, keepdim=True)
            rounds[places] += 1
        return total / rounds.clamp(min=1)


Attack = Callable[[View], Tensor]


@dataclass(frozen=True)
class Guesses:
    """How strongly an attack names each client as the one that holds a record, beside the client that does.

    Raises:
        InputError: a score is not finite, or a client is missing.
    """

    score: Float[Tensor, "records clients"]
    truth: Int[Tensor, " records"]

    def __post_init__(self) -> None:
        if not self.score.isfinite().all():
            row = int((~self.score.isfinite().all(1)).nonzero()[0])
            raise InputError(f"A score must be finite, found {self.score[row].tolist()!s:.200} at record {row}.")

    @property
    def named(self) -> Float[Tensor, "records clients"]:
        """The share of each record's one guess that goes to each client: all to the highest score, ties share it."""
        best = self.score == self.score.amax(1, keepdim=True)
        return best.double() / best.sum(1, keepdim=True)

    @property
    def hit(self) -> Float[Tensor, " records"]:
        """The share of each record's guess that is right, in [0, 1]."""
        return self.named.gather(1, self.truth[:, None])[:, 0]


@dataclass(frozen=True)
class SourceGame:
    """The challenger.

    Args:
        holder: of each record of the view: the place of its client among those of the view.
    """

    view: View
    holder: Int[Tensor, " records"]

    def play(self, attack: Attack) -> Guesses:
        """Hands the view, and only the view, to the attack; sets the truth beside what it says."""
        found: Any = torch.as_tensor(attack(self.view))
        wanted = (len(self.view.records), len(self.view.clients))
        if found.shape != wanted:
            raise InputError(
                f"An attack must give each of {wanted[0]} records a score for each of {wanted[1]} clients, found shape "
                f"{tuple(found.shape)}."
            )
        return Guesses(found.double().cpu(), self.holder)
