"""Saved reports, opened as what they are: files that somebody else may have written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.report.document import FROM_REFERENCES, SCHEMA, VERSION, Document, parsed
from ml_privacy_meter.types import Scores

SCORE = "score: "
AGAIN = "Make it anew with `privacy-meter audit`."


@dataclass(frozen=True)
class Audit:
    """A saved report: what its ``report.json`` holds, and columns of its ``records.parquet``.

    Args:
        id: of the records, as text.
        kind: their classes, as text; None where they have none.
        known: other columns by name, NaN where a value is missing: ``membership_probability`` always.
        attack: by which attack each probability came.
        scores: of each attack that ran.
    """

    folder: Path
    document: Document
    id: np.ndarray
    member: np.ndarray
    kind: np.ndarray | None
    attack: np.ndarray
    known: Mapping[str, np.ndarray]
    scores: Mapping[str, Scores]

    def finding(self, attack: str) -> Document | None:
        """What the report says of an attack."""
        return next((found for found in self.document["findings"] if found["attack"] == attack), None)


def read(folder: str | Path) -> Audit:
    """The report in a folder.

    Raises:
        InputError: the folder holds no report, one of another version, or one that is broken.
    """
    place = Path(folder)
    if not place.is_dir():
        raise InputError(
            f"What is compared are folders that `privacy-meter audit` wrote; `{place}` "
            f"{'is a file' if place.exists() else 'does not exist'}. Name a report's folder."
        )
    document = _document(place)
    try:
        return _with_records(place, document)
    except InputError:
        raise
    except (pa.ArrowException, OSError, KeyError, ValueError) as problem:
        what = " ".join(str(problem).split())
        raise InputError(
            f"`{place / 'records.parquet'}` does not hold a report's records: {what:.200}. {AGAIN}"
        ) from problem


def _document(place: Path) -> Document:
    path = place / "report.json"
    if not path.is_file():
        raise InputError(f"`{place}` holds no report.json, so it is no report. Name a folder that an audit wrote.")
    try:
        found = parsed(path.read_bytes())
        json.dumps(found, ensure_ascii=False).encode()  # halves of characters cannot be written again
    except (OSError, ValueError, RecursionError) as problem:
        raise InputError(f"`{path}` cannot be read: {problem}. {AGAIN}") from problem
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise InputError(f"`{path}` is no report of this program. Name a folder that an audit wrote.")
    if found.get("version") != VERSION:
        version = f"{found.get('version')!r:.20}"
        raise InputError(f"`{path}` is a report of version {version}, this program reads version {VERSION}. {AGAIN}")
    wrong = next(_schema().iter_errors(found), None)
    if wrong is not None:
        raise InputError(f"`{path}` is not as reports are, at {wrong.json_path:.80}: {wrong.message:.200}. {AGAIN}")
    return found


@cache
def _schema() -> Any:
    text = files("ml_privacy_meter.report").joinpath("schema.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def _with_records(place: Path, document: Document) -> Audit:
    file = pq.ParquetFile(place / "records.parquet")
    about = document["about"]
    if file.metadata.num_rows != about["members"] + about["non_members"]:
        raise InputError(
            f"`{place}` holds {file.metadata.num_rows:,} records, and its report.json speaks of "
            f"{about['members'] + about['non_members']:,}: they are of two audits. {AGAIN}"
        )
    held = file.schema_arrow.names
    ran = [found["attack"] for found in document["findings"] if not found["failed"]]
    optional = [name for name in ("class", *FROM_REFERENCES) if name in held]
    names = ["id", "member", "membership_probability", "attack", *optional, *(SCORE + attack for attack in ran)]
    columns = {name: file.read([name]).column(name) for name in dict.fromkeys(names)}
    member = np.asarray(columns["member"].cast(pa.bool_()).to_numpy(), dtype=bool)
    if int(member.sum()) != about["members"]:
        raise InputError(
            f"`{place}`: records.parquet and report.json count other members: they are of two audits. {AGAIN}"
        )
    numbers = {name: _numbers(columns[name]) for name in names if name in ("membership_probability", *FROM_REFERENCES)}
    probability = numbers["membership_probability"]
    if bool(((probability < 0) | (probability > 1)).any()):
        raise InputError(f"`{place}`: a membership probability in records.parquet lies outside of [0, 1]. {AGAIN}")
    truth = torch.from_numpy(member)
    return Audit(
        folder=place,
        document=document,
        id=_texts(columns["id"]),
        member=member,
        kind=_texts(columns["class"]) if "class" in columns else None,
        attack=_texts(columns["attack"]),
        known=numbers,
        scores={attack: Scores(torch.from_numpy(_numbers(columns[SCORE + attack])), truth) for attack in ran},
    )


def _numbers(column: Any) -> np.ndarray:
    return np.array(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _texts(column: Any) -> np.ndarray:
    return np.array([str(one) for one in column.cast(pa.string()).to_pylist()], dtype=object)
