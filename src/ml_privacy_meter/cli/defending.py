"""The sections [defend] and [defenses] of a run file: what is tried, and with which settings."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from ml_privacy_meter import defenses
from ml_privacy_meter._checks import InputError, one_of
from ml_privacy_meter.cli.kinds import check_kind, fits, settings_of
from ml_privacy_meter.cli.references import public_records
from ml_privacy_meter.defending import defend
from ml_privacy_meter.training import Defense

OUT = "defenses"
PUBLIC = "public"  # a keyword of defenses that learn from records which are no members


def allowed() -> dict[str, Any]:
    """What may be set in [defend], and of what kind each is."""
    return {name: kind for name, kind in settings_of(defend).items() if name in ("count", "limit")} | {"out": str}


def defenses_from(section: Mapping[str, Any], base: Path) -> list[Defense]:
    """The defenses that are named, with each combination of the settings that are listed."""
    found: list[Defense] = []
    for name, given in section.items():
        function = getattr(defenses, one_of(name, defenses.__all__, "defense"))
        where = f"[defenses] {name}"
        for table in given if isinstance(given, list) else [given]:
            check_kind(table, Mapping[str, Any], where)
            known = settings_of(function)
            choices = {
                key: _choices(value, known[one_of(key, known, f"setting in {where}")], key, where, base)
                for key, value in table.items()
            }
            found += [
                _made(function, dict(zip(choices, some, strict=True)), where) for some in product(*choices.values())
            ]
    return found


def _choices(value: Any, kind: Any, key: str, where: str, base: Path) -> Sequence[Any]:
    """The values that are tried one by one: those of a list, unless the setting is itself a list."""
    what = f"`{key}` in {where}"
    if key == PUBLIC:
        return [_public(value, what, base)]
    if not isinstance(value, list) or fits(value, kind):
        check_kind(value, kind, what)
        return [value]
    if not value:
        raise InputError(f"{what} must list a value or more, found none.")
    for one in value:
        check_kind(one, kind, what)
    return value


def _public(section: Any, what: str, base: Path) -> tuple[Any, Any]:
    """The records of a file, as a pair (x, y)."""
    check_kind(section, Mapping[str, Any], what)
    found = public_records(section, base, what)
    return found.x[slice(0, len(found))], found.y


def _made(function: Callable[..., Defense], settings: Mapping[str, Any], where: str) -> Defense:
    required = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    if missing := [name for name in required if name not in settings]:
        raise InputError(f"{where} must say `{missing[0]}`, as in {where.split()[-1]} = {{ {missing[0]} = ... }}.")
    return function(**settings)
