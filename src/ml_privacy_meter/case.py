"""A model and records that fit each other, and what can be said of the records without the model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from ml_privacy_meter import records as records_room
from ml_privacy_meter import signals, targets
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.beside import Beside, Later, earlier, set_beside
from ml_privacy_meter.risk import checks, texts
from ml_privacy_meter.signals.store import content_key
from ml_privacy_meter.signals.tokens import are_texts
from ml_privacy_meter.traces import Trace
from ml_privacy_meter.training import References
from ml_privacy_meter.types import Batch, Index, Records, Rows, Scores
from ml_privacy_meter.watched import CLIENT, Watched, dealt, watched

BLIND_MOST = 5_000  # records of either set that the blind classifier sees
BLIND_WIDTH = 4_096  # and numbers in each: of larger ones, every so manieth
LARGE = 1e30  # what trees make of numbers beyond does not change


@dataclass(frozen=True)
class Case:
    """A model and records that fit each other, members and non-members mixed at random.

    Args:
        everyone: what the model is asked about.
        features: the same records' own features: something else where the model's outputs were saved.
        member: who is a member.
        pairs: ids of members and of the non-members that equal them.
        public: ids of members or non-members, and of the public records that equal them.
        beside: the reference models.
        watched: what was seen of the target's training.
        asked: of which client's training set each record is asked; None: of all together.
        dealt: how non-members came by theirs, in words.
        base: the model that the target was tuned from.
        users, user: the column that says whose a record is, and of each record, whose it is; None: not known.
    """

    target: targets.Target
    everyone: Records
    features: Records
    member: Bool[Tensor, " records"]
    pairs: list[tuple[str, str]]
    public: list[tuple[str, str]]
    beside: Beside
    watched: Watched
    asked: np.ndarray | None = None
    dealt: str = ""
    base: Later | None = None
    users: str = ""
    user: np.ndarray | None = None

    def few(self) -> tuple[Batch, Tensor]:
        """Two records to try a model by."""
        return self.everyone.x[slice(0, 2)], self.everyone.labels[:2]


class Mixed:
    """Rows in another order, which cannot be read off it: a view must not say which set a record came from."""

    def __init__(self, of: Rows, order: np.ndarray) -> None:
        self._read: Callable[[Index], Batch] = lambda index: of[order[index]]
        self._size = len(order)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: Index) -> Batch:
        return self._read(index)


def mixed(records: Records, order: np.ndarray) -> Records:
    """The records in this order, with nothing that tells where they came from but their ids and groups."""
    taken = records.take(order)
    key = content_key(records.key, order) if records.key else ""
    return replace(taken, x=Mixed(records.x, order), outputs=None, base=None, rows=None, key=key)


def prepare(
    model: Any,
    members: Any,
    non_members: Any,
    *,
    references: Any = None,
    trace: Trace | None = None,
    snapshots: Sequence[Any] = (),
    base: Any = None,
    users: str | None = None,
    seed: int = 0,
) -> Case:
    """The model set beside the records, each looked through once. Errors as for `audit`."""
    if references is not None and not isinstance(references, References):
        raise InputError(
            f"`references` must come from `train_references`, `load_outputs` or `own_references(models, members, "
            f"non_members)`, which say what each model was trained on; found a {type(references).__name__}."
        )
    sides = [
        records_room.scan(records_room.as_records(side, name=name, **of_users(side, users)), name=name)
        for side, name in ((members, "members"), (non_members, "non-members"))
    ]
    pairs = [(one, other) for other, one in _equal(sides[1], sides[0])]
    public: list[tuple[str, str]] = []
    if references is not None and references.public is not None:
        there = records_room.scan(references.public, name="public records")
        public = [pair for side in sides for pair in _equal(side, there)]
    inside, outside = (side.records for side in sides)
    features = records_room.join(*(replace(side, groups={}) for side in (inside, outside)))
    given = opened = model if isinstance(model, targets.Opened) else targets.open_model(model, base=_folder(base))
    if opened.inner is targets.as_saved:
        opened, inside, outside = answered(opened, inside, outside)
    target, inside, outside = targets.fit(opened, inside, outside)
    outside, how = (outside, "") if trace is None else dealt(trace, inside, outside, seed)
    everyone, user = _without_users(records_room.join(inside, outside), users)
    order = np.random.default_rng(seed).permutation(len(everyone))
    member = torch.from_numpy(order < len(inside))
    features = mixed(replace(features, y=everyone.y), order)
    everyone = mixed(everyone, order)
    beside, came = Beside(), (sides[0].records, sides[1].records)
    if references is not None:
        beside = set_beside(references, given, target, came, order=order, everyone=everyone, features=features)
    (tuned,) = earlier((base,), given, target, came, everyone, called="The base model") if base is not None else (None,)
    seen = watched(target, trace, earlier(snapshots, given, target, came, everyone))
    beside.check_moments(len(seen.moments))
    asked = None if trace is None else everyone.groups.get(CLIENT)
    whose = None if user is None else user[order]
    return Case(target, everyone, features, member, pairs, public, beside, seen, asked, how, tuned, users or "", whose)


def of_users(side: Any, users: str | None) -> dict[str, Any]:
    """The settings by which records are loaded, so that a column says whose they are and the model does not take it."""
    if users is None or isinstance(side, Records):
        return {}
    return {"groups": users} if str(side).endswith(".npz") else {"groups": users, "drop": users}


def _without_users(records: Records, users: str | None) -> tuple[Records, np.ndarray | None]:
    """The records without the column that says whose they are, and that column."""
    if users is None:
        return records, None
    if users not in records.groups:
        found = ", ".join(f"`{name}`" for name in records.groups) or "none"
        raise InputError(f"`users` names the group `{users}`, found {found}. Load the records with groups='{users}'.")
    return replace(records, groups={k: v for k, v in records.groups.items() if k != users}), records.groups[users]


def _equal(a: records_room.Scanned, b: records_room.Scanned) -> list[tuple[str, str]]:
    """Ids of records of ``a``, and of those of ``b`` that equal them."""
    return [(str(a.records.id[i]), str(b.records.id[j])) for i, j in records_room.duplicates(a, b).pairs]


def _folder(base: Any) -> str | Path | None:
    """Of the model that an adapter was trained on, where that is said by its place."""
    return base if isinstance(base, str | Path) else None


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
    """What a classifier on the records and the clients asked about makes of some; None where there are no features."""
    rng = np.random.default_rng(seed)
    one = case.features.x[slice(0, 1)]
    width = int(np.prod(one.shape[1:]))
    if width == 0:
        return None
    stride = -(-width // BLIND_WIDTH)
    sides = [np.flatnonzero(side.numpy()) for side in (case.member, ~case.member)]
    rows = np.sort(np.concatenate([rng.permutation(side)[:BLIND_MOST] for side in sides]))
    labels = case.features.labels
    if are_texts(labels):
        return texts.blind(case.features.x[rows], case.member[rows], seed=seed)
    parts = [
        signals.inputs(case.target, case.features.x[part], labels[part], width=width)[:, ::stride].clamp(-LARGE, LARGE)
        for part in np.array_split(rows, max(1, len(rows) * width // 2**22))
    ]
    asked = None if case.asked is None else case.asked[rows]
    return checks.blind(torch.cat([part.float() for part in parts]), case.member[rows], asked=asked, seed=seed)
