"""Records that are images, as small pictures that a page carries."""

import base64
import io
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ml_privacy_meter._extras import extra

FEWEST = 4  # pixels a side: what is smaller is no image
SQUARE = 8  # and a side of what has no axis of colours
WIDTHS = (128, 96, 64, 32)  # of a picture's longer side, in pixels
TO_WHITE = {torch.uint8: 255.0, torch.bool: 1.0}


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether a record of this shape is an image: colours first or last, or a square without colours."""
    return _colours(shape) is not None


def check_pictures() -> None:
    """Raises `InputError` where no picture can be made."""
    _pillow()


def pictures(images: Iterable[Tensor], *, size: int) -> list[dict[str, Any]]:
    """For each image ``height`` and ``width``, ``shown`` (the two on the page) and a PNG's address ``source``.

    Args:
        size: about how many bytes they may take together; a page with many or large ones has smaller pictures.
    """
    made = [_picture(image) for image in images]
    for width in WIDTHS:
        found = [of | _source(picture, width) for of, picture in made]
        if sum(len(one["source"]) for one in found) <= size:
            break
    return found


def _colours(shape: tuple[int, ...]) -> int | None:
    """The axis of colours; 2 for a square without any, as if they stood last; None of what is no image."""
    match shape:
        case (1 | 3, height, width) if min(height, width) >= FEWEST:
            return 0
        case (height, width, 1 | 3) if min(height, width) >= FEWEST:
            return 2
        case (height, width) if height == width >= SQUARE:
            return 2
    return None


def _pixels(image: Tensor) -> np.ndarray:
    """Bytes, height by width by colours.

    Bytes stay as they are, and so do shares of white. Any other image goes from black, its lowest value, to white, its
    highest: nobody knows what its numbers mean.
    """
    image = image.detach().cpu()
    places = image[..., None] if image.ndim == 2 else image.movedim(_colours(tuple(image.shape)) or 0, -1)
    values = places.double().numpy()
    low, high = float(values.min()), float(values.max())
    if image.dtype in TO_WHITE:
        low, high = 0.0, TO_WHITE[image.dtype]
    elif image.is_floating_point() and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    span = max(abs(low), abs(high), 1e-300)  # the difference of two large numbers may be infinite
    share = (values / span - low / span) / max(high / span - low / span, 1e-300)
    return np.round(255 * share.clip(0, 1)).astype(np.uint8)


def _picture(image: Tensor) -> tuple[dict[str, int], Any]:
    pixels = _pixels(image)
    picture = _pillow().fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
    picture.thumbnail((WIDTHS[0], WIDTHS[0]))
    return {"height": pixels.shape[0], "width": pixels.shape[1]}, picture


def _source(picture: Any, width: int) -> dict[str, Any]:
    small = picture.copy()
    small.thumbnail((width, width))
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True)
    times = max(1, WIDTHS[0] // max(small.size))  # whole pixels: an enlarged one stays sharp
    return {
        "shown": (small.height * times, small.width * times),
        "source": "data:image/png;base64," + base64.b64encode(file.getvalue()).decode(),
    }


def _pillow() -> Any:
    return extra("PIL.Image", "images", "To show records that are images")
