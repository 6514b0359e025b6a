"""The result as a table, one row a model."""

from typing import Any

import pandas as pd

from ml_privacy_meter.defending.words import leak
from ml_privacy_meter.report.document import Document


def rows_of(document: Document) -> pd.DataFrame:
    """One row a model: shares in [0, 1]; ``joint_`` ends are those of intervals that hold all together."""
    return pd.DataFrame([_row(row, document) for row in document["rows"]])


def _row(row: Document, document: Document) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": row["name"],
        "kind": row["kind"],
        "trains": bool(row["defense"] and row["defense"]["trains"]),
        "wraps": bool(row["defense"] and row["defense"]["wraps"]),
        **{name: row["defense"] and row["defense"][name] for name in ("epsilon", "delta")},
    }
    for side, name in (("non_members", "test_accuracy"), ("members", "train_accuracy")):
        made |= _ends(name, row["accuracy"][side])
    for line in document["about"]["lines"]:
        name = f"{line['sees']} {line['figure']}"
        found = leak(row, line)
        made |= _ends(name, found) | {f"{name} attack": found and found["attack"]}
        made |= {f"{name} less none": found and found["difference"] and found["difference"]["value"]}
    verdict = row["verdict"]
    return made | {
        "over_limit": row["over_limit"],
        "remain": row["remain"],
        "verdict": verdict["says"],
        "beaten_by": "; ".join(verdict["beaten_by"]),
        "no_gain": verdict["no_gain"],
        "void": row["void"],
        "report": row["report"],
    }


def _ends(name: str, found: Document | None) -> dict[str, Any]:
    keys = {"value": name} | {end: f"{name} {end}" for end in ("low", "high", "joint_low", "joint_high")}
    return {key: None if found is None else found[end] for end, key in keys.items()}
