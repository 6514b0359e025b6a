"""How much of a data set was a model trained on? For somebody who holds the data set, and not the truth."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ml_privacy_meter.case import prepare
from ml_privacy_meter.membership import Attack, Usage, View, bavaria
from ml_privacy_meter.membership import dataset_usage as of_view
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.training import References


def dataset_usage(
    model: Any,
    suspected: Any,
    others: Any,
    *,
    references: References,
    attack: Attack = bavaria,
    confidence: float = 0.95,
    seed: int = 0,
    device: str = "auto",
    store: str | Path | None = None,
) -> Usage:
    """The share of the suspected records that ``model`` was trained on, with its interval. See `membership.Usage`.

    Args:
        model, device, store: as for `audit`.
        suspected: the data set of which some share was used; as `audit` takes records.
        others: records of the same source; the reference models are trained on halves of both together.
        references: `train_references(train, suspected, others)`.
        attack: whose scores are thresholded.

    Raises:
        InputError: as for `audit`, or there are too few reference models.
    """
    case = prepare(model, suspected, others, references=references, seed=seed)
    rows = case.member.nonzero()[:, 0]
    records = replace(case.everyone, id=np.arange(len(case.everyone)), groups={}).take(rows.numpy())
    inside = None if case.beside.inside is None else case.beside.inside[rows]
    beside = case.beside
    view = View(case.target, records, Reader(Store(store), device=device), beside.models, inside)
    view = replace(view, population=beside.public, population_inside=beside.public_inside)
    return of_view(view, attack=attack, confidence=confidence, seed=seed)
