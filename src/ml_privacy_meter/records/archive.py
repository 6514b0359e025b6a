"""Records in an .npz file: its arrays are found by name, and the large ones stay on disk."""

import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records.collect import collect, plain
from ml_privacy_meter.records.disk import File, OnDisk, Spool
from ml_privacy_meter.records.wanted import FEATURES, IDS, LABELS, Names, Wanted, chosen, picked
from ml_privacy_meter.types import Records, Rows

BLOCK = 2**22
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class Array:
    """One array of an .npz file, not read yet; ``header`` is how many bytes stand before its numbers."""

    member: zipfile.ZipInfo
    header: int
    dtype: np.dtype
    shape: tuple[int, ...]
    by_column: bool

    @property
    def name(self) -> str:
        return self.member.filename.removesuffix(".npy")


def load_npz(path: Path, wanted: Wanted, *, name: str) -> Records:
    """The records of an .npz file.

    Raises:
        InputError: the file is broken, holds Python objects, or an array is missing.
    """
    wanted.refuse("drop", "size", where="an .npz file")
    try:
        with zipfile.ZipFile(path) as archive:
            return _records(path, archive, wanted, name)
    except _BROKEN as error:
        raise InputError(f"`{path}` is not a whole .npz file ({error}). Save or download it again.") from error


def _records(path: Path, archive: zipfile.ZipFile, wanted: Wanted, name: str) -> Records:
    where = f"`{path}`"
    arrays = {a.name: a for a in (_described(archive, member, where) for member in archive.infolist()) if a}
    names = list(arrays)
    given = None if wanted.features is None else _one(wanted.features, names, "features", where)
    features = chosen(given, FEATURES, names, "features", where)
    label = chosen(wanted.label, LABELS, names, "label", where)
    id = chosen(wanted.id, IDS, names, "id", where)
    answers, gives = _answers(wanted, names, where)
    if label is None or (features is None and answers is None):
        missing = "label" if label is None else "features"
        raise InputError(
            f"{where} must hold an array of {missing} under one of the names "
            f"{', '.join(LABELS if label is None else FEATURES)}; it has: {', '.join(names) or 'none'}. "
            f"Name it with `{missing}`."
        )
    y = _small(archive, arrays[label], where)
    outputs = None if answers is None else _large(path, archive, arrays[answers])
    return collect(
        torch.empty(len(y), 0) if features is None else _large(path, archive, arrays[features]),
        y,
        id=None if id is None else _small(archive, arrays[id], where),
        groups={g: _small(archive, arrays[g], where) for g in picked(wanted.groups, names, "groups", where)},
        outputs=outputs,
        gives=_kind(outputs, y, where) if gives == "predictions" and outputs is not None else gives,
        where=where,
        name=name,
    )


def _answers(wanted: Wanted, names: list[str], where: str) -> tuple[str | None, str]:
    """The array of what the target model answered, and what it says there."""
    for gives, given in (("probabilities", wanted.probabilities), ("logits", wanted.logits)):
        if given:
            return _one(given, names, gives, where), gives
    found_name = chosen(None, ("probabilities", "logits", "predictions"), names, "probabilities` or `logits", where)
    return found_name, found_name or ""


def _one(given: Names, names: list[str], setting: str, where: str) -> str:
    found = picked(given, names, setting, where)
    if len(found) != 1:
        raise InputError(f"`{setting}` of {where} must name one array, found {list(found)}.")
    return found[0]


def _kind(outputs: Rows, y: np.ndarray, where: str) -> str:
    """What an array called "predictions" holds, judged by its first thousand rows."""
    some = outputs[slice(0, 1000)].double()
    if some.ndim == 2 and some.shape[1] > 1 and (some >= 0).all() and ((some.sum(1) - 1).abs() < 1e-3).all():
        return "probabilities"
    if y.dtype.kind == "f":
        return "values"
    raise InputError(
        f"The rows of `predictions` in {where} do not add up to 1, so they are no probabilities of classes. "
        "Say what they are: `logits` or `probabilities`, with the array's name."
    )


