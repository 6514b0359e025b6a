"""Canaries among training records: real ones with a wrong label, or invented ones."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool

from ml_privacy_meter._checks import InputError, in_range, one_of

KINDS = ("mislabelled", "random")
FEWEST = 20  # canaries: of fewer, a fair coin may leave none in, or none out


@dataclass(frozen=True)
class Planted:
    """Records with canaries among them, in an order that says nothing.

    Args:
        canary: which records are canaries.
        inside: which records are trained on: all but the canaries that a coin left out.
    """

    x: np.ndarray | pd.DataFrame
    y: np.ndarray
    canary: Bool[np.ndarray, " records"]
    inside: Bool[np.ndarray, " records"]


def plant(x: np.ndarray | pd.DataFrame, y: np.ndarray, kind: str, count: int, seed: int) -> Planted:
    """The records with so many canaries among them, each in the training with probability one half, by itself.

    "mislabelled": records that are drawn at random keep their features, and get one of the other labels that there are,
    each as probable. They take the place of the record as it was: a training set stays of about its size.
    "random": further records. Each column is drawn by itself from the values that it has, the label from those that
    there are.

    Raises:
        InputError: too few canaries, more than there are records to mislabel, or all labels are alike.
    """
    one_of(kind, KINDS, "kind of canaries")
    most = len(y) if kind == "mislabelled" else np.inf
    if isinstance(count, bool) or not isinstance(count, int) or not FEWEST <= count <= most:
        upto = f" to {most:,}, the records there are" if kind == "mislabelled" else ""
        raise InputError(f"The canaries must be {FEWEST}{upto} or more in number, found {count!r}.")
    in_range(-1, np.inf, seed=seed)
    draw, coins = (np.random.default_rng([seed, part]) for part in range(2))
    values, label = np.unique(y, axis=0, return_inverse=True)
    if len(values) < 2:
        raise InputError("Canaries need two labels or more to draw a label from, found one. Add records of another.")
    if kind == "mislabelled":
        canary = np.zeros(len(y), bool)
        canary[draw.permutation(len(y))[:count]] = True
        other = (label.reshape(-1)[canary] + draw.integers(1, len(values), count)) % len(values)
        y = y.copy()
        y[canary] = values[other]
    else:
        canary = np.arange(len(y) + count) >= len(y)
        x = _with_random(x, count, draw)
        y = np.concatenate([y, values[draw.integers(0, len(values), count)]])
    order = draw.permutation(len(y))  # a training function may set the last records aside
    inside = ~canary | (coins.random(len(y)) < 0.5)
    return Planted(
        x.iloc[order].reset_index(drop=True) if isinstance(x, pd.DataFrame) else x[order],
        y[order],
        canary[order],
        inside[order],
    )


def _with_random(x: np.ndarray | pd.DataFrame, count: int, draw: np.random.Generator) -> np.ndarray | pd.DataFrame:
    """The records, and then so many whose columns have nothing to do with each other."""
    if isinstance(x, pd.DataFrame):
        columns = {name: x[name].iloc[draw.integers(0, len(x), count)].reset_index(drop=True) for name in x.columns}
        return pd.concat([x, pd.DataFrame(columns)], ignore_index=True)
    flat = x.reshape(len(x), -1)
    made = np.empty((count, flat.shape[1]), x.dtype)
    for column in range(flat.shape[1]):
        made[:, column] = flat[draw.integers(0, len(x), count), column]
    return np.concatenate([x, made.reshape(count, *x.shape[1:])])
