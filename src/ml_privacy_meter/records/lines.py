"""Records in lines of text, as ML Privacy Meter kept them in 2020: ``f1,f2,...,fn;label``."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records.collect import collect
from ml_privacy_meter.records.disk import File, OnDisk, Spool
from ml_privacy_meter.records.wanted import Wanted
from ml_privacy_meter.types import Records

BLOCK = 2**22
COMMA, SEMICOLON, END = b",;\n"
_STOPS = np.isin(np.arange(256), [COMMA, SEMICOLON, END])

Place = Callable[[int], str]  # how a message names a line by its number, from 0 on


def load_lines(path: Path, wanted: Wanted, *, name: str) -> Records:
    """The records of a ``.txt`` file, in float32: numbers with commas between them, ``;``, and a label in each line.

    The channels of an image stand one after the other, each of them ended by ``;``.

    Raises:
        InputError: a line is not like the first one, or something in it is no number.
    """
    with path.open("rb") as file:
        return _records(path, _blocks(file), lambda line: f"line {line + 1}", wanted, name)


def load_text_rows(path: Path, wanted: Wanted, *, name: str) -> Records:
    """The records of a ``.npy`` file whose rows hold what stands between the ``;`` of such lines, as text.

    Raises:
        InputError: the file holds Python objects, or something else than text, or a row is not like the first.
    """
    rows = _rows(path)
    size = max(1, BLOCK // max(1, rows.dtype.itemsize * int(np.prod(rows.shape[1:], dtype=int))))
    starts = range(0, len(rows), size)
    blocks = (_as_lines(rows.read(slice(start, start + size)), path) for start in starts)
    return _records(path, blocks, lambda row: f"row {row} (the first is 0)", wanted, name)


def _records(path: Path, blocks: Iterator[bytes], place: Place, wanted: Wanted, name: str) -> Records:
    where = f"`{path}`"
    given = [setting for setting in vars(wanted) if setting != "size"]
    wanted.refuse(*given, where=f"{where}, which has no named columns")
    spool, labels, count, form = Spool(), [], 0, np.empty(0, np.uint8)
    with tqdm(desc=f"Reading {path.name}", unit=" records", delay=2, leave=False, disable=None) as bar:
        for block in blocks:
            form = form if count else _form(block, place(0), where)
            numbers, named = _parsed(block, form, _after(place, count), where)
            spool.write(numbers)
            labels.append(named)
            count += len(numbers)
            bar.update(len(numbers))
    if not count:
        raise InputError(f"{where} holds no records. Give at least 20.")
    shape = _shape(int((form == SEMICOLON).sum()), len(form) - 1, wanted.size, where)
    rows = spool.rows(np.dtype(np.float32), (count, *shape))
    return collect(rows, _labels(labels), id=None, where=where, name=name)


def _after(place: Place, lines: int) -> Place:
    return lambda line: place(lines + line)


def _blocks(file: Any) -> Iterator[bytes]:
    """The file in whole lines, some 4 MB at once; empty lines at its end are left out."""
    rest = file.read(3).removeprefix(b"\xef\xbb\xbf")
    while part := file.read(BLOCK):
        whole, end, rest = (rest + part).rpartition(b"\n")
        block, empty = whole.rstrip(), whole + end
        if block:
            yield block + b"\n"
            empty = empty[len(block) :].partition(b"\n")[2]
        rest = empty + rest
    if rest.strip():
        yield rest.rstrip() + b"\n"


def _rows(path: Path) -> OnDisk:
    """The rows of text in a ``.npy`` file, on disk."""
    form = np.lib.format
    try:
        with path.open("rb") as file:
            old = form.read_magic(file) == (1, 0)
            shape, by_column, dtype = (form.read_array_header_1_0 if old else form.read_array_header_2_0)(file)
            start, size = file.tell(), file.seek(0, 2)
    except ValueError as error:
        raise InputError(f"`{path}` is no whole .npy file ({error}). Save it again.") from error
    if dtype.hasobject:
        raise InputError(
            f"`{path}` holds Python objects, and to read those is to run whatever code they bring. Save the rows as "
            "text where you trust it, `np.save(path, rows.astype(str))`, or as lines of a .txt file."
        )
    if dtype.kind not in "US" or len(shape) not in (1, 2) or not dtype.itemsize:
        raise InputError(
            f"`{path}` holds a single array, of {dtype} in the shape {shape}, but records need labels too. Save both "
            "with np.savez('data.npz', x=x, y=y). (A .npy file may hold rows of text: numbers with commas between "
            "them in each column, and the label in the last.)"
        )
    if by_column and len(shape) == 2:
        raise InputError(
            f"`{path}` is laid out by columns. Save it by rows: np.save(path, np.ascontiguousarray(rows))."
        )
    if size - start != int(np.prod(shape, dtype=int)) * dtype.itemsize:
        raise InputError(f"`{path}` is cut short. Save or copy it again.")
    return OnDisk(File.of(path), start, dtype, shape)


def _as_lines(rows: np.ndarray, path: Path) -> bytes:
    """Rows of text as lines, with ``;`` between the cells."""
    cells = np.ascontiguousarray(rows.reshape(len(rows), -1))
    letters = cells[..., None].view(np.uint32 if cells.dtype.kind == "U" else np.uint8)
    if letters.max(initial=0) > 127:
        raise InputError(f"The rows of `{path}` must be plain ASCII text. Give the labels as numbers.")
    text = np.zeros((*cells.shape, letters.shape[-1] + 1), np.uint8)
    text[..., :-1], text[..., -1], text[:, -1, -1] = letters, SEMICOLON, END
    return text[text > 0].tobytes()


def _form(block: bytes, place: str, where: str) -> np.ndarray:
    """What stands between the numbers of the first line, and so of each: commas, ``;`` after each channel, the end."""
    text = np.frombuffer(block[: block.index(b"\n") + 1], np.uint8)
    form = text[_STOPS[text]]
    sizes = np.diff(np.flatnonzero(form == SEMICOLON), prepend=-1)
    if not len(sizes) or len(set(sizes.tolist())) > 1 or form[-2] != SEMICOLON:
        raise InputError(
            "A record must be a line of numbers with commas between them, then `;` and its label: 1,0,2;5. An image "
            f"has its channels one after the other, of one size, with `;` after each. {place.capitalize()} of {where} "
            f"is not so: {_found(text.tobytes())}."
        )
    return form


def _parsed(block: bytes, form: np.ndarray, place: Place, where: str) -> tuple[np.ndarray, pa.Array]:
    """The numbers and the labels in whole lines."""
    text = np.frombuffer(block, np.uint8)
    stop = _STOPS[text]
    at = np.flatnonzero(stop)
    same = text[at] == np.resize(form, len(at))
    if not same.all() or len(at) % len(form):
        line = int(np.append(same, False).argmin()) // len(form)
        found = _found(block.split(b"\n", line + 1)[line])
        raise InputError(
            f"Every record of {where} must have as many numbers as the first: {_said(form)}. "
            f"{place(line).capitalize()} is not so: {found}."
        )
    ends = np.append(0, at - np.arange(len(at))).astype(np.int32)
    words = pa.StringArray.from_buffers(len(at), pa.py_buffer(ends), pa.py_buffer(text[~stop]))
    is_label = np.arange(len(at)) % len(form) == len(form) - 1
    labels = pc.ascii_trim_whitespace(words.filter(pa.array(is_label)))
    try:
        labels.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InputError(f"{where} must be a text file in UTF-8 ({error}). Save it as text.") from error
    if pc.any(pc.equal(labels, "")).as_py():
        nameless = place(pc.index(labels, "").as_py())
        raise InputError(
            f"Every record must have a label, {nameless} of {where} has none. Give it one, or leave it out."
        )
    return _numbers(words.filter(pa.array(~is_label)), len(form) - 1, place, where), labels


def _numbers(words: pa.Array, width: int, place: Place, where: str) -> np.ndarray:
    try:
        values = words.cast(pa.float32()).to_numpy()
    except pa.ArrowInvalid:
        words = pc.ascii_trim_whitespace(words)
        try:
            values = words.cast(pa.float32()).to_numpy()
        except pa.ArrowInvalid as error:
            raise _no_number(words, _first_wrong(words), width, place, where) from error
    if not np.isfinite(values).all():
        raise _no_number(words, int(np.isfinite(values).argmin()), width, place, where)
    numbers: np.ndarray = values.reshape(-1, width)
    return numbers


def _first_wrong(words: pa.Array) -> int:
    """The first word that is no number, of some that are not all numbers."""
    low, high = 0, len(words)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            words[low:middle].cast(pa.float32())
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low


def _no_number(words: pa.Array, at: int, width: int, place: Place, where: str) -> InputError:
    line, column = divmod(at, width)
    found = words[at].as_buffer().to_pybytes()[:40].decode(errors="replace")
    return InputError(
        f"Every feature must be a finite number, found {found!r} as number {column + 1} of {place(line)} of {where}. "
        "Mend the record, or leave it out."
    )


def _said(form: np.ndarray) -> str:
    channels = int((form == SEMICOLON).sum())
    each = f"{(len(form) - 1) // channels:,} numbers"
    return f"{each}, `;` and a label" if channels == 1 else f"{channels} channels of {each}, each with `;`, and a label"


def _found(line: bytes) -> str:
    """What a line holds, without its content."""
    parts = line.strip().split(b";")
    if parts == [b""]:
        return "it is empty"
    if len(parts) == 1:
        return f"it has {line.count(b',')} commas, and no `;`"
    counts = ", ".join(f"{part.count(b',') + 1:,}" for part in parts[:6])
    more = ", ..." if len(parts) > 6 else ""
    return f"with {len(parts) - 1} `;` between them it has this many values: {counts}{more}"


def _shape(channels: int, numbers: int, size: Sequence[int] | None, where: str) -> tuple[int, ...]:
    """Of one record: a vector, or channels of height and width; where nobody says these, they are equal."""
    each = numbers // channels
    if channels == 1 and size is None:
        return (numbers,)
    side = round(each**0.5)
    height, width = size or (side, side)
    if height * width != each:
        asked = "the height times the width" if size else "a square number, where `size` does not give height and width"
        raise InputError(
            f"The numbers of a channel must be {asked}, found {each:,} in each channel of {where}"
            f"{f' and {height} x {width}' if size else ''}. Give `size = [height, width]`."
        )
    return (channels, height, width)


def _labels(parts: list[pa.Array]) -> np.ndarray:
    """Whole numbers where they all are, else numbers, else text."""
    words = pa.concat_arrays(parts)
    try:
        numbers: np.ndarray = words.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return np.asarray(words.to_pylist())
    whole = np.isfinite(numbers).all() and (numbers == np.round(numbers)).all()
    return numbers.astype(np.int64) if whole else numbers
