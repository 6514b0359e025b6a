"""The section [attacks] of a run file: which attacks are played, and with which settings."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ml_privacy_meter import membership, signals
from ml_privacy_meter._checks import InputError, one_of
from ml_privacy_meter.cli.kinds import check_kind
from ml_privacy_meter.types import OutputSignal, Signal


def attacks_from(section: Mapping[str, Any]) -> list[membership.Attack]:
    """The attacks that are named, each with its settings, or with each of a list of settings."""
    found: list[membership.Attack] = []
    for name, given in section.items():
        attack = _attack(name)
        where = f"[attacks] {name}"
        for settings in given if isinstance(given, list) else [given]:
            check_kind(settings, Mapping[str, Any], where)
            chosen = keywords(attack, settings, where)
            for key, value in chosen.items():
                kind = inspect.signature(attack).parameters[key].annotation
                check_kind(value, str if kind is Signal else kind, f"`{key}` in {where}")
                if kind is Signal:
                    chosen[key] = getattr(signals, one_of(value, signal_names(), "signal"))
            found.append(partial(attack, **chosen) if chosen else attack)
    return found


def attack_names() -> list[str]:
    """The attacks that a run file or an option can name without their module."""
    return [name for name in membership.__all__ if "Sees: " in (getattr(membership, name).__doc__ or "")]


def _attack(name: str) -> Callable[..., Any]:
    """An attack of ours by its name, or anybody's by ``package.module:name``."""
    if ":" not in name:
        attack: Callable[..., Any] = getattr(membership, one_of(name, attack_names(), "attack"))
        return attack
    module, function = name.split(":", 1)
    try:
        attack = getattr(importlib.import_module(module), function)
    except Exception as problem:  # whatever a stranger's module raises
        raise InputError(
            f"An attack of your own is named as `package.module:function`; `{name}` cannot be imported: {problem!r}."
        ) from problem
    if not callable(attack):
        raise InputError(f"An attack is a function of a view, `{name}` is a {type(attack).__name__}.")
    return attack


def signal_names() -> list[str]:
    """The signals that need no settings."""
    named = {name: getattr(signals, name) for name in signals.__all__ if name.islower()}
    return [name for name, one in named.items() if isinstance(one, OutputSignal) or one in _WITHOUT_SETTINGS]


_WITHOUT_SETTINGS = (signals.inputs, signals.gradient_norm, signals.log_gradient_norm, signals.gradient_gap)


def keywords(function: Callable[..., Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """``given`` as keyword arguments of ``function``; an unknown key is an `InputError` that names the nearest."""
    allowed = [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    return {one_of(key, allowed, f"setting in {where}"): value for key, value in given.items()}
