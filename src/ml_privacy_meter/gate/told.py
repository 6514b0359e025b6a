"""The gate as JSON, for programs."""

from typing import Any

from ml_privacy_meter.gate.judging import Gate, Judgement
from ml_privacy_meter.gate.terminal import verdict

SCHEMA = "ml-privacy-meter/gate"
VERSION = 1


def told(gate: Gate) -> dict[str, Any]:
    """All that the gate found, in what JSON has; shares in [0, 1]."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "status": gate.status,
        "exit_status": gate.exit_status,
        "verdict": verdict(gate),
        "judge": gate.by,
        "confidence": gate.confidence,
        "warnings": list(gate.warnings),
        "judgements": [_told(one) for one in gate.judgements],
    }


def _told(one: Judgement) -> dict[str, Any]:
    risk = one.risk or {}
    return {
        "limit": str(one.limit),
        "figure": one.limit.figure,
        "most": one.limit.most,
        "below": one.limit.below,
        "attack": one.attack,
        "group": one.group or None,
        **{key: risk.get(key) for key in ("value", "low", "high", "surely", "baseline", "trials")},
        "status": one.status,
        "why": one.why,
    }
