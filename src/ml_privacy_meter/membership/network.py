"""A network that tells members by what is read off a model: one component for each part of it, joined in an encoder."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, relu

from ml_privacy_meter._checks import InputError

FEWEST = 10  # members, and non-members, that are learned from
SURE = 2.0  # standard errors by which held-back records must be told better, for anything to be added
FARTHEST = 10.0  # standard deviations that a number may lie off the mean
_TINY = 1e-150  # its square is a number still
_BLOCK = 512  # records that are judged at a time


@dataclass(frozen=True)
class Outer:
    """A matrix of each record, as two vectors whose outer product it is: the gradient of a linear layer's weight."""

    rows: Float[Tensor, "records rows"]
    columns: Float[Tensor, "records columns"]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: Tensor | slice) -> "Outer":
        return Outer(self.rows[which], self.columns[which])


Part = Tensor | Outer
EachEpoch = Callable[[int, "Network", float], None]


class _Vector(nn.Module):
    """128 and 64 units on numbers of each record, standardised."""

    def __init__(self, part: Part, kernels: int, dropout: float) -> None:
        super().__init__()
        assert isinstance(part, Tensor)
        self.scale = _Scale(part)
        self.straight = 1 if part.shape[1] == 1 else 0
        self.units = _dense(part.shape[1], (128, 64), 0.0 if self.straight else dropout)

    def read(self, part: Tensor) -> tuple[Tensor, ...]:
        return (self.scale(part),)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.units(z), z[:, : self.straight]


class _Matrix(nn.Module):
    """A convolution whose kernels span one row, then 64 units: on the direction of a matrix; its log norm beside it.

    Of a matrix of one row, 128 kernels.
    """

    def __init__(self, part: Part, kernels: int, dropout: float) -> None:
        super().__init__()
        rows, columns = (part.rows.shape[1], part.columns.shape[1]) if isinstance(part, Outer) else part.shape[1:]
        kernels = kernels if rows > 1 else 128
        self.scale, self.straight = _Scale(_factors(part)[0]), 1
        self.kernels = nn.Linear(columns, kernels)
        self.units = _dense(kernels * rows, (64,), dropout)

    def read(self, part: Part) -> tuple[Tensor, ...]:
        norm, *factors = _factors(part)
        return (self.scale(norm), *factors)

    def forward(self, norm: Tensor, *factors: Tensor) -> tuple[Tensor, Tensor]:
        weight, bias = self.kernels.weight, self.kernels.bias
        if len(factors) == 2:  # every row is a multiple of the same one: so is what the kernels make of it
            rows, columns = factors
            seen = (columns @ weight.T)[:, None, :] * rows[:, :, None] + bias
        else:
            seen = factors[0] @ weight.T + bias
        return self.units(relu(seen).flatten(1)), norm


class Network(nn.Module):
    """Parts of each record -> its log-odds of membership, in nats.

    Numbers that stand alone (the loss, the logarithm of a gradient's norm) also go straight to the answer, so that the
    network can be no more than a threshold where there is nothing more to learn.

    Args:
        parts: of the records that are known, in float64: their means and deviations are what all are standardised by.
    """

    def __init__(self, parts: Sequence[Part], *, kernels: int = 8, dropout: float = 0.2) -> None:
        super().__init__()
        made = [(_Vector if _is_vector(part) else _Matrix)(part, kernels, dropout) for part in parts]
        self.components = nn.ModuleList(made)
        straight = sum(int(component.straight) for component in made)
        self.encoder = _dense(64 * len(made) + straight, (256, 128, 64), dropout)
        self.answer = nn.Linear(64 + straight, 1)
        for weight in self.answer.parameters():
            nn.init.zeros_(weight)

    def read(self, parts: Sequence[Part]) -> list[tuple[Tensor, ...]]:
        """What the components take, standardised, as the network's own kind of number and where it is."""
        like = self.answer.weight
        found = (component.read(part) for component, part in zip(self.components, parts, strict=True))  # type: ignore[operator]
        return [tuple(z.to(like.device, like.dtype) for z in one) for one in found]

    def forward(self, *read: tuple[Tensor, ...]) -> Tensor:
        told = [component(*z) for component, z in zip(self.components, read, strict=True)]
        straight = torch.cat([numbers for _, numbers in told], 1)
        joined = self.encoder(torch.cat([*(units for units, _ in told), straight], 1))
        answer: Tensor = self.answer(torch.cat([joined, straight], 1))
        return answer[:, 0]

    def log_odds(self, parts: Sequence[Part]) -> Float[Tensor, " records"]:
        """Of membership, in nats; of each record by itself."""
        exact = copy.deepcopy(self).double().eval()
        with torch.no_grad():
            blocks = [exact(*exact.read([part[rows] for part in parts])) for rows in _blocks(len(parts[0]))]
        return torch.cat(blocks).cpu()


