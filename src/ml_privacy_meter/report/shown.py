"""The most exposed training records themselves: what the page alone holds, and only where it is asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.report import verdicts
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.report.pictures import check_pictures, is_image, pictures
from ml_privacy_meter.report.plain import lines, visible
from ml_privacy_meter.types import Batch, Rows

MOST = 100  # records
COLUMNS = 60  # of a table
CHARACTERS = 1_000  # of a text
OF_A_CELL = 200
BYTES = 500_000  # of all content, about
SHADES = (1.0, 2.0, 4.0, 6.0)  # nats by which the model finds a token likelier: from each on, a darker shade
WIDEST = 5  # bytes that a character takes on a page
Tokens = Callable[[int], Sequence[tuple[str, float]]]
PICTURES = (
    "Images of bytes, or of numbers from 0 to 1, are shown as they are; any other goes from black, its lowest number, "
    "to white, its highest. Large ones are scaled down."
)


@dataclass(frozen=True, repr=False)  # printed by accident, it shows nothing
class Shown:
    """Records of the training set, the most exposed first.

    Args:
        attack: by whose scores they are; empty where none ran to its end.
        kind: "pictures", "table", "texts", "tokens", or "nothing" where their content cannot be shown.
        says: how it is shown, or why not.
        columns: of a table: the name of each, and whether it holds numbers.
        records: ``id``, ``class``, ``membership_probability`` and ``content`` of each: a picture, the values of the
            columns, text, or tokens, each with how much it is shaded: 0 to 4.
        tied: how many other training records have the score of the last one.
    """

    attack: str
    kind: str
    says: str
    columns: tuple[tuple[str, bool], ...] = ()
    records: tuple[Document, ...] = ()
    tied: int = 0


def check_shown(most: int, x: Rows | None = None) -> None:
    """Raises `InputError` unless so many records can be shown, and those of ``x``, where it is given, at all."""
    if isinstance(most, bool) or not 0 <= most <= MOST:
        raise InputError(f"`show_records` must be a number of records from 0 to {MOST}, found {most!r}.")
    if most and x is not None and is_image(_shape(x[slice(0, 1)])):
        check_pictures()


def shown(
    document: Document,
    records: pd.DataFrame,
    x: Rows,
    *,
    most: int,
    columns: Sequence[str] = (),
    tokens: Tokens | None = None,
) -> Shown:
    """The training records with the highest scores of the attack that the verdict speaks of, at most so many.

    Args:
        records: those of the report.
        x: their content in the same order; no more of it is read than is shown, and one row beside.
        columns: names of the features, where ``x`` does not say them.
        tokens: of the text in a row: its tokens, each with how much likelier the model finds it than another does.
    """
    check_shown(most)
    best = verdicts.strongest(document)
    if best is None:
        return Shown("", "nothing", "No attack ran to its end, so no record is known to be more exposed than others.")
    score = f"score: {best['attack']}"
    members = records.reset_index(drop=True)[records["member"].to_numpy(bool)]
    first = members.sort_values([score, "membership_probability"], ascending=False, kind="stable")[:most]
    form = _form(x[slice(0, 1)], len(first), columns)
    if tokens is not None and form.kind != "nothing":
        form = _shaded(tokens, len(first))
    if form.kind == "nothing":
        return Shown(best["attack"], form.kind, form.says)
    each = (form.read(row if tokens else x[np.array([row])]) for row in first.index)  # a record may be large
    content = pictures(each, size=BYTES) if form.kind == "pictures" else list(each)
    classes = first["class"].astype(str) if "class" in first else [None] * len(first)
    keys = ("id", "class", "membership_probability", "content")
    of = zip(first["id"].astype(str), classes, first["membership_probability"].astype(float), content, strict=True)
    found = tuple(dict(zip(keys, one, strict=True)) for one in of)
    tied = int((members[score] == first[score].iloc[-1]).sum() - (first[score] == first[score].iloc[-1]).sum())
    return Shown(best["attack"], form.kind, form.says, form.columns, found, tied)


@dataclass(frozen=True)
class _Form:
    """How records of one shape are shown: see `Shown`; ``read`` gives the content of a batch of one."""

    kind: str
    says: str
    columns: tuple[tuple[str, bool], ...] = ()
    read: Callable[[Any], Any] = list


def _form(one: Batch, count: int, columns: Sequence[str]) -> _Form:
    shape = _shape(one)
    if is_image(shape):
        return _Form("pictures", PICTURES, read=lambda batch: batch[0])
    if 0 in shape:
        return _Form("nothing", "These records came without features, so that there is nothing of them to show.")
    if len(shape) > 1:
        size = " × ".join(map(str, shape))
        return _Form(
            "nothing", f"Records of shape {size} are neither images nor rows of a table: they cannot be shown."
        )
    if isinstance(one, pd.DataFrame) and shape == (1,) and not _is_number(one.iloc[:, 0]):
        most = min(CHARACTERS, BYTES // (WIDEST * count))
        says = f"A longer text is cut after {most:,} characters."
        return _Form("texts", says, read=lambda batch: _cut(lines(str(batch.iloc[0, 0])), most))
    if isinstance(one, pd.DataFrame):
        return _table([(str(name), _is_number(column)) for name, column in one.items()], count)
    width = shape[0] if shape else 1
    if len(columns) == width:
        return _table([(name, True) for name in columns], count)
    numbered = "Features without names are numbered; the first is 0."
    return _table([(str(place), True) for place in range(width)], count, numbered)


def _shaded(tokens: Tokens, count: int) -> _Form:
    most = min(CHARACTERS, BYTES // (20 * WIDEST * count))  # each token may stand in a tag of its own

    def read(row: int) -> list[tuple[str, int]]:
        found, length = [], 0
        for piece, ahead in tokens(row):
            if length + len(piece) > most:
                found.append((" …", 0))
                break
            found.append((lines(piece), int(np.searchsorted(SHADES, ahead, side="right"))))
            length += len(piece)
        return found

    says = f"A longer text is cut after {most:,} characters."
    return _Form("tokens", says, read=read)


def _table(named: Sequence[tuple[str, bool]], count: int, says: str = "") -> _Form:
    kept = tuple((visible(name), number) for name, number in named[:COLUMNS])
    most = min(OF_A_CELL, BYTES // (WIDEST * count * len(kept)))
    if len(kept) < len(named):
        says = f"The table holds the first {COLUMNS} of {len(named):,} features. {says}".strip()
    return _Form("table", says, kept, lambda batch: [_cut(_said(one), most) for one in _values(batch)])


def _values(batch: Batch) -> list[Any]:
    if isinstance(batch, pd.DataFrame):
        return [column.iloc[0] for _, column in batch.iloc[:, :COLUMNS].items()]
    return batch.flatten()[:COLUMNS].tolist()


def _said(value: Any) -> str:
    """A value in one line: a number with as many digits as tell, and a whole one with all."""
    if isinstance(value, float | np.floating):
        number = float(value)
        return f"{number:.0f}" if number.is_integer() and abs(number) < 1e15 else f"{number:.6g}"
    return visible(str(value))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} … ({len(text) - most:,} more characters)"


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _shape(batch: Batch) -> tuple[int, ...]:
    return tuple(batch.shape[1:])
