"""What of a model an attack reads: its outputs, or its weights."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from ml_privacy_meter.membership.marks import PARAMETERS
from ml_privacy_meter.types import marked

_PARTS = {"all": "all layers", "last": "the last layer"}


def access(attack: Any) -> str:
    """ "parameters" where the attack, or a signal or an attack among its settings, reads weights; else "outputs"."""
    return PARAMETERS if any(_marked(part) for part in _parts(attack)) else "outputs"


def watches_of(attack: Any) -> str:
    """ "snapshots" or "updates" where the attack, or one among its settings, was there in training; else empty."""
    for part in _parts(attack):
        given = part.keywords if isinstance(part, partial) else {}
        if said := marked(part, "watches") or ("snapshots" if given.get("snapshots") else ""):
            return str(said)
    return ""


def weights_read(attack: Any) -> str:
    """What the signals among an attack's settings read of the weights, in words; empty where they read none."""
    said = dict.fromkeys(_said(part) for part in _parts(attack) if _marked(part) and part is not attack)
    return " and ".join(said)


def _parts(thing: Any) -> Iterator[Any]:
    """The attack, and all functions among its settings and among theirs."""
    yield thing
    for value in thing.keywords.values() if isinstance(thing, partial) else ():
        for one in value if isinstance(value, tuple | list) else (value,):
            if callable(one):
                yield from _parts(one)


def _marked(thing: Any) -> bool:
    inside, given = marked(thing, "inside", ()), thing.keywords if isinstance(thing, partial) else {}
    emptied = inside and all(name in given and len(given[name]) == 0 for name in inside)
    return marked(thing, "access") == PARAMETERS and not emptied


def _said(signal: Any) -> str:
    settings = signal.keywords if isinstance(signal, partial) else {}
    name = str(getattr(signal.func if isinstance(signal, partial) else signal, "__name__", "another signal"))
    of = settings.get("of", "all" if "gradient" in name else "")
    kind = "the gradients" if "gradient" in name else "the outputs" if "activation" in name else f"`{name}`"
    where = _PARTS.get(of) if isinstance(of, str) else None
    return f"{kind} of {where or 'chosen layers'}"
