"""What helps: things done to updates, by clients or by the server, so that they tell less of the records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from math import inf
from typing import Any

import torch
from torch import Generator, Tensor

from ml_privacy_meter import guarantees
from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.traces import Weights
from ml_privacy_meter.training import PrivacySpent

Change = dict[str, Tensor]
EVERYBODY = "everybody, the server too"


@dataclass(frozen=True)
class Kept:
    """Differential privacy of a federated training.

    Args:
        unit: whose data is kept: "client", all records of one, or "record".
        towards: from whom.
        spent: what is guaranteed to one unit, in the place of a record.
    """

    unit: str
    towards: str
    spent: PrivacySpent

    @property
    def says(self) -> dict[str, Any]:
        """As a trace holds it."""
        return {"unit": self.unit, "towards": self.towards, **asdict(self.spent)}


@dataclass(frozen=True)
class Remedy:
    """Something that is done to updates. It is shown the weights that are trained; buffers it does not change.

    Args:
        name: what it is called.
        settings: that it was made with, in the words of its function.
        client: (update, generator) -> what an honest client sends in its place.
        server: (updates, their count as expected, weights of the same shapes, generator) -> the change of the global
            weights, in place of the average of the updates.
        noisy: whether it adds noise for a guarantee, which a buffer that follows from records would void.
        says: one sentence: what is done, and who is not kept from what.
        guarantee: (share of clients in a round, rounds) -> what is proven of it, where anything is.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    client: Callable[[Weights, Generator], Change] | None = None
    server: Callable[[Sequence[Weights], float, Weights, Generator], Change] | None = None
    noisy: bool = False
    says: str = ""
    guarantee: Callable[[float, int], Kept] | None = None

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.settings.items())})"


def central_dp(*, noise_multiplier: float, clip: float = 1.0, delta: float = 1e-5) -> Remedy:
    """A remedy of the server: it clips each update, and adds noise to their sum: differential privacy for each client.

    Who sees the global models alone is kept from what any one client adds to them; the server is not, as it sees each
    update. Each client is in a round with one probability, by itself, all count alike, and the sum is divided by the
    number that is expected. The noise follows from the seed: who knows it is not kept from anything.

    Source: McMahan, Ramage, Talwar and Zhang, Learning Differentially Private Recurrent Language Models, ICLR 2018,
    with flat clipping and weights of 1; epsilon by dp-accounting's privacy loss distributions.

    Args:
        noise_multiplier: deviation of the noise on the sum, in units of ``clip``. `guarantees.noise_for` finds
            that for an epsilon, with the participation as its sample rate and the rounds as its steps.
        clip: the norm to which an update is scaled down, over all weights.
        delta: at which epsilon is named.
    """
    in_range(0, inf, noise_multiplier=noise_multiplier, clip=clip)
    in_range(0, 1, delta=delta)
    seen = "whoever sees the global models alone; not towards the server"

    def server(updates: Sequence[Weights], expected: float, like: Weights, generator: Generator) -> Change:
        total = {name: torch.zeros_like(value, dtype=torch.float64) for name, value in like.items()}
        for update in updates:
            for name, value in clipped(update, clip).items():
                total[name] += value
        return {name: value / expected for name, value in noised(total, noise_multiplier * clip, generator).items()}

    return Remedy(
        "central_dp",
        {"noise_multiplier": noise_multiplier, "clip": clip, "delta": delta},
        server=server,
        noisy=True,
        says=f"The server clips each update to a norm of {clip:g} and adds noise of {noise_multiplier:g} times that "
        "norm to their sum; it sees each update itself.",
        guarantee=lambda share, rounds: kept("client", seen, noise_multiplier, share, rounds, delta),
    )


def local_dp(*, noise_multiplier: float, clip: float = 1.0, delta: float = 1e-5) -> Remedy:
    """A remedy of the clients: each clips its update and adds noise before it sends it, so that the server is not told.

    Epsilon is for a client whose records are there, or in whose place an update of zero is noised and sent. The server
    knows who takes part, so that a share of clients in a round does not lower it: it is for one that is in all rounds.

    Args:
        noise_multiplier: deviation of the noise on each weight of one update, in units of ``clip``.
        clip: the norm to which an update is scaled down, over all weights.
        delta: at which epsilon is named.
    """
    in_range(0, inf, noise_multiplier=noise_multiplier, clip=clip)
    in_range(0, 1, delta=delta)
    return Remedy(
        "local_dp",
        {"noise_multiplier": noise_multiplier, "clip": clip, "delta": delta},
        client=lambda update, generator: noised(clipped(update, clip), noise_multiplier * clip, generator),
        noisy=True,
        says=f"Each client clips its update to a norm of {clip:g} and adds noise of {noise_multiplier:g} times that "
        "norm; the server sees no other.",
        guarantee=lambda share, rounds: kept("client", EVERYBODY, noise_multiplier, 1.0, rounds, delta),
    )


