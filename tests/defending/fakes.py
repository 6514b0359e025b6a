"""Trials that never happened: of one set of records, as leaky and as accurate as is asked for."""

from pathlib import Path
from typing import Any

import numpy as np
from comparison.fakes import saved
from report.fakes import LEAKY

from ml_privacy_meter import Defense
from ml_privacy_meter.comparison.reading import read
from ml_privacy_meter.defending.document import document
from ml_privacy_meter.defending.entries import AGAIN, DEFENSE, MODEL, NAMES, NONE, Entry
from ml_privacy_meter.defending.trial import Trial
from ml_privacy_meter.report.document import Document

HALF = 200  # members, and non-members


def _wrap(opened: Any, x: Any, y: Any, seed: int) -> Any:
    return opened


def _recipe(given: Any) -> Any:
    return given


def trained(name: str, **settings: Any) -> Entry:
    return Entry(name, DEFENSE, Defense(name, settings, recipe=_recipe, says=f"{name} trains otherwise."))


def wrapped(name: str) -> Entry:
    return Entry(name, DEFENSE, Defense(name, wrap=_wrap, says=f"{name} answers otherwise."))


def trial(folder: Path, entry: Entry, *, leak: float, accuracy: float, **settings: Any) -> Trial:
    """Every trial gets the same noise, so that differences are paired."""
    attacks = (LEAKY,) if entry.wraps else (LEAKY, "gradients")
    more = {"weights": not entry.wraps, "references": 4, "attacks": attacks, "records": 2 * HALF} | settings
    place = saved(folder / entry.name, leak=leak, **more)
    right = {"members": np.ones(HALF, bool), "non_members": np.arange(HALF) < round(accuracy * HALF)}
    return Trial(entry, read(place), right, place, (8.0, 1e-3) if entry.name == "dp" else None)


def bare(folder: Path, *, leak: float = 1.5, accuracy: float = 0.8, **settings: Any) -> list[Trial]:
    """The models without a defense, which leak alike."""
    return [
        trial(folder, Entry(NAMES[kind], kind), leak=leak, accuracy=accuracy, **settings)
        for kind in (NONE, AGAIN, MODEL)
    ]


def told(trials: list[Trial], **settings: Any) -> Document:
    folders = [f"reports/{place}" for place, _ in enumerate(trials)]
    return document(trials, settings.pop("failed", {}), folders, **{"confidence": 0.95, "limit": 0.8} | settings)
