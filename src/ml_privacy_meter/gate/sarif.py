"""The gate as SARIF 2.1.0, which code scanning shows beside the change.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0 Plus Errata 01, 2023.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ml_privacy_meter.gate.files import NAME
from ml_privacy_meter.gate.judging import FAILED, PASSED, Gate, Judgement
from ml_privacy_meter.gate.terminal import measured, verdict

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(gate: Gate, *, file: Path, version: str) -> str:
    """SARIF with one result for each limit and attack that was not passed: a failure is an error, the rest warnings.

    A rule asks that the audit shows its limit to be kept. So what is not decidable breaks it, too.

    Args:
        file: what results point to: the run file, or the report.
        version: of this program.
    """
    limits = list(dict.fromkeys(str(one.limit) for one in gate.judgements))
    driver = {"name": NAME, "version": version, "rules": [_rule(each) for each in limits]}
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "exitCode": gate.exit_status, **_warned(gate.warnings)}],
        "columnKind": "utf16CodeUnits",
        "results": [_result(one, limits, file) for one in gate.judgements if one.status != PASSED],
        "properties": {
            "status": gate.status,
            "verdict": verdict(gate),
            "judged by": gate.by,
            "confidence": gate.confidence,
        },
    }
    content = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _rule(limit: str) -> dict[str, Any]:
    return {
        "id": limit,
        "shortDescription": {"text": _text(f"The privacy audit shows that {limit}")},
        "fullDescription": {"text": _text(f"For every attack of the privacy audit, {limit} must be shown to hold.")},
        "defaultConfiguration": {"level": "error"},
    }


def _result(one: Judgement, limits: list[str], file: Path) -> dict[str, Any]:
    limit = str(one.limit)
    said = f"{limit} {'is exceeded' if one.status == FAILED else 'is not decidable'} for the attack {one.attack}"
    return {
        "ruleId": limit,
        "ruleIndex": limits.index(limit),
        "level": "error" if one.status == FAILED else "warning",
        "message": {"text": _text(f"{said}: measured {measured(one)}; {one.why}.")},
        "locations": [{"physicalLocation": {"artifactLocation": _place(file), "region": {"startLine": 1}}}],
        "partialFingerprints": {"limitAndAttack/v1": f"{limit} {one.attack}"},
        "properties": {"status": one.status, "attack": one.attack},
    }


def _warned(warnings: Iterable[str]) -> dict[str, Any]:
    said = [{"level": "warning", "message": {"text": _text(warning)}} for warning in warnings]
    return {"toolExecutionNotifications": said} if said else {}


def _place(file: Path) -> dict[str, str]:
    """Relative to where the command was given, which in CI is the root of the source."""
    whole, here = file.resolve(), Path.cwd()
    if whole.is_relative_to(here):
        return {"uri": quote(whole.relative_to(here).as_posix()), "uriBaseId": "%SRCROOT%"}
    return {"uri": whole.as_uri()}


def _text(said: str) -> str:
    """``said`` so that no reader of SARIF takes a part of it for a placeholder or a link."""
    return said.replace("{", "{{").replace("}", "}}").replace("](", "] (")
