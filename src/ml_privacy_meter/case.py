"""A model and records that fit each other, and what can be said of the records without the model."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ml_privacy_meter import records as records_room
from ml_privacy_meter import signals, targets
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.risk import checks
from ml_privacy_meter.types import Records, Scores

BLIND_MOST = 5_000  # records of either set that the blind classifier sees
BLIND_NUMBERS = 2**25  # and numbers in all of them


@dataclass(frozen=True)
class Case:
    """A model and records that fit each other; the first ``members`` of everyone are the members."""

    target: targets.Target
    everyone: Records
    features: Records  # the records' own features, which are not what the model is asked where its outputs were saved
    member: Tensor
    pairs: list[tuple[str, str]]


def prepare(model: Any, members: Any, non_members: Any) -> Case:
    """The model set beside the records, each looked through once. Errors as for `audit`."""
    sides = [
        records_room.scan(records_room.as_records(side, name=name), name=name)
        for side, name in ((members, "members"), (non_members, "non-members"))
    ]
    double = records_room.duplicates(sides[1], sides[0]).pairs
    pairs = [(str(sides[0].records.id[b]), str(sides[1].records.id[a])) for a, b in double]
    inside, outside = (side.records for side in sides)
    features = records_room.join(inside, outside)
    opened = model if isinstance(model, targets.Opened) else targets.open_model(model)
    if opened.inner is targets.as_saved:
        opened, inside, outside = answered(opened, inside, outside)
    target, inside, outside = targets.fit(opened, inside, outside)
    everyone = records_room.join(inside, outside)
    member = torch.arange(len(everyone)) < len(inside)
    return Case(target, everyone, replace(features, y=everyone.y), member, pairs)


def answered(opened: targets.Opened, *sides: Records) -> tuple[targets.Opened, Records, Records]:
    """The stand-in for a model whose outputs were saved, and records that are these outputs, for it to answer with."""
    asked = []
    for side, name in zip(sides, ("members", "non-members"), strict=True):
        if side.outputs is None:
            raise InputError(
                f"There is no model, and the {name} hold no saved outputs. Name a model, or give them a column"
                " `probabilities` or `logits`."
            )
        asked.append(records_room.scan(replace(side, x=side.outputs, outputs=None), name=name).records)
    gives = {side.gives for side in sides}
    if len(gives) > 1:
        raise InputError(f"Both sets must hold the same kind of saved outputs, found {' and '.join(sorted(gives))}.")
    kind = gives.pop() if opened.gives == "auto" else opened.gives
    return replace(opened, gives=kind), asked[0], asked[1]


def blind(case: Case, seed: int) -> Scores | None:
    """The blind classifier's scores of a sample of the records, or None where they have no features."""
    rng = np.random.default_rng(seed)
    one = case.features.x[slice(0, 1)]
    width = int(np.prod(one.shape[1:]))
    if width == 0:
        return None
    most = max(100, min(BLIND_MOST, BLIND_NUMBERS // (2 * width)))
    sides = [np.flatnonzero(side.numpy()) for side in (case.member, ~case.member)]
    rows = np.sort(np.concatenate([rng.permutation(side)[:most] for side in sides]))
    labels = case.features.labels
    parts = [
        signals.inputs(case.target, case.features.x[part], labels[part], width=width).float()
        for part in np.array_split(rows, max(1, len(rows) * width // 2**22))
    ]
    return checks.blind(torch.cat(parts), case.member[rows], seed=seed)
