"""Which reference model is trained on which records."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from ml_privacy_meter._checks import InputError


def balanced(
    records: int, models: int, seed: int, *, strata: np.ndarray | None = None
) -> Bool[Tensor, "records models"]:
    """Inside: complementary pairs of random halves, so that each record is inside half of the models.

    An odd last model has no complement. Pair p follows from ``seed`` and p alone: the first models stay the same
    when more are asked for.

    Args:
        strata: a label of each record; every label is dealt out evenly to both halves, to within one record.
    """
    if records < 2 or models < 1 or seed < 0:
        raise InputError(
            "A split needs 2 records, 1 model and a seed of 0 at least, "
            f"found {records} records, {models} models and the seed {seed}."
        )
    groups = np.zeros(records, int) if strata is None else np.unique(strata, return_inverse=True)[1]
    pairs = np.zeros((records, -(-models // 2), 2), bool)
    for pair in range(pairs.shape[1]):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, pair)))
        order = rng.permutation(records)
        order = order[np.argsort(groups[order], kind="stable")]
        pairs[order[rng.integers(2) :: 2], pair, 0] = True  # every other one, so each group is halved
    pairs[:, :, 1] = ~pairs[:, :, 0]
    return torch.from_numpy(np.ascontiguousarray(pairs.reshape(records, -1)[:, :models]))


def seed_of(seed: int, model: int) -> int:
    """The seed of one reference model, below 2**32."""
    return int(np.random.SeedSequence(seed, spawn_key=(1, model)).generate_state(1)[0])


def check_inside(inside: Any, *, records: int, models: int, what: str = "`inside`") -> Bool[Tensor, "records models"]:
    """``inside``, of the user's own models, as truth values.

    Raises:
        InputError: it has another shape, holds more than yes and no, or a model was trained on none of the records
            while others were.
    """
    found = inside.detach().cpu().numpy() if isinstance(inside, Tensor) else np.asarray(inside)
    if found.shape != (records, models):
        turned = " It is the other way round: transpose it." if found.shape == (models, records) else ""
        raise InputError(
            f"{what} must have a row for each of {records} records and a column for each of {models} models, "
            f"found the shape {found.shape}.{turned}"
        )
    if found.dtype.kind not in "biuf" or not np.isin(found, (0, 1)).all():
        raise InputError(f"{what} must be True or False (1 or 0) everywhere, found {found.dtype} with other values.")
    found = found.astype(bool)
    trained = found.any(0)
    if trained.any() and not trained.all():
        model = int(np.flatnonzero(~trained)[0])
        raise InputError(
            f"{what} must say for each model what it was trained on, found no record inside model {model} (the first "
            "is 0). Leave this model out."
        )
    return torch.from_numpy(found)
