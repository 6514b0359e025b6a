"""The records of one attack: members that the adversary knows, non-members, and the others to be told apart."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt64
from torch import Tensor

from ml_privacy_meter import records
from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.types import Records, Rows

__all__ = ["AttackData", "Sides", "attack_data"]

BLOCK = 1024


@dataclass(frozen=True)
class Sides:
    """Members and non-members, no record of one side in the other.

    Args:
        members: ids say the row in the members' file.
        non_members: ids say the row in the data set.
        keys: of the content of each, members first: equal records have equal ones, normalized or not.
    """

    members: Records
    non_members: Records
    keys: UInt64[np.ndarray, " records"]

    def without(self, keys: UInt64[np.ndarray, " others"]) -> "Sides":
        """The same but for the records that have one of these keys."""
        stays = ~np.isin(self.keys, keys)
        split = len(self.members)
        inside, outside = np.flatnonzero(stays[:split]), np.flatnonzero(stays[split:])
        return Sides(self.members.take(inside), self.non_members.take(outside), self.keys[stays])


class AttackData:
    """What `attack_data` read, in two parts that share no record: one trains the attack, the other tests it.

    Args:
        means, stddevs: what features are normalized with, where ``normalization`` was asked for; may be set. Of
            images: one for each channel, of pixels divided by 255.
        batch_size: records of either side in a batch of the attack's training.
    """

    def __init__(self, train: Sides, test: Sides, shape: tuple[int, ...], batch_size: int, normalization: bool) -> None:
        self._train, self._test = train, test
        self.input_shape, self.batch_size, self.normalization = shape, batch_size, normalization
        self.means: Sequence[float] | np.ndarray = ()
        self.stddevs: Sequence[float] | np.ndarray = ()

    def load_train(self, *, channels_last: bool = True) -> Sides:
        """The records that train the attack: the members and non-members that the adversary knows."""
        return self._normalized(self._train, channels_last)

    def load_test(self, *, channels_last: bool = True) -> Sides:
        """The records that the attack is tested on."""
        return self._normalized(self._test, channels_last)

    def _normalized(self, sides: Sides, channels_last: bool) -> Sides:
        means, stddevs = self._moments() if self.normalization else (None, None)
        inside, outside = (
            replace(side, x=Shaped(side.x, self.input_shape, channels_last, means, stddevs), base=None, rows=None)
            for side in (sides.members, sides.non_members)
        )
        return Sides(inside, outside, sides.keys)

    def _moments(self) -> tuple[Tensor, Tensor]:
        """``means`` and ``stddevs``, checked; of images in the shape in which they lie on disk."""
        image = len(self.input_shape) == 3
        shape = self.input_shape[2:] if image else self.input_shape
        for name in ("means", "stddevs"):
            values = np.asarray(getattr(self, name), dtype=np.float32)
            usable = np.isfinite(values).all() and (name == "means" or (values > 0).all())
            if values.shape not in (shape, ()) or not usable:
                raise InputError(
                    f"`{name}` must be finite numbers{' above 0' if name == 'stddevs' else ''}, one for each "
                    f"{'channel' if image else 'feature'} ({int(np.prod(shape)):,}), found {values!s:.80}."
                )
        means, stddevs = (torch.from_numpy(np.array(given, np.float32)) for given in (self.means, self.stddevs))
        return (means.reshape(-1, 1, 1), stddevs.reshape(-1, 1, 1)) if image else (means, stddevs)


@dataclass(frozen=True)
class Shaped:
    """Rows as a model takes them: in its shape, and normalized.

    Args:
        shape: height, width and channels of an image, or whatever shape other records have.
        last: the channels come last, and not first as they lie on disk.
    """

    of: Rows
    shape: tuple[int, ...]
    last: bool = False
    means: Tensor | None = None
    stddevs: Tensor | None = None

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, index: Any) -> Tensor:
        batch: Tensor = self.of[index].float()
        image = len(self.shape) == 3
        batch = batch.reshape(len(batch), *(self.shape[i] for i in (2, 0, 1)) if image else self.shape)
        if self.means is not None and self.stddevs is not None:
            batch = ((batch / 255 if image else batch) - self.means) / self.stddevs
        return batch.permute(0, 2, 3, 1).contiguous() if image and self.last else batch


def attack_data(
    dataset_path: str | Path,
    member_dataset_path: str | Path,
    batch_size: int,
    attack_percentage: float,
    normalization: bool = False,
    input_shape: Sequence[int] | int | None = None,
    *,
    seed: int = 0,
) -> AttackData:
    """The records of an attack: a share of the members and as many non-members train it, as many others test it.

    Both files may be whatever `load_records` takes. Those of 2020 are a ``.txt`` file with a record in each line,
    ``f1,f2,...,fn;label`` (of an image one channel after the other, each ended by ``;``), and a ``.npy`` file of the
    members' rows as text. Whatever stands among the members is no non-member, wherever else it stands; and what
    stands twice is used once. Records with the same features are the same, whatever their labels.

    Args:
        dataset_path: records of the same source, members or not.
        member_dataset_path: the records that the target model was trained on.
        batch_size: records of either side in a batch of the attack's training.
        attack_percentage: the share of the members that the adversary knows, in (0, 100).
        normalization: whether each feature (of images each channel, divided by 255) has its mean taken away and is
            divided by its standard deviation. Both are taken of the members, unless ``means`` and ``stddevs`` are set.
        input_shape: of one record; of images height, width and channels.
        seed: of which members, and which non-members, train the attack.

    Raises:
        InputError: a file is broken, records are of another shape, or there are too few.
    """
    in_range(0, 100, attack_percentage=attack_percentage)
    whole(1, batch_size=batch_size)
    whole(0, seed=seed)
    shape = None if input_shape is None else _sizes(input_shape)
    loaded = [_loaded(*named, shape) for named in ((member_dataset_path, "members"), (dataset_path, "data set"))]
    shape, other = (shape or _shape_of(side.records) for side in loaded)
    if shape != other:
        raise InputError(
            f"Members and data set must hold records of one shape, found {shape} in `{member_dataset_path}` and "
            f"{other} in `{dataset_path}`. Give files of the same kind of records."
        )
    inside, outside = (np.sort(np.unique(side.digest, return_index=True)[1]) for side in loaded)
    outside = outside[~np.isin(loaded[1].digest[outside], loaded[0].digest)]
    rng = np.random.default_rng(seed)
    inside, outside = rng.permutation(inside), rng.permutation(outside)
    outside = outside[: len(inside)]
    known, unknown = (int(attack_percentage / 100 * len(rows)) for rows in (inside, outside))
    parts = (inside[:known], outside[:unknown]), (inside[known:], outside[unknown:])
    if not all(len(rows) for part in parts for rows in part):
        raise InputError(
            "An attack needs members and non-members to train with, and others to be tested on, found "
            f"{len(inside):,} members in `{member_dataset_path}`, and {len(outside):,} other records in "
            f"`{dataset_path}`; `attack_percentage` is {attack_percentage}. Give a data set with more non-members."
        )
    train, test = (_sides(loaded, *part) for part in parts)
    data = AttackData(train, test, shape, batch_size, normalization)
    if normalization:
        data.means, data.stddevs = _moments_of(loaded[0].records, shape)
    return data


def _sizes(shape: Any) -> tuple[int, ...]:
    """The shape of one record; a number alone is how many features it has."""
    sizes = tuple(shape) if isinstance(shape, Iterable) and not isinstance(shape, str) else (shape,)
    if not sizes:
        raise InputError("`input_shape` must say the shape of one record, found nothing. Give numbers of 1 or more.")
    whole(1, **{f"input_shape[{i}]": size for i, size in enumerate(sizes)})
    return tuple(map(int, sizes))


def _loaded(path: Any, name: str, shape: tuple[int, ...] | None) -> records.Scanned:
    if not isinstance(path, str | Path):
        raise InputError(f"The {name} must be named by a path, found a {type(path).__name__}. Give that of a file.")
    text = Path(path).suffix.lower() in (".txt", ".npy")
    size = shape[:2] if text and shape is not None and len(shape) == 3 else None
    read = records.load(path, size=size)
    one = read.x[slice(0, 1)]
    if not isinstance(one, Tensor):
        raise InputError(f"The features of `{path}` must be numbers, found text. Turn it into numbers.")
    if shape is not None and one.numel() != int(np.prod(shape)):
        raise InputError(
            f"A record must hold as many numbers as `input_shape` {shape} says, {int(np.prod(shape)):,}, found "
            f"{one.numel():,} in `{path}`. Say the shape of its records."
        )
    rows = np.char.add(f"{name}:", np.arange(len(read)).astype(str))  # own ids need not differ
    even = replace(read, x=Shaped(read.x, shape or _shape_of(read)), id=rows, groups={}, outputs=None)
    return records.scan(even, name=f"`{path}`")


def _shape_of(of: Records) -> tuple[int, ...]:
    """Of one record as it came; of images height, width and channels."""
    shape = tuple(of.x[slice(0, 1)].shape[1:])
    return (shape[1], shape[2], shape[0]) if len(shape) == 3 else shape


def _sides(loaded: Sequence[records.Scanned], inside: np.ndarray, outside: np.ndarray) -> Sides:
    keys = np.concatenate([side.digest[rows] for side, rows in zip(loaded, (inside, outside), strict=True)])
    return Sides(loaded[0].records.take(inside), loaded[1].records.take(outside), keys)


def _moments_of(of: Records, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each feature, 1 where it is constant; of images, of each channel over 255."""
    pixels = (0, 2, 3) if len(shape) == 3 else (0,)
    form = (shape[2], *shape[:2]) if len(shape) == 3 else shape

    def mean(part: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        blocks = (of.x[start : start + BLOCK].double().numpy() for start in range(0, len(of), BLOCK))
        total = sum(part(block.reshape(-1, *form)).mean(pixels) * len(block) for block in blocks)
        return np.asarray(total / len(of))

    means = mean(lambda block: block)
    middle = means.reshape(-1, 1, 1) if len(shape) == 3 else means
    stddevs = np.sqrt(mean(lambda block: (block - middle) ** 2))
    unit = 255 if len(shape) == 3 else 1
    return means / unit, np.where(stddevs > 0, stddevs, unit) / unit
