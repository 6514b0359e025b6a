"""The report as JSON holds it; page, summary and table are made of this and of nothing else."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ml_privacy_meter.by_user import ByUser
from ml_privacy_meter.findings import (
    Added,
    ByRound,
    Calibration,
    Carried,
    Check,
    Claim,
    Finding,
    GradientNorms,
    Group,
    Risk,
    fpr_of,
)
from ml_privacy_meter.games import Curve, Game, Tried
from ml_privacy_meter.report.curves import histogram, roc
from ml_privacy_meter.types import Scores

SCHEMA = "ml-privacy-meter/report"
VERSION = 1
EXPOSED = 20
MOST_DIGITS = 300  # of a whole number: one with more may be no float
FROM_REFERENCES = ("memorization", "memorization_se", "vulnerability")  # columns that records may have
ASIDE = ("times", "paths")

Document = dict[str, Any]


def document(
    findings: Sequence[Finding],
    checks: Sequence[Check],
    records: pd.DataFrame,
    about: Mapping[str, Any],
    calibration: Calibration | None = None,
    added: Sequence[Added] = (),
    gradient_norms: GradientNorms | None = None,
    guarantee: Claim | None = None,
    by_round: ByRound | None = None,
    by_user: ByUser | None = None,
    games: Sequence[Game] = (),
) -> Document:
    """What `schema.json` describes. Two runs of one audit differ in ``times`` and ``paths`` alone."""
    plain = _plain(about)
    strongest = plain.get("strongest") or {}
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "about": {key: value for key, value in plain.items() if key not in ASIDE},
        "checks": [_check(check) for check in checks],
        "findings": [_finding(finding, strongest) for finding in findings],
        "exposed": _exposed(records),
        "calibration": None if calibration is None else _plain(asdict(calibration)),
        "added": [_added(one) for one in added],
        "gradient_norms": None if gradient_norms is None else _plain(asdict(gradient_norms)),
        "guarantee": None if guarantee is None else _plain(asdict(guarantee)),
        "by_round": None if by_round is None else _by_round(by_round),
        "by_user": None if by_user is None else _by_user(by_user),
        "games": [game_document(game) for game in games],
        **{key: plain.get(key) or {} for key in ASIDE},
    }


def dump(content: Document) -> str:
    """The document as text, the same for the same content, with one line for each list of numbers."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    # A string of JSON holds no line break, so this finds lists of numbers and nothing that a user wrote.
    lists = re.compile(r"\[\n[-+.\deE,\s]+\]")
    return lists.sub(lambda found: "[" + " ".join(found[0][1:-1].split()) + "]", text) + "\n"


def parsed(text: bytes, **how: Any) -> Any:
    """What the JSON holds; a `ValueError` where one of its numbers is not finite, or too large to reckon with.

    Args:
        how: further settings of `json.loads`.
    """
    return json.loads(text, parse_constant=_finite, parse_float=_finite, parse_int=_small, **how)


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"{text:.18} is no number that a report holds")
    return float(text)


def _small(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"{text:.18}… is no number that a report holds")
    return int(text)


def _finding(finding: Finding, strongest: Mapping[str, str]) -> Document:
    said = {
        "attack": finding.attack,
        "says": finding.says,
        "sees": finding.sees,
        "failed": finding.failed,
        "risks": [_risk(risk, chosen=strongest.get(risk.name) == finding.attack) for risk in finding.risks],
        "groups": [_group(group) for group in finding.groups],
        "carried": [_carried(one) for one in finding.carried],
    }
    return said | _pictures(finding.scores, [rate for risk in finding.risks if (rate := fpr_of(risk.name)) is not None])


def _pictures(scores: Scores | None, fprs: Sequence[float]) -> Document:
    if scores is None:
        return {"roc": None, "histogram": None}
    fpr, tpr = roc(scores, at=fprs)
    edges, members, others, linear = histogram(scores)
    return {
        "roc": {"fpr": fpr.tolist(), "tpr": tpr.tolist()},
        "histogram": {
            "edges": edges.tolist(),
            "members": members.tolist(),
            "non_members": others.tolist(),
            "linear_within": linear,
        },
    }


def _group(group: Group) -> Document:
    return {
        "column": group.column,
        "value": group.value,
        "members": int(group.members),
        "non_members": int(group.non_members),
        "risks": [_risk(risk) for risk in group.risks],
    }


def _carried(carried: Carried) -> Document:
    return {"fpr": float(carried.fpr), "tpr": _risk(carried.tpr), "reached": _risk(carried.reached)}


