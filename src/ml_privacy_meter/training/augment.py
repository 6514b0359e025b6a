"""Random changes to images that do not change what they show."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Shaped
from torch import Generator, Tensor

from ml_privacy_meter._checks import InputError

PAD = 4
CHANNELS = (1, 3, 4)


def augmented(
    images: Shaped[Tensor, "models batch *image"], how: Sequence[str], generators: Sequence[Generator]
) -> Shaped[Tensor, "models batch *image"]:
    """The images, mirrored left to right ("flip") one time in two, shifted by up to 4 pixels ("crop"; 0 moves in).

    Those of each model follow from its own generator.
    """
    if not how:
        return images
    last = channels_last(tuple(images.shape[2:]))
    drawn = torch.stack([torch.rand(images.shape[1], 3, generator=g) for g in generators])
    flip, down, right = drawn.flatten(0, 1).to(images.device).unbind(1)
    seen = images.flatten(0, 1)
    seen = seen if last else seen.permute(0, 2, 3, 1)
    height, width = seen.shape[1:3]
    row = torch.arange(height, device=images.device).expand(len(seen), -1)
    column = torch.arange(width, device=images.device).expand(len(seen), -1)
    if "flip" in how:
        column = torch.where(flip[:, None] < 0.5, width - 1 - column, column)
    if "crop" in how:
        seen = F.pad(seen, (0, 0, PAD, PAD, PAD, PAD))
        row, column = (at + (share * (2 * PAD + 1)).long()[:, None] for at, share in ((row, down), (column, right)))
    each = torch.arange(len(seen), device=images.device)
    seen = seen[each[:, None, None], row[:, :, None], column[:, None, :]]
    seen = seen if last else seen.permute(0, 3, 1, 2)
    return seen.unflatten(0, images.shape[:2])  # type: ignore[no-untyped-call, no-any-return]


def channels_last(shape: tuple[int, ...]) -> bool:
    """Whether an image of this shape is height x width x channels, and not channels x height x width."""
    first, last = (len(shape) == 3 and shape[axis] in CHANNELS for axis in (0, -1))
    if first == last:
        raise InputError(
            f"Augmentations need images whose first or whose last axis alone has 1, 3 or 4 entries (channels), "
            f"found records of shape {tuple(shape)}. Leave `augment` out, or give the images another shape."
        )
    return last
