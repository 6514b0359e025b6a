"""What a language model says of texts that were changed a little, or are read after others.

Each is ``(model, x, y) -> Float["texts"]``: a mean log-probability in nats a token, of a batch with a column `text`.
"""

import re
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
    """Of the text with this share of its words (of its letters, if it is one word) left out or swapped with the next.

    The same words every time.

    Args:
        number: of several such texts, which.
    """
    changed = [_perturbed(text, number, share) for text in x["text"]]
    return log_probability_of_text(model(x.assign(text=changed)))


def compressed(x: pd.DataFrame) -> Float[Tensor, " texts"]:
    """Length of each text in bytes after zlib. No model is asked."""
    return torch.tensor([len(zlib.compress(text.encode())) for text in x["text"]], dtype=torch.float64)


def _perturbed(text: str, number: int, share: float) -> str:
    parts: list[Any] = re.findall(r"(\S+)(\s*)", text)  # words, and the space after each: line breaks stay
    words, spaces = (
        [list(part) for part in zip(*parts, strict=True)] if len(parts) > 1 else (list(text), [""] * len(text))
    )
    if len(words) < 2:
        return text
    rng = np.random.default_rng([number, zlib.crc32(text.encode())])
    count = min(max(1, round(share * len(words))), len(words) - 1)
    places = rng.choice(len(words) - 1, size=count, replace=False)
    kept = np.ones(len(words), bool)
    for place, drop in zip(places, rng.random(count) < 0.5, strict=True):
        if drop:
            kept[place] = False
        else:
            words[place], words[place + 1] = words[place + 1], words[place]
    return "".join(word + space for word, space, stays in zip(words, spaces, kept, strict=True) if stays)