def fit_network(
    parts: Sequence[Part],
    member: Bool[Tensor, " records"],
    *,
    offset: Float[Tensor, " records"] | None = None,
    epochs: int = 50,
    lr: float = 1e-3,
    batch_size: int = 128,
    validation: float = 0.2,
    patience: int = 8,
    kernels: int = 8,
    dropout: float = 0.2,
    decay: float = 1e-4,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.AdamW,
    seed: int = 0,
    device: torch.device | str = "cpu",
    each_epoch: EachEpoch | None = None,
) -> Network:
    """A network that was fitted to records whose membership is known, by cross entropy.

    It is the one of the epoch after which the cross entropy of the records that were held back was least; with an
    offset, the untrained one, which adds nothing, unless theirs fell by more than two standard errors of the fall.

    Args:
        parts: of each record: vectors, matrices (records x rows x columns), or matrices as `Outer`.
        offset: log-odds of each record that another network gave: this one learns what is to be added to them.
        validation: share of the records, of either kind, that is held back from training to choose the epoch by.
        patience: epochs without a better one, after which it ends.
        kernels: of each convolution.
        decay: weight decay.
        each_epoch: is told the epoch, from 1 on, the network as it stands, and its accuracy on the records
            that were held back.
    """
    side = min(int(member.sum()), int((~member).sum()))
    if side < FEWEST:
        raise InputError(
            f"An attack network needs {FEWEST} or more known members, and as many non-members, found {side}. Give more."
        )
    device = torch.device(device)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.enable_grad():
        torch.manual_seed(seed)
        network = Network(parts, kernels=kernels, dropout=dropout).to(device)
        read = network.read(parts)
        told = _Told(read, torch.zeros(len(member)) if offset is None else offset, member).to(device)
        held = _held_back(member, validation, seed)
        kept = told[held]
        untrained, since = copy.deepcopy(network.state_dict()), 0
        steps = optimizer(network.parameters(), lr=lr, weight_decay=decay)
        even = _even(member[~held])
        first, _ = best, _ = _judged(network, kept)
        state = untrained
        for epoch in range(1, epochs + 1):
            _train(network, steps, told, (~held).nonzero()[:, 0], batch_size, even)
            losses, accuracy = _judged(network, kept)
            if each_epoch is not None:
                each_epoch(epoch, network, accuracy)
            since += 1
            if losses.mean() < best.mean():
                best, state, since = losses, copy.deepcopy(network.state_dict()), 0
            if since >= patience:
                break
        sure = offset is None or (first - best).mean() > SURE * (first - best).std() / len(best) ** 0.5
        network.load_state_dict(state if sure else untrained)
    return network.eval()


