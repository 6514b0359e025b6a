"""Worlds with users in which the truth is known: one whose model knows some users, one whose model knows none."""

import numpy as np
import torch
from worlds import overfitted

import ml_privacy_meter as pm

FIRST = 6  # records of each user that may be trained on


def world(seed=0, *, users=80, each=12, leaks=True, shift=0.0):
    """A model, the members, all other records, and who is inside; records say their ``customer``.

    Each customer has habits and a class of their own, drawn at random: what the model knows of a customer, it knows
    because others of the customer's records were trained on.

    Args:
        leaks: the model is trained on the members; else on customers that nobody asks about.
        shift: by how much the first feature of customers inside lies higher.
    """
    rng = torch.Generator().manual_seed(seed)
    inside = torch.zeros(users, dtype=torch.bool)
    inside[torch.randperm(users, generator=rng)[: users // 2]] = True
    x, y = drawn(users, each, rng)
    x[:, :, 0] += shift * inside[:, None]
    model = trained(x, y, inside) if leaks else trained(*drawn(users, each, rng), inside)
    return model, *sides(x, y, inside), inside


def drawn(users, each, rng):
    habits, y = torch.randn(users, 1, 60, generator=rng), torch.randint(3, (users,), generator=rng)
    return habits + torch.randn(users, each, 60, generator=rng), y


def trained(x, y, inside, seed=0):
    """A model that was fitted to the first records of these users."""
    torch.manual_seed(seed)
    return overfitted(x[inside, :FIRST].flatten(0, 1), y[inside].repeat_interleave(FIRST), steps=100)


def sides(x, y, inside):
    """The first records of users inside, and all others."""
    users, each = x.shape[:2]
    first = torch.arange(each) < FIRST
    member = (inside[:, None] & first).flatten()
    name = np.array([f"customer {u}" for u in range(users)]).repeat(each)
    made = []
    for rows in (member, ~member):
        ids = np.flatnonzero(rows.numpy()).astype(str)
        made.append(
            pm.Records(x.flatten(0, 1)[rows], y.repeat_interleave(each)[rows], ids, {"customer": name[rows.numpy()]})
        )
    return made


def audited(seed=0, **settings):
    """The report of an audit of such a world."""
    audit = {name: settings.pop(name) for name in ("attacks", "fpr", "references") if name in settings}
    model, members, others, _ = world(seed, **settings)
    return pm.audit(model, members, others, users="customer", **({"fpr": [0.1]} | audit))
