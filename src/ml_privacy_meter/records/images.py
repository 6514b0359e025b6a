"""Records in a folder of images, one folder a class; decoded when they are asked for."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter.records.collect import collect
from ml_privacy_meter.records.wanted import Wanted
from ml_privacy_meter.types import Records

T = TypeVar("T")
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


@dataclass(frozen=True)
class Images:
    """Images of one size; a batch is Float["records 3 height width"] in [0, 1].

    Args:
        paths: of the images.
        size: height and width that they have, or are brought to (bilinear).
        resize: whether they are.
    """

    paths: np.ndarray
    size: tuple[int, int]
    resize: bool

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Float[Tensor, "records 3 height width"]:
        paths = self.paths[index]
        batch = np.empty((len(paths), *self.size, 3), np.uint8)
        with ThreadPoolExecutor(_threads()) as pool:
            for i, image in enumerate(pool.map(self._decoded, paths)):
                batch[i] = image
        return torch.from_numpy(batch).permute(0, 3, 1, 2).float().div_(255).contiguous()

    def _decoded(self, path: Path) -> np.ndarray:
        def decode(image: Any) -> np.ndarray:
            image = image.convert("RGB")
            return np.asarray(image.resize(self.size[::-1], _pillow().Resampling.BILINEAR) if self.resize else image)

        return _with_image(path, decode)


def load_images(folder: Path, wanted: Wanted, *, name: str) -> Records:
    """The images under ``folder``: labels are the class folders' names, ids the paths inside ``folder``.

    Raises:
        InputError: there are none, one cannot be read, or they differ in size and none was given.
    """
    wanted.refuse("features", "label", "id", "groups", "drop", "probabilities", "logits", where="a folder of images")
    classes = sorted(place for place in folder.iterdir() if place.is_dir())
    paths = [path for place in classes for path in sorted(place.rglob("*")) if path.suffix.lower() in SUFFIXES]
    if not paths:
        raise InputError(
            f"A folder of images must hold one folder for each class with images in it "
            f"({', '.join(sorted(SUFFIXES))}); `{folder}` holds none. Sort them into folder/class/image.png."
        )
    inside = [path.relative_to(folder) for path in paths]
    size = _size(wanted.size) if wanted.size is not None else _common_size(paths)
    listed = np.empty(len(paths), object)
    listed[:] = paths
    return collect(
        Images(listed, size, wanted.size is not None),
        np.array([path.parts[0] for path in inside]),
        id=np.array([path.as_posix() for path in inside]),
        where=f"`{folder}`",
        name=name,
    )


def _size(given: Sequence[int]) -> tuple[int, int]:
    if len(given) != 2 or not all(isinstance(n, int) and n > 0 for n in given):
        raise InputError(f"`size` must be the height and width of an image in pixels, found {given!r}.")
    return given[0], given[1]


def _common_size(paths: list[Path]) -> tuple[int, int]:
    """Height and width of every image, read off their headers."""

    def size(path: Path) -> tuple[int, int]:
        return _with_image(path, lambda image: (image.height, image.width))

    with ThreadPoolExecutor(_threads()) as pool:
        sizes = pool.map(size, paths)
        first = next(sizes)
        bar = tqdm(sizes, "Looking at images", len(paths) - 1, delay=2, leave=False, disable=None)
        for path, other in zip(paths[1:], bar, strict=True):
            if other != first:
                pool.shutdown(cancel_futures=True)
                raise InputError(
                    f"Images must have one size, found {first[0]} x {first[1]} (height x width) at "
                    f"`{paths[0]}` and {other[0]} x {other[1]} at `{path}`. "
                    "Give the size that the model takes: `size = [height, width]`."
                )
    return first


def _with_image(path: Path, use: Callable[[Any], T]) -> T:
    pillow = _pillow()
    try:
        with pillow.open(path) as image:
            return use(image)
    except (OSError, SyntaxError, ValueError, pillow.DecompressionBombError) as error:
        raise InputError(f"The image `{path}` cannot be read ({error}). Replace it, or take it away.") from error


def _pillow() -> Any:
    return extra("PIL.Image", "images", "A folder of images")


def _threads() -> int:
    return min(8, os.cpu_count() or 1)
