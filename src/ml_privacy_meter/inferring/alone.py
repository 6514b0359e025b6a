"""A report of games beside membership alone."""

from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from ml_privacy_meter import targets
from ml_privacy_meter._checks import in_range
from ml_privacy_meter.games import Game
from ml_privacy_meter.records import as_records
from ml_privacy_meter.report import Report


def report_games(
    model: Any, members: Any, non_members: Any, *games: Game, confidence: float = 0.95, seed: int = 0
) -> Report:
    """A report with a section for each of these games, which says that membership was not asked about.

    To set games beside an audit of membership: ``audit(...).with_games(*games)``.

    Args:
        model: that the games were played on, as `audit` takes it; None where there is none, as of synthetic records.
        confidence: of the games' intervals.
        seed: that they were played with.
    """
    in_range(0, 1, confidence=confidence)
    sides = [as_records(side, name=name) for side, name in ((members, "members"), (non_members, "non-members"))]
    ids = np.concatenate([side.id.astype(str) for side in sides])
    unknown = np.full(len(ids), np.nan)
    records = pd.DataFrame({"id": ids, "member": np.arange(len(ids)) < len(sides[0])})
    records = records.assign(membership_probability=unknown, attack="", score=unknown)
    counts = {"members": len(sides[0]), "non_members": len(sides[1])}
    said: dict[str, str] = {}
    if model is not None:
        opened = model if isinstance(model, targets.Opened) else targets.open_model(model)
        said["model"] = targets.fit(opened, *sides)[0].says
    about = {"version": version("ml-privacy-meter"), "seed": seed, "confidence": confidence, **counts, **said}
    return Report((), (), records, about, games=games)
