"""What an adversary who has the records themselves reads off them, without any model."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.types import Model


def inputs(model: Model, x: Any, y: Tensor, *, width: int = 64) -> Float[Tensor, "records features"]:
    """The label, then the record's own features; more than ``width`` of them are projected at random to ``width``.

    The model is not asked. Columns of words are given by a hash of the word.
    """
    if isinstance(x, pd.DataFrame):
        columns = [c if pd.api.types.is_numeric_dtype(c) else _hashed(c) for _, c in x.items()]
        x = torch.from_numpy(np.column_stack([np.asarray(c, np.float64) for c in columns]))
    flat = x.reshape(len(x), -1).double().cpu()
    if flat.shape[1] > width:
        rng = torch.Generator().manual_seed(0)
        flat = flat @ torch.randn(flat.shape[1], width, generator=rng, dtype=torch.float64) / width**0.5
    return torch.cat([y.cpu().reshape(len(y), -1).double(), flat], 1)


def _hashed(column: pd.Series) -> np.ndarray:
    return pd.util.hash_array(column.astype(str).to_numpy(dtype=object)) % 2**20