def _described(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> Array | None:
    if not member.filename.endswith(".npy"):
        return None
    try:
        with archive.open(member) as file:
            old = np.lib.format.read_magic(file) == (1, 0)
            form = np.lib.format
            shape, by_column, dtype = (form.read_array_header_1_0 if old else form.read_array_header_2_0)(file)
            array = Array(member, file.tell(), dtype, shape, by_column and len(shape) > 1)
    except ValueError as error:
        raise zipfile.BadZipFile(f"{member.filename}: {error}") from error
    size = int(np.prod(shape, dtype=int)) * dtype.itemsize
    if not dtype.hasobject and size != member.file_size - array.header:
        raise InputError(f"Array `{array.name}` of {where} is cut short. Save or download the file again.")
    return array


def _small(archive: zipfile.ZipFile, array: Array, where: str) -> np.ndarray:
    """An array, read into memory."""
    _no_objects(array, where)
    try:
        with archive.open(array.member) as file:
            values = np.lib.format.read_array(file, allow_pickle=False)
    except ValueError as error:
        raise zipfile.BadZipFile(f"{array.member.filename}: {error}") from error
    return plain(values, f"array `{array.name}`", where)


def _no_objects(array: Array, where: str) -> None:
    if array.dtype.hasobject:
        raise InputError(
            f"Array `{array.name}` of {where} holds Python objects, and reading those runs any code they "
            "bring. Save text with a width of its own, `names.astype(str)`, and numbers as numbers."
        )


def _large(path: Path, archive: zipfile.ZipFile, array: Array) -> Rows:
    """An array whose rows are read from disk when they are asked for."""
    _no_objects(array, f"`{path}`")
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8 or not array.shape:
        raise InputError(
            f"Array `{array.name}` of `{path}` must hold numbers, one row for each record, found "
            f"{array.dtype} of shape {array.shape}. Put text columns into a csv or parquet file."
        )
    stored = array.member.compress_type == zipfile.ZIP_STORED
    spool = None if stored else Spool()
    with archive.open(array.member) as file:
        _stream(file, array, spool)
    if spool is None:
        rows = OnDisk(File.of(path), _start(path, array), array.dtype, array.shape)
    else:
        rows = spool.rows(array.dtype, array.shape)
    return _by_row(rows) if array.by_column else rows


def _stream(file: Any, array: Array, spool: Spool | None) -> None:
    """Reads the whole member, which proves its check sum, and writes its numbers into ``spool``, if any."""
    file.read(array.header)
    total = array.member.file_size - array.header
    with tqdm(
        total=total, desc=f"Reading {array.name}", unit="B", unit_scale=True, delay=2, leave=False, disable=None
    ) as bar:
        while block := file.read(BLOCK):
            if spool is not None:
                spool.write(block)
            bar.update(len(block))


def _start(path: Path, array: Array) -> int:
    """Where the numbers of an uncompressed member begin in the file."""
    with path.open("rb") as file:
        file.seek(array.member.header_offset)
        signature, name, extra = struct.unpack("<4s22xHH", file.read(30))
    if signature != b"PK\x03\x04":
        raise zipfile.BadZipFile("a member is not where the directory says")
    return int(array.member.header_offset + 30 + name + extra + array.header)


def _by_row(rows: OnDisk) -> OnDisk:
    """The same array, which was written column after column, row after row."""
    height, *width = rows.shape
    columns = int(np.prod(width, dtype=int))
    step = max(1, 2 * BLOCK // max(1, columns * rows.dtype.itemsize))
    of_columns = OnDisk(rows.file, rows.start, rows.dtype, (columns * height,))
    spool = Spool()
    for first in range(0, height, step):
        stop = min(first + step, height)
        block = [of_columns.read(slice(c * height + first, c * height + stop)) for c in range(columns)]
        spool.write(np.stack(block).reshape(*reversed(width), stop - first).transpose())
    return spool.rows(rows.dtype.newbyteorder("="), rows.shape)
