"""The controller's answers for the impact assessment, from a run file or from a file of their own."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.report.blanks import check_answers


def answers_from(given: str | Mapping[str, Any], base: Path) -> dict[str, str]:
    """The answers in a table, or in the TOML file that is named; its path is relative to ``base``.

    Raises:
        InputError: the file cannot be read, or an answer is to no blank or no text.
    """
    if not isinstance(given, str):
        return check_answers(given)
    file = base / Path(given).expanduser()
    try:
        return check_answers(tomllib.loads(file.read_text(encoding="utf-8-sig")))
    except OSError as problem:
        raise InputError(f"The answers for the impact assessment cannot be read from `{file}`: {problem}.") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise InputError(
            f"The answers for the impact assessment must be TOML, `{file}` is not: {problem}. Write each as "
            'purposes = "..." on a line of its own.'
        ) from problem
