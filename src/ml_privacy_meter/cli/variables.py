"""Variables of the environment in a run file."""

import os
import re
from collections.abc import Mapping
from typing import Any

from ml_privacy_meter._checks import InputError


def expanded(value: Any) -> Any:
    """The settings, each ``${NAME}`` in their texts replaced from the environment."""
    if isinstance(value, Mapping):
        return {key: expanded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [expanded(part) for part in value]
    return re.sub(r"\$\{(\w+)\}", _variable, value) if isinstance(value, str) else value


def _variable(match: re.Match[str]) -> str:
    if match[1] not in os.environ:
        raise InputError(f"The run file uses the environment variable `{match[1]}`, which is not set. Set it.")
    return os.environ[match[1]]
