"""The forms in which a model is asked about one record: an image also mirrored, and moved by a few pixels."""

from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals.store import content_key
from ml_privacy_meter.types import Index, Records, Rows

PIXELS = 2
MOVES = sorted(product((0, PIXELS, -PIXELS), repeat=2), key=lambda move: sum(map(abs, move)))
MOST = 2 * len(MOVES)


@dataclass(frozen=True)
class Asked:
    """Images, each mirrored or moved as ``query`` says; the edge is reflected where nothing else is known."""

    of: Rows
    query: int

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, index: Index) -> Tensor:
        x: Tensor = self.of[index]
        down, right = ((axis % x.ndim) for axis in _plane(x))
        if self.query % 2:
            x = x.flip(right)
        for axis, by in zip((down, right), MOVES[self.query // 2], strict=True):
            size = x.shape[axis]
            places = (torch.arange(size) - by).abs()
            x = x.index_select(axis, torch.where(places < size, places, 2 * (size - 1) - places))
        return x


def asked_as(records: Records, query: int) -> Records:
    """The records in form ``query``: even ones as they stand, odd ones mirrored; each pair moved further.

    Source: Carlini et al., Membership Inference Attacks From First Principles, IEEE S&P 2022, section VI.C: 18 queries
    are the image and its mirror image, each moved by 0 or 2 pixels (theirs: 4) in every direction.

    Raises:
        InputError: the records are no images, or there are not so many forms.
    """
    if not 0 <= query < MOST:
        raise InputError(f"`queries` must be 1 to {MOST}, found {query + 1}.")
    _plane(records.x[slice(0, 1)])
    key = content_key(records.key, "asked as", query, PIXELS) if records.key else ""
    return replace(records, x=Asked(records.x, query), key=key)


def _plane(x: object) -> tuple[int, int]:
    """The axes of height and width in a batch of images."""
    if isinstance(x, Tensor) and x.ndim == 4 and x.shape[3] in (1, 3, 4):
        return 1, 2
    if isinstance(x, Tensor) and x.ndim == 4 and x.shape[1] in (1, 3, 4):
        return 2, 3
    if isinstance(x, Tensor) and x.ndim == 3:
        return 1, 2
    found = f"shape {tuple(x.shape[1:])}" if isinstance(x, Tensor) else "a table"
    raise InputError(f"Several queries are for images (height, width, channels), found records of {found}. Ask once.")
