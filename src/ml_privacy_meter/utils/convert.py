"""Turns records from the format of 2020 into arrays, and back."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from torch import Tensor

from ml_privacy_meter import records
from ml_privacy_meter._checks import InputError, one_of
from ml_privacy_meter.types import Records

NUMBERS = 2**20  # that are turned into text at once


def convert(source: str | Path, target: str | Path, *, channels_last: bool = False) -> Path:
    """The path of ``target``, a new file with the records of ``source``; its ending says the format.

    ``.npz`` holds arrays ``x`` and ``y``. The formats of 2020 are ``.txt``, a record in each line,
    ``f1,f2,...,fn;label`` (of an image one channel after the other, each ended by ``;``), and ``.npy``, the same as
    rows of text. Ids, groups and saved outputs are left out.

    Args:
        source: whatever `load_records` takes.
        channels_last: of the arrays of images in an ``.npz`` file, read or written; else channels come first.

    Raises:
        InputError: ``target`` is there already, or the records do not fit into its format.
    """
    target = Path(target)
    kind = one_of(target.suffix.lower().removeprefix("."), ("npz", "txt", "npy"), "format of 2020, nor of arrays,")
    last = channels_last and Path(source).suffix.lower() == ".npz", channels_last and kind == "npz"
    given = records.load(source)
    if not isinstance(given.x[slice(0, 1)], Tensor):
        raise InputError(f"The features of `{source}` must be numbers, found text. Turn it into numbers.")
    write = {"npz": _write_npz, "txt": _write_txt, "npy": _write_npy}[kind]
    try:
        file = target.open("xb")
    except FileExistsError:
        raise InputError(f"`{target}` is there already, and nothing is written over. Name another file.") from None
    try:
        with file:
            write(file, given, *last)
    except BaseException:
        target.unlink()
        raise
    return target


def _blocks(given: Records, come_last: bool, go_last: bool) -> Iterator[np.ndarray]:
    """The features, moved from one order of their channels to the other."""
    width = int(np.prod(given.x[slice(0, 1)].shape[1:]))
    step = max(1, NUMBERS // max(1, width))
    for start in range(0, len(given), step):
        block = given.x[start : start + step].cpu().numpy()
        if block.ndim == 4 and come_last != go_last:
            block = block.transpose(0, 3, 1, 2) if come_last else block.transpose(0, 2, 3, 1)
        yield np.ascontiguousarray(block)


def _write_npz(file: IO[bytes], given: Records, come_last: bool, go_last: bool) -> None:
    blocks = _blocks(given, come_last, go_last)
    first = next(blocks)
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open("x.npy", "w", force_zip64=True) as x:
            _header(x, (len(given), *first.shape[1:]), first.dtype)
            x.write(first.tobytes())
            for block in blocks:
                x.write(block.tobytes())
        with archive.open("y.npy", "w") as y:
            np.lib.format.write_array(y, np.asarray(given.y), allow_pickle=False)


def _header(file: Any, shape: tuple[int, ...], dtype: np.dtype) -> None:
    said = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, said)


def _write_txt(file: IO[bytes], given: Records, come_last: bool, go_last: bool) -> None:
    for cells in _text(given, come_last, go_last):
        lines = pc.binary_join_element_wise(*cells, ";").to_pylist()
        file.write("".join(f"{line}\n" for line in lines).encode())


def _write_npy(file: IO[bytes], given: Records, come_last: bool, go_last: bool) -> None:
    widths = [max(pc.max(pc.utf8_length(cell)).as_py() for cell in cells) for cells in _text(given, come_last, go_last)]
    kind, width = np.dtype(f"U{max(widths)}"), 0
    for cells in _text(given, come_last, go_last):
        rows = np.stack([np.array(cell.to_pylist(), kind) for cell in cells], axis=1)
        if not width:
            width = rows.shape[1]
            _header(file, (len(given), width), kind)
        file.write(rows.tobytes())


def _text(given: Records, come_last: bool, go_last: bool) -> Iterator[list[pa.Array]]:
    """Blocks of records as text: an array for each channel, and the labels."""
    labels = np.asarray(given.y)
    if labels.ndim > 1:
        raise InputError(f"Lines of text have one label each, found labels of the shape {labels.shape[1:]}.")
    words = labels.astype(int if labels.dtype.kind == "b" else labels.dtype).astype(str)
    if any(set(word) & set(";\n\r") for word in np.unique(words)):
        raise InputError("A label must not hold `;` or the end of a line. Give the labels as numbers.")
    start = 0
    for block in _blocks(given, come_last, go_last):
        channels = block.shape[1] if block.ndim == 4 else 1
        cells = [_joined(block.reshape(len(block), channels, -1)[:, c]) for c in range(channels)]
        yield [*cells, pa.array(words[start : start + len(block)].tolist(), pa.string())]
        start += len(block)


def _joined(numbers: np.ndarray) -> pa.Array:
    """A text for each row, with commas between its numbers."""
    whole = numbers.dtype.kind in "bui" or bool((numbers == np.round(numbers)).all() and (abs(numbers) < 2**53).all())
    flat = pa.array(np.ascontiguousarray(numbers.astype(np.int64) if whole else numbers).reshape(-1))
    ends = np.arange(0, numbers.size + 1, numbers.shape[1], dtype=np.int32)
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(ends), flat.cast(pa.string())), ",")
