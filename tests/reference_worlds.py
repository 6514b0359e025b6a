"""A leaky model with reference models beside it: members and non-members as a user has them."""

from dataclasses import dataclass

import torch
import worlds
from torch import Tensor, nn

import ml_privacy_meter as pm
from ml_privacy_meter.training.split import balanced

Side = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class World:
    target: nn.Module
    members: Side
    non_members: Side

    @property
    def x(self) -> Tensor:
        return torch.cat([self.members[0], self.non_members[0]])

    @property
    def y(self) -> Tensor:
        return torch.cat([self.members[1], self.non_members[1]])

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.members, self.non_members

    @property
    def truth(self) -> Tensor:
        return torch.arange(len(self.y)) < len(self.members[1])

    def models(self, inside: Tensor) -> list[nn.Module]:
        return [worlds.overfitted(self.x[here], self.y[here]) for here in inside.T]

    def references(self, inside: Tensor) -> pm.References:
        return pm.own_references(self.models(inside), *inside.tensor_split([len(self.members[1])]))

    def halves(self, count: int, seed: int = 1) -> Tensor:
        return balanced(len(self.y), count, seed)


def leaky(seed: int = 0, n: int = 200, width: int = 100) -> World:
    """Labels without meaning, known by heart."""
    x, y, member = worlds.draw(seed, n=n, width=width)
    sides = (x[member], y[member]), (x[~member], y[~member])
    return World(worlds.overfitted(*sides[0]), *sides)


def blank(seed: int = 0, n: int = 200, width: int = 100) -> World:
    """The same, but for a target that was trained on other records."""
    elsewhere, labels, _ = worlds.draw(seed + 10_000, n=n // 2, width=width)
    world = leaky(seed, n, width)
    return World(worlds.overfitted(elsewhere, labels), *world.sides)


def beyond_own(world: World, models: int, seed: int = 0) -> Tensor:
    """The field's custom: each record inside exactly half of one more model, which is the target, and was left out."""
    rng = torch.Generator().manual_seed(seed)
    place = torch.rand(len(world.y), models, generator=rng).argsort(1).argsort(1)
    return place < (models + 1) // 2 - world.truth.long()[:, None]