@dataclass(frozen=True)
class _Told:
    """What a network is told of records that it learns from, or is judged by."""

    read: Sequence[tuple[Tensor, ...]]
    offset: Tensor
    member: Tensor

    def to(self, device: torch.device) -> "_Told":
        return _Told(self.read, self.offset.float().to(device), self.member.to(device))

    def __getitem__(self, rows: Tensor | slice) -> "_Told":
        return _Told([tuple(z[rows] for z in one) for one in self.read], self.offset[rows], self.member[rows])

    def odds(self, network: Network) -> Tensor:
        """Log-odds of membership, in nats, by the network and the offset."""
        answer: Tensor = network(*self.read)
        return answer + self.offset


def _train(
    network: Network, optimizer: torch.optim.Optimizer, told: _Told, rows: Tensor, batch_size: int, even: Tensor
) -> None:
    """One epoch."""
    network.train()
    for batch in torch.split(rows[torch.randperm(len(rows))], batch_size):
        part = told[batch.to(told.member.device)]
        optimizer.zero_grad()
        torch.autograd.backward(_cross_entropy(part.odds(network), part.member, even).mean())
        optimizer.step()


def _judged(network: Network, told: _Told) -> tuple[Float[Tensor, " records"], float]:
    """Cross entropy of each record, in nats, members and others at even weight; and the accuracy."""
    network.eval()
    with torch.no_grad():
        odds = torch.cat([told[rows].odds(network) for rows in _blocks(len(told.member))])
        losses = _cross_entropy(odds.double(), told.member, _even(told.member))
    return losses, float(((odds > 0) == told.member).double().mean())


def _cross_entropy(odds: Tensor, member: Tensor, even: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(odds, member.to(odds.dtype), pos_weight=even.to(odds), reduction="none")


def _held_back(member: Bool[Tensor, " records"], share: float, seed: int) -> Bool[Tensor, " records"]:
    """Records to choose the epoch by: the same share of either kind, and at least one."""
    held, rng = torch.zeros(len(member), dtype=torch.bool), torch.Generator().manual_seed(seed)
    for side in (member.nonzero()[:, 0], (~member).nonzero()[:, 0]):
        held[side[torch.randperm(len(side), generator=rng)[: max(1, round(share * len(side)))]]] = True
    return held


def _even(truth: Bool[Tensor, " records"]) -> Float[Tensor, ""]:
    """The weight of a member at which both kinds weigh alike."""
    return (~truth).sum().double() / truth.sum().clamp(min=1)


class _Scale(nn.Module):
    """Takes off the mean and divides by the deviation of the known records; numbers that never differ become 0."""

    def __init__(self, part: Float[Tensor, "records numbers"]) -> None:
        super().__init__()
        mean, spread = part.double().mean(0), part.double().std(0)
        self.register_buffer("mean", mean)
        self.register_buffer("spread", torch.where(spread > 1e-9 * (mean.abs() + _TINY), spread, torch.inf))

    def forward(self, part: Tensor) -> Tensor:
        mean, spread = self.get_buffer("mean"), self.get_buffer("spread")
        return ((part.to(mean) - mean) / spread).clamp(-FARTHEST, FARTHEST)


def _blocks(records: int) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, records, _BLOCK)]


def _is_vector(part: Part) -> bool:
    return isinstance(part, Tensor) and part.ndim == 2


def _factors(part: Part) -> tuple[Tensor, ...]:
    """The logarithm of each matrix's norm, then its direction, of mean square 1: the matrix, or both factors of it."""
    whole = (part.rows, part.columns) if isinstance(part, Outer) else (part,)
    norms = [z.double().flatten(1).norm(dim=1).clamp(min=_TINY) for z in whole]
    directions = [
        z.double() / norm.view(-1, *(1,) * (z.ndim - 1)) * math.prod(z.shape[1:]) ** 0.5
        for z, norm in zip(whole, norms, strict=True)
    ]
    return (torch.stack([norm.log() for norm in norms]).sum(0)[:, None], *directions)


def _dense(width: int, widths: tuple[int, ...], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Dropout(dropout)]
    for units in widths:
        layers += [nn.Linear(width, units), nn.ReLU()]
        width = units
    return nn.Sequential(*layers)
