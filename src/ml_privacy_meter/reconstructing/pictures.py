"""Records and what was reconstructed of them, side by side. Personal data: drawn where somebody asks."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.reconstructing.result import BASELINES, Batch, Reconstruction

SIDE = 96  # pixels of an image's longer side, about
GAP = 4


def draw(result: Reconstruction, file: Path, *, most: int = 8) -> Path:
    """The new PNG: a column a record, the first ones, whatever came of them; rows: record, baselines, each attack.

    White stands for batches on which an attack broke.

    Args:
        most: how many records.

    Raises:
        InputError: the file is there already, or records are no images.
    """
    whole(1, most=most)
    if file.exists():
        raise InputError(f"Pictures go into a new file, and {file} is there already. Name another.")
    low, high = result.assumes["span"]
    rows = [torch.cat([batch.records.double() for batch in result.batches])]
    for name in (*BASELINES, *result.attacks):
        found = result.matches(name)
        if found is not None:
            pairs = zip(found, result.batches, strict=True)
            rows.append(torch.cat([_blank(batch, high) if match is None else match.guess for match, batch in pairs]))
    grid = np.concatenate([np.concatenate([_tile(x, low, high) for x in row[:most]], axis=1) for row in rows], axis=0)
    image = extra("PIL.Image", "images", "A picture of what was reconstructed")
    with file.open("xb") as out:
        image.fromarray(grid).save(out, "PNG")
    return file


def _blank(batch: Batch, high: float) -> Tensor:
    return torch.full_like(batch.records, high, dtype=torch.float64)


def _tile(x: Tensor, low: float, high: float) -> np.ndarray:
    """One image in bytes with a margin, its colours last."""
    if x.ndim not in (2, 3) or (x.ndim == 3 and len(x) not in (1, 3)):
        raise InputError(
            f"Pictures need records of shape (height, width), or with 1 or 3 colours, found {(*x.shape,)}."
        )
    x = x.expand(3, *x.shape[-2:])
    large = x.repeat_interleave(times := max(1, SIDE // max(x.shape[-2:])), 1).repeat_interleave(times, 2)
    shown = ((large - low) / (high - low)).clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    return np.pad(shown, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)
