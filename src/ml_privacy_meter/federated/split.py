"""Which client holds which records."""

from typing import Any

import numpy as np
from jaxtyping import Int
from torch import Tensor

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter._numbers import whole

Split = list[Int[np.ndarray, "records"]]
TRIES = 1000


def iid(labels: Any, clients: int, seed: int = 0) -> Split:
    """The rows of each client, dealt out at random in parts whose sizes differ by at most one."""
    _check(labels, clients, seed)
    return np.array_split(np.random.default_rng(seed).permutation(len(labels)), clients)


def dirichlet(labels: Any, clients: int, alpha: float, seed: int = 0, *, least: int = 1) -> Split:
    """The rows of each client, where clients differ in their classes: each class is shared out by Dirichlet(alpha).

    Source: Hsu, Qi and Brown, Measuring the Effects of Non-Identical Data Distribution for Federated Visual
    Classification, 2019. Departure: there each client draws its classes; here, as is usual now, each class its clients.

    Args:
        labels: the class of each record.
        alpha: the smaller, the fewer clients share a class; 100 is close to `iid`.
        least: records that each client must get; a split that gives one fewer is drawn anew.
    """
    _check(labels, clients, seed)
    in_range(0, float("inf"), alpha=alpha)
    if least < 1:
        raise InputError(f"`least` must be 1 record or more, found {least!r}.")
    kinds = np.asarray(labels.cpu() if isinstance(labels, Tensor) else labels)
    rng = np.random.default_rng(seed)
    for _ in range(TRIES):
        parts: list[list[np.ndarray]] = [[] for _ in range(clients)]
        for kind in np.unique(kinds):
            rows = rng.permutation(np.flatnonzero(kinds == kind))
            borders = np.round(np.cumsum(rng.dirichlet([alpha] * clients))[:-1] * len(rows)).astype(int)
            for part, some in zip(parts, np.split(rows, borders), strict=True):
                part.append(some)
        found = [rng.permutation(np.concatenate(part)) for part in parts]
        if min(map(len, found)) >= least:
            return found
    raise InputError(
        f"Each client must get {least} records at least, and none of {TRIES} splits of {len(kinds)} records among "
        f"{clients} clients with alpha {alpha:g} gave them. Choose a larger `alpha`, or fewer clients."
    )


def _check(labels: Any, clients: int, seed: int) -> None:
    whole(1, clients=clients)
    whole(0, seed=seed)
    if len(labels) < clients:
        raise InputError(f"Each client needs a record, found {len(labels)} records for {clients} clients.")
