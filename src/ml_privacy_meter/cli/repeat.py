"""What repeats an audit: the settings as a run file without secrets, and hashes of the files that were read."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tomli_w

from ml_privacy_meter.report import Report
from ml_privacy_meter.targets.service import HIDDEN, readable

RECORDS = ("$record", "$records")  # what stands in a request for the records themselves
SECRET = re.compile(r"key|token|secret|pass|pwd|credential|auth|bearer|jwt|cookie|session|signature", re.IGNORECASE)
HARMLESS = re.compile(  # what sounds like one and is none
    r"(?<![a-z])(max|min|num|n|skip|stop)[_-]?((new|input|output|prompt|completion|special)[_-]?)?tokens"
    r"|tokeni[sz]er|^keys$|keywords?|author(?!i[sz])",
    re.IGNORECASE,
)
SCHEME = re.compile(r"(bearer|basic|token|apikey) ", re.IGNORECASE)
FROM_ENVIRONMENT = re.compile(rf"({SCHEME.pattern})?\$\{{\w+\}}", re.IGNORECASE)  # says where a secret is, and no more
ADDRESS = re.compile(r"\w[\w+.-]*://\S+")


def with_run_file(report: Report, settings: Mapping[str, Any], base: Path) -> Report:
    """The report, which now holds the run file that repeats it (under ``paths``) and hashes of files (under ``about``).

    Args:
        settings: as they were written, with variables ``${NAME}`` in their places.
    """
    paths = {**report.about.get("paths", {}), "run_file": run_file(settings)}
    hashes = {name: hashed for name, path in _files(settings) if (hashed := _hash(path, base))}
    return replace(report, about={**report.about, "sha256": hashes, "paths": paths})


def run_file(settings: Mapping[str, Any]) -> str:
    """The settings as a run file. Secrets are left out: headers, credentials in addresses, what is named or looks so.

    None but its owner knows every secret: one in plain words under a harmless name stays.
    """
    kept = {name: value for name, value in settings.items() if value not in ({}, None)}
    return tomli_w.dumps(_shown(kept))


def _shown(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        secret = name == "headers" or _is_secret(name)  # every header may be one, whatever it is called
        return {key: _shown(part, "secret" if secret else str(key)) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(part, name) for part in value]
    if name == "request" and isinstance(value, str):
        return _request(value)
    text = value if isinstance(value, str) else ""
    if (_is_secret(name) or SCHEME.match(text)) and text not in RECORDS:
        return value if FROM_ENVIRONMENT.fullmatch(text) else HIDDEN
    if text:
        return ADDRESS.sub(lambda found: _address(found[0]), text)
    return value if isinstance(value, str | bool | int | float) else str(value)


def _is_secret(name: str) -> bool:
    return SECRET.search(HARMLESS.sub("", name)) is not None


def _request(text: str) -> str:
    """What is posted: JSON, or the sign for the records; where it is neither, nothing of it."""
    if text in RECORDS:
        return text
    try:
        return json.dumps(_shown(json.loads(text)), ensure_ascii=False)
    except ValueError:
        return HIDDEN


def _address(text: str) -> str:
    """An address less the user, the password, the query, and parts of its path that no person would have made up."""
    address = urlsplit(text)
    host = address.netloc.rpartition("@")[2]
    user = f"{HIDDEN}@" if "@" in address.netloc else ""
    query = f"?{HIDDEN}" if address.query else ""
    return f"{address.scheme}://{user}{host}{readable(address.path)}{query}"


def _files(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    named = [(name, settings.get(name, {}).get("path")) for name in ("model", "members", "non_members")]
    model = settings.get("model", {})
    earlier = ((f"snapshot {number}", path) for number, path in enumerate(model.get("snapshots", ())))
    return [*named, ("weights", model.get("weights")), *earlier]


def _hash(path: Any, base: Path) -> str | None:
    file = None if path is None or "://" in str(path) else base / Path(path).expanduser()
    if file is None or not file.is_file():
        return None
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