def _added(one: Added) -> Document:
    said: Document = {"figure": one.difference.name, "outputs": one.outputs, "weights": one.weights, "how": one.how}
    said |= {"reached": [float(value) for value in one.reached]}
    keys = ("value", "low", "high", "surely", "trials")
    return said | {key: _plain(getattr(one.difference, key)) for key in keys} | {"at_most": float(one.at_most)}


def _by_round(found: ByRound) -> Document:
    moments = [
        {"number": int(one.number), "loss": _risk(one.loss)}
        | {"update": None if one.update is None else _risk(one.update)}
        | {"member": _plain(one.member), "non_member": _plain(one.non_member)}
        for one in found.moments
    ]
    return {key: getattr(found, key) for key in ("unit", "viewer", "quality", "seen", "updates")} | {"moments": moments}


def _by_user(found: ByUser) -> Document:
    """Every figure as it stands elsewhere; all else as it is."""
    return {
        **{key: getattr(found, key) for key in ("column", "held_out", "inside", "outside", "left_out", "note")},
        "findings": [
            {"attack": one.attack, "says": one.says, "failed": one.failed}
            | {
                "rows": [
                    vars(row) | {"risks": list(map(_risk, row.risks)), "same": _risk(row.same)} for row in one.rows
                ]
            }
            | {"shares": [vars(part) | {"auc": _risk(part.auc)} for part in one.shares]}
            for one in found.findings
        ],
        "blind": [{"known": known, "auc": _risk(risk)} for known, risk in found.blind],
        "exposed_by": dict(zip(("attack", "known"), found.exposed_by, strict=True)),
        "exposed": [_plain(asdict(one)) for one in found.exposed],
    }


def game_document(game: Game) -> Document:
    """One game beside membership, as ``games`` of the report holds it."""
    return {
        **{key: getattr(game, key) for key in ("name", "secret", "question", "knows", "without", "verdict", "shows")},
        "baselines": [_tried(one) for one in game.baselines],
        "tried": [_tried(one) for one in game.tried],
        "curves": [_curve(curve) for curve in game.curves],
        "checks": [_check(check) for check in game.checks],
        "notes": list(game.notes),
        "how": _plain(game.how),
    }


def _tried(one: Tried) -> Document:
    return {
        **{key: getattr(one, key) for key in ("attack", "says", "sees", "failed", "note", "shows")},
        "risks": [_risk(risk) for risk in one.risks],
        "excess": None if one.excess is None else _risk(one.excess),
        "groups": [_group(group) for group in one.groups],
    }


def _curve(curve: Curve) -> Document:
    return {key: getattr(curve, key) for key in ("title", "across", "figure", "log")} | {
        "lines": [
            {"name": line.name, "points": [{"at": _plain(at), "risk": _risk(risk)} for at, risk in line.points]}
            for line in curve.lines
        ]
    }


def _risk(risk: Risk, *, chosen: bool = False) -> Document:
    return {
        "name": risk.name,
        "value": _plain(risk.value),
        "low": _plain(risk.low),
        "high": _plain(risk.high),
        "baseline": _plain(risk.baseline),
        "trials": int(risk.trials),
        "ceiling": _plain(risk.ceiling),
        "surely": _plain(risk.surely),
        "note": risk.note,
        "chosen": chosen,
    }


def _check(check: Check) -> Document:
    return {
        "name": check.name,
        "passed": bool(check.passed),
        "voids": bool(check.voids),
        "says": check.says,
        "risk": None if check.risk is None else _risk(check.risk),
        "ids": [str(one) for one in check.ids],
    }


def _exposed(records: pd.DataFrame) -> list[Document]:
    """The members with the highest membership probability; ties go by the score, then by the order."""
    members = records[records["member"].astype(bool) & records["membership_probability"].notna()]
    first = members.sort_values(["membership_probability", "score"], ascending=False, kind="stable")[:EXPOSED]
    classes = first["class"].astype(str) if "class" in first else [None] * len(first)
    more = {name: first[name] if name in first else [None] * len(first) for name in FROM_REFERENCES}
    return [
        {
            "id": str(name),
            "class": kind,
            "membership_probability": float(probability),
            "attack": str(attack),
            **{key: _plain(value) for key, value in zip(more, values, strict=True)},
        }
        for name, kind, probability, attack, *values in zip(
            first["id"], classes, first["membership_probability"], first["attack"], *more.values(), strict=True
        )
    ]


def _plain(value: Any) -> Any:
    """``value`` in what JSON has: a number that is not finite becomes null."""
    match value:
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case np.generic():
            return _plain(value.item())
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case Path():
            return str(value)
    raise TypeError(f"What a report says of itself must fit into JSON, found {type(value).__name__}: {value!r:.80}")
