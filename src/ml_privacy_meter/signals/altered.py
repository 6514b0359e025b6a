"""What a language model says of texts that were changed a little, or are read after others.

Each is ``(model, x, y) -> Float["texts"]``: a mean log-probability in nats a token, of a batch with a column `text`.
"""

import zlib
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.signals.tokens import log_probability_of_text
from ml_privacy_meter.types import Model

PerText = Float[Tensor, " texts"]


def lowercased(model: Model, x: pd.DataFrame, y: Tensor) -> PerText:
    """Of the text in lower case."""
    return log_probability_of_text(model(x.assign(text=x["text"].str.lower())))


def after(model: Model, x: pd.DataFrame, y: Tensor, *, prefix: str) -> PerText:
    """Of the text, read after ``prefix`` (and what stood before it already)."""
    own = x.get("prefix", "")
    return log_probability_of_text(model(x.assign(prefix=prefix + own)))


def neighbour(model: Model, x: pd.DataFrame, y: Tensor, *, number: int, share: float) -> PerText:
    """Of the text with this share of its words left out or swapped with the next: the same words every time.

    Args:
        number: of several such texts, which.
    """
    changed = [_perturbed(text, number, share) for text in x["text"]]
    return log_probability_of_text(model(x.assign(text=changed)))


def compressed(x: pd.DataFrame) -> Float[Tensor, " texts"]:
    """Length of each text in bytes after zlib. No model is asked."""
    return torch.tensor([len(zlib.compress(text.encode())) for text in x["text"]], dtype=torch.float64)


def _perturbed(text: str, number: int, share: float) -> str:
    words = text.split()
    if len(words) < 2:
        return text
    rng = np.random.default_rng([number, zlib.crc32(text.encode())])
    count = max(1, round(share * len(words)))
    places = rng.choice(len(words) - 1, size=min(count, len(words) - 1), replace=False)
    kept: list[Any] = list(words)
    for place, drop in zip(places, rng.random(len(places)) < 0.5, strict=True):
        if drop:
            kept[place] = None
        else:
            kept[place], kept[place + 1] = kept[place + 1], kept[place]
    left = [word for word in kept if word is not None]
    return " ".join(left)
