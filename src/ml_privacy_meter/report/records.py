"""All records as the page's table holds them: column by column, the most exposed first."""

import base64
import json
import zlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ml_privacy_meter.report.document import Document

MOST = 50_000  # records in the page; records.parquet holds them all
BYTES = 3_000_000  # of the page, at most: ids that compress badly are long before they are many
DIGITS = 6
NUMBERS = {"memorization": "Memorization", "vulnerability": "Vulnerability"}
OWN = ("id", "member", "membership_probability", "attack", "score", "memorization_se", *NUMBERS)


@dataclass(frozen=True)
class Packed:
    """The table as the page carries it.

    Args:
        total: how many records the audit has.
        shown: how many of them are in ``data``.
        attacks: the attacks by which the membership probabilities go.
        data: JSON as zlib compresses it, in base64: ``rows``, and ``columns`` in the order of the table, each with
            its ``name`` in ``records.parquet``, its ``title``, its ``kind``, and as many ``values`` as there are rows.
            Text other than ids is given as places in ``words``.
    """

    total: int
    shown: int
    attacks: tuple[str, ...]
    data: str


def packed(records: pd.DataFrame, *, most: int = MOST) -> Packed | None:
    """The records by membership probability, at most so many; None where no attack gave one."""
    known = records["membership_probability"].notna()
    if not known.any():
        return None
    order = ["membership_probability", "score"]  # ties go as in the list of the most exposed
    ranked = records.sort_values(order, ascending=False, kind="stable", na_position="last")
    shown = min(most, len(ranked))
    while len(data := _compressed(ranked[:shown])) > BYTES:
        shown = shown * BYTES // len(data) * 9 // 10
    attacks = tuple(dict.fromkeys(map(str, records["attack"][known])))
    return Packed(len(records), shown, attacks, data)


def _compressed(records: pd.DataFrame) -> str:
    content = {"rows": len(records), "columns": _columns(records)}
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _columns(records: pd.DataFrame) -> list[Document]:
    """Who a record is and how exposed; the scores of each single attack stay in records.parquet."""
    groups = [name for name in records if name not in OWN and not str(name).startswith("score: ")]
    member = {"words": ["member", "non-member"], "csv": ["True", "False"]}
    sets = np.where(records["member"].astype(bool), 0, 1).tolist()
    columns = [
        _column("id", "Record", "id", values=[str(one) for one in records["id"]]),
        _numbers(records, "membership_probability", "Membership probability", "probability"),
        _column("member", "Set", "text", values=sets, **member),
        *(_words(records, name, "Class" if name == "class" else str(name)) for name in groups),
    ]
    if records["attack"].nunique() > 1:
        columns.append(_words(records, "attack", "Attack"))
    columns.append(_numbers(records, "score", "Score", "number"))
    for name, title in NUMBERS.items():
        if name in records and records[name].notna().any():
            columns.append(_numbers(records, name, title, "share"))
    if "memorization_se" in records:
        of = next((column for column in columns if column["name"] == "memorization"), {})
        of["error"] = _rounded(records["memorization_se"])
    return columns


def _column(name: Hashable, title: str, kind: str, *, values: Sequence[Any], **more: Any) -> Document:
    return {"name": str(name), "title": title, "kind": kind, "values": values, **more}


def _words(records: pd.DataFrame, name: Hashable, title: str) -> Document:
    codes, words = pd.factorize(np.array([str(one) for one in records[name]], dtype=object))
    return _column(name, title, "text", values=codes.tolist(), words=list(words))


def _numbers(records: pd.DataFrame, name: str, title: str, kind: str) -> Document:
    return _column(name, title, kind, values=_rounded(records[name]))


def _rounded(numbers: pd.Series) -> list[float | None]:
    """As many digits as nobody will miss; null for what is not finite."""
    return [float(f"{one:.{DIGITS}g}") if np.isfinite(one) else None for one in numbers.astype(float)]