def clipped_updates(*, clip: float = 1.0) -> Remedy:
    """A remedy of the clients: each scales its update down to a norm; nothing is guaranteed."""
    in_range(0, inf, clip=clip)
    return Remedy(
        "clipped_updates",
        {"clip": clip},
        client=lambda update, generator: clipped(update, clip),
        says=f"Each client scales its update down to a norm of {clip:g}; nothing is guaranteed.",
    )


def noisy_updates(*, deviation: float) -> Remedy:
    """A remedy of the clients: each adds noise to every weight of its update; without a clip, nothing is guaranteed.

    Source: Zhu, Liu and Han, Deep Leakage from Gradients, NeurIPS 2019, section 5.

    Args:
        deviation: of the noise on each weight of an update; of FedSGD, on its gradient times the learning rate.
    """
    in_range(0, inf, deviation=deviation)
    return Remedy(
        "noisy_updates",
        {"deviation": deviation},
        client=partial(_noised, deviation=deviation),
        says=f"Each client adds noise of deviation {deviation:g} to each weight of its update; nothing is guaranteed.",
    )


def pruned_updates(*, share: float) -> Remedy:
    """A remedy of the clients: each sends the largest weights of its update, and 0 for the rest; nothing is guaranteed.

    Source: Zhu, Liu and Han, Deep Leakage from Gradients, NeurIPS 2019, section 5; there what is left out is added to
    the next update, here it is lost.

    Args:
        share: of the weights, over all layers, that are sent as 0.
    """
    in_range(0, 1, share=share)
    return Remedy(
        "pruned_updates",
        {"share": share},
        client=partial(_pruned, share=share),
        says=f"Each client sends 0 for the smallest {share:.0%} of its update's weights; nothing is guaranteed.",
    )


def norm(update: Weights) -> float:
    """The Euclidean norm of an update over all its weights."""
    return float(torch.stack([value.double().square().sum() for value in update.values()]).sum().sqrt())


def clipped(update: Weights, clip: float) -> Change:
    """The update in float64, scaled down to this norm where its own is larger."""
    found = norm(update)
    if not found < inf:
        raise InputError("An update must be finite to be clipped, found one that is not. Choose a smaller `lr`.")
    factor = min(1.0, clip / found) if found else 1.0
    return {name: value.double() * factor for name, value in update.items()}


def noised(update: Weights, deviation: float, generator: Generator) -> Change:
    """The update in float64, with Gaussian noise on each weight."""
    return {
        name: value.double() + deviation * torch.randn(value.shape, generator=generator, dtype=torch.float64)
        for name, value in update.items()
    }


def _noised(update: Weights, generator: Generator, *, deviation: float) -> Change:
    return noised(update, deviation, generator)


def _pruned(update: Weights, generator: Generator, *, share: float) -> Change:
    sizes = torch.cat([value.flatten().abs() for value in update.values()])
    kept = torch.zeros_like(sizes, dtype=torch.bool)
    kept[sizes.topk(len(sizes) - round(share * len(sizes))).indices] = True
    parts = torch.split(kept, [value.numel() for value in update.values()])
    return {name: value * part.view(value.shape) for (name, value), part in zip(update.items(), parts, strict=True)}


def kept(unit: str, towards: str, noise: float, share: float, steps: int, delta: float) -> Kept:
    """What Gaussian noise guarantees that is added so many times, each time to a sample of so large a share."""
    try:
        epsilon = guarantees.dp_sgd(noise_multiplier=noise, sample_rate=share, steps=steps, delta=delta).epsilon(delta)
    except OverflowError:  # of next to no noise
        epsilon = inf
    return Kept(unit, towards, PrivacySpent(epsilon, delta, noise, share, steps))
