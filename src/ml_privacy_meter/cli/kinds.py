"""Whether a value of a run file is of the kind that a setting's annotation asks for."""

import inspect
import types
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from ml_privacy_meter._checks import InputError

_PLAIN: dict[Any, tuple[type | tuple[type, ...], str]] = {
    str: (str, "text"),
    Path: (str, "text"),
    bool: (bool, "true or false"),
    int: (int, "a whole number"),
    float: ((int, float), "a number"),
}


OURS = ("answers", "name")  # keywords that are filled by the command line, and are no settings


def settings_of(function: Callable[..., Any]) -> dict[str, Any]:
    """What may be set of it, and the annotation of each."""
    known = inspect.signature(function).parameters.values()
    return {p.name: p.annotation for p in known if p.kind is p.KEYWORD_ONLY and p.name not in OURS}


def check_kind(value: Any, annotation: Any, what: str) -> None:
    """Raises `InputError` unless ``value`` fits; an annotation that says nothing to a TOML file fits everything."""
    if not fits(value, annotation):
        words = " or ".join(dict.fromkeys(filter(None, _words(annotation))))
        raise InputError(f"{what} must be {words}, found {value!r:.80}.")


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value is of the kind that an annotation asks for."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inside)
    if origin is Sequence:
        return isinstance(value, list | tuple) and all(fits(one, inside[0]) for one in value)
    if origin in (Mapping, MutableMapping):
        return isinstance(value, Mapping) and all(fits(one, inside[1]) for one in value.values())
    if origin is Callable or annotation is types.NoneType:
        return False
    if annotation in _PLAIN:
        return isinstance(value, _PLAIN[annotation][0]) and isinstance(value, bool) == (annotation is bool)
    return True


def _words(annotation: Any) -> list[str]:
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return [word for one in inside for word in _words(one)]
    if origin is Sequence:
        each = {"text": " of texts", "a number": " of numbers", "a whole number": " of whole numbers"}
        return [f"a list{each.get(word, '')}" for word in _words(inside[0])]
    if origin in (Mapping, MutableMapping):
        return ["a table"]
    return [_PLAIN[annotation][1] if annotation in _PLAIN else ""]
