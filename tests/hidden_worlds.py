"""Worlds with a hidden column: a model that remembers its records column for column, and one that never saw them."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

NAMES = ("secret", "told", *(f"noise{number}" for number in range(6)))


def people(count: int, seed: int, values: int = 2) -> tuple[Tensor, Tensor]:
    """Records whose label mostly says whether the hidden column and the second one fit together."""
    rng = torch.Generator().manual_seed(seed)
    secret = torch.randint(values, (count,), generator=rng)
    told = torch.randint(values, (count,), generator=rng)
    noise = torch.randn(count, len(NAMES) - 2, generator=rng)
    fits = (secret == told) ^ (torch.rand(count, generator=rng) < 0.3)
    return torch.cat([torch.stack([secret, told], 1).float(), noise], 1), fits.long()


def remembering(x: Tensor, y: Tensor, sharpness: float = 6.0) -> nn.Sequential:
    """A network that answers with the labels of the nearest records that it was given: those it knows by heart."""
    weight = torch.tensor([3.0, 3.0, *[0.5] * (x.shape[1] - 2)])
    near = nn.Linear(x.shape[1], len(x))
    votes = nn.Linear(len(x), 2, bias=False)
    last = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        near.weight.copy_(2 * sharpness * x * weight)
        near.bias.copy_(-sharpness * (x.square() * weight).sum(1))
        votes.weight.copy_(nn.functional.one_hot(y, 2).T.float())
        last.weight.copy_(6 * torch.eye(2))
    return nn.Sequential(near, nn.Softmax(1), votes, last)


def world(seed: int, *, leaky: bool, count: int = 300, values: int = 2) -> tuple[nn.Sequential, tuple, tuple]:
    """A model, members and non-members: members are its own records, or in name only."""
    members, others = people(count, seed, values), people(2 * count, seed + 5_000, values)
    return remembering(*(members if leaky else people(count, seed + 10_000, values))), members, others


def table(x: Tensor) -> pd.DataFrame:
    """The records with names, the hidden column and the one beside it in words."""
    frame = pd.DataFrame(x.numpy(), columns=list(NAMES))
    words = np.array(["no", "yes", "often"])
    return frame.assign(**{name: words[frame[name].astype(int)] for name in ("secret", "told")})
