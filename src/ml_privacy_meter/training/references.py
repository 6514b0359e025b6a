"""Reference models: trained like the target on known records, or brought along."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.records import as_records, scan
from ml_privacy_meter.targets import Opened
from ml_privacy_meter.training.data import matched
from ml_privacy_meter.training.defense import Defense
from ml_privacy_meter.training.engines import check_engine
from ml_privacy_meter.training.plan import Job, Plan, carry_out, plan_of
from ml_privacy_meter.training.reference import Reference
from ml_privacy_meter.training.split import balanced, seed_of
from ml_privacy_meter.training.store import ModelStore
from ml_privacy_meter.training.ways import kept_at
from ml_privacy_meter.types import Records, Rows


@dataclass(frozen=True)
class References:
    """Models trained like the target, and which records each was trained on.

    Args:
        models: each is what `open_model` takes, or a `Reference`: a model on disk with ``.key`` and
            ``.open(classes)``, opened only when it is asked for.
        members, non_members: inside, of the members and the non-members of the audit, in their order. Without rows
            where no model was trained on any of them.
        public: records that no other set holds, where the models were trained on these alone.
        public_inside: inside, of these.
        outputs: saved outputs in place of models, (models, records, classes): ``outputs[j]`` are those of model j, for
            the members and then the non-members.
        gives: "logits" or "probabilities": what ``outputs`` are.
        keys: of the members and non-members that the models were trained on; other records are refused.
        says: how they were trained, for the report.
        snapshots: of each model, the same at earlier moments of its training, the oldest first; empty: none were kept.
    """

    models: tuple[Any, ...]
    members: Bool[Tensor, "members models"]
    non_members: Bool[Tensor, "non_members models"]
    public: Records | None = None
    public_inside: Bool[Tensor, "public models"] | None = None
    outputs: Rows | None = None
    gives: str = ""
    keys: tuple[str, str] = ("", "")
    says: Mapping[str, Any] = field(default_factory=dict)
    snapshots: tuple[tuple[Any, ...], ...] = ()

    def __post_init__(self) -> None:
        found = self.models if self.outputs is None else self.outputs
        columns = {self.members.shape[1], self.non_members.shape[1], len(found)}
        if self.snapshots and len(self.snapshots) != len(self.models):
            raise InputError(
                f"`snapshots` must hold a list for each of {len(self.models)} reference models, found "
                f"{len(self.snapshots)}. Give each model's own, the oldest first."
            )
        if len(columns) > 1:
            raise InputError(
                f"`members` and `non_members` must have a column for each reference model, found {len(found)} models "
                f"and {self.members.shape[1]} and {self.non_members.shape[1]} columns."
            )

    def __len__(self) -> int:
        return self.members.shape[1]

    def inside(self, members: Records, non_members: Records) -> Bool[Tensor, "records models"]:
        """Inside, of these members and then these non-members.

        Raises:
            InputError: the models were trained on other records.
        """
        known = torch.cat([self.members, self.non_members])
        if not len(known):
            return torch.zeros(len(members) + len(non_members), len(self), dtype=torch.bool)
        for name, side, key in zip(("members", "non-members"), (members, non_members), self.keys, strict=True):
            if key and side.key != key:
                raise InputError(
                    f"The reference models must have been trained from the {name} of this audit, found others. "
                    "Train them again with the same records in the same order."
                )
        if len(known) != len(members) + len(non_members):
            raise InputError(
                f"`inside` must have a row for each record of the audit, found {len(known)} rows for {len(members)} "
                f"members and {len(non_members)} non-members. Give the members' rows, then the non-members'."
            )
        return known


def train_references(
    train: Any,
    members: Any = None,
    non_members: Any = None,
    *,
    public: Any = None,
    count: int = 16,
    seed: int = 0,
    store: str | Path | None = None,
    engine: str = "here",
    workers: int | None = None,
    device: str = "auto",
    like: Any = None,
    defense: Defense | None = None,
    snapshots: Sequence[int] = (),
) -> References:
    """Reference models, trained on balanced halves of the members and non-members, or of public records alone.

    Each is on disk as soon as it is finished, under a key of what it was trained from: the same call trains nothing a
    second time, and goes on where it was interrupted.

    Args:
        train: a function (x, y, seed) -> model of any framework, or "package.module:function"; a scikit-learn
            estimator; a `Recipe`; or a `FineTuning` of a language model. The function's x is an array or a DataFrame,
            as the records hold them, and y the labels as they came. What it returns is kept: an nn.Module by
            torch.export, an estimator by skops, or a Keras model. It is known again by the text of its file, and by
            plain settings of a `functools.partial`: a change in a module that its file imports is not seen. Models of
            a closure, a method or a notebook's function (or of an architecture that holds such) hang on more than can
            be known: they go to a temporary folder, and the next run trains them again.
        members, non_members: what `audit` takes.
        public: records that no other set holds, and the models are trained on these alone.
        count: how many models; the first ones stay the same when more are asked for.
        store: the folder that keeps them; None: a temporary one that ends with the references.
        engine, workers: see `train_tasks`.
        device: for a recipe; "auto" takes a GPU where there is one.
        like: the target model, or what `open_model` made of it, for a recipe.
        defense: with which each is trained and answers, as the target does: the adversary knows of it.
        snapshots: epochs after which a recipe's models are kept, too: those at which the target was seen.

    Raises:
        InputError: training fails, or there is nothing to train on.
    """
    place = (count, seed, store, engine, workers, device)
    job, sides = _job(train, members, non_members, public, *place, like, defense, snapshots)
    started = time.perf_counter()
    files = carry_out(job)
    border, end = (sum(0 if side is None else len(side) for side in sides[:upto]) for upto in (1, 2))
    says = {
        "count": count,
        "trained": job.way.says + (f"; answers are those of {defense}" if defense and defense.wrap else ""),
        "records": [int(size) for size in job.inside.sum(0)],
        "seconds": round(time.perf_counter() - started, 1),
        "kept": "in the store" if job.way.key and store else "for this run",
    }
    inside = job.inside if public is None else torch.zeros(end, count, dtype=torch.bool)
    models = tuple(_reference(job, model, file, defense) for model, file in enumerate(files))
    return References(
        models=models,
        members=inside[:border],
        non_members=inside[border:],
        public=sides[2],
        public_inside=None if public is None else job.inside,
        keys=("" if sides[0] is None else sides[0].key, "" if sides[1] is None else sides[1].key),
        says=says,
        snapshots=tuple(tuple(replace(one, epoch=k) for k in sorted(snapshots)) for one in models if snapshots),
    )


def plan_references(
    train: Any,
    members: Any = None,
    non_members: Any = None,
    *,
    public: Any = None,
    count: int = 16,
    seed: int = 0,
    store: str | Path | None = None,
    engine: str = "here",
    workers: int | None = None,
    device: str = "auto",
    like: Any = None,
    defense: Defense | None = None,
    snapshots: Sequence[int] = (),
) -> Plan:
    """What `train_references` would do: how many models are there already, how many are to be trained, and how."""
    place = (count, seed, store, engine, workers, device)
    job, _ = _job(train, members, non_members, public, *place, like, defense, snapshots)
    return plan_of(job)


def train_model(
    train: Any,
    records: Any,
    *,
    seed: int = 0,
    store: str | Path | None = None,
    device: str = "auto",
    like: Any = None,
    defense: Defense | None = None,
) -> Opened:
    """A model that is trained on all of these records; ``.inner`` is the model itself.

    Args:
        train, store, device, like, defense: as for `train_references`.
        records: what `audit` takes for members.

    Raises:
        InputError: training fails.
    """
    found = trained(train, records, seed=seed, store=store, device=device, like=like, defense=defense)
    return replace(found.open(), kind="model that was trained here")


def trained(
    train: Any,
    records: Any,
    *,
    seed: int,
    store: str | Path | None,
    device: str,
    like: Any = None,
    defense: Defense | None = None,
) -> Reference:
    """The file of a model that is trained on all of these records. Arguments: `train_model`."""
    given = scan(as_records(records, name="records"), name="records").records
    inside = torch.ones(len(given), 1, dtype=torch.bool)
    return trained_on(train, given, inside, seed=seed, store=store, device=device, like=like, defense=defense)[0]


def trained_on(
    train: Any,
    records: Records,
    inside: Bool[Tensor, "records models"],
    *,
    seed: int,
    store: str | Path | None = None,
    device: str = "auto",
    like: Any = None,
    defense: Defense | None = None,
    named: str = "References",
) -> tuple[Reference, ...]:
    """A model on disk for each column of ``inside``, trained on these of the records. Arguments: `train_model`.

    Args:
        records: with a key, as `scan` gives them.
        named: what the progress bar calls them.
    """
    way, data = matched(train, [records], like, defense)
    job = Job(way, data, inside, seed, ModelStore(store if way.key else None), "here", None, device, named)
    return tuple(_reference(job, model, file, defense) for model, file in enumerate(carry_out(job)))


def _reference(job: Job, model: int, file: Path, defense: Defense | None) -> Reference:
    if defense is None or defense.wrap is None:
        return Reference(file, job.way, job.store)
    wrap = functools.partial(_wrapped, job, model, defense.wrap)
    return Reference(file, job.way, job.store, wrap, defense.wrap_key)


def _wrapped(job: Job, model: int, wrap: Callable[[Opened, Any, Any, int], Opened], opened: Opened) -> Opened:
    rows = np.flatnonzero(job.inside[:, model].numpy())
    x = job.data.x
    mine = x.iloc[rows].reset_index(drop=True) if isinstance(x, pd.DataFrame) else x[rows]
    return wrap(opened, mine, job.data.y[rows], seed_of(job.seed, model))


def _job(
    train: Any,
    members: Any,
    non_members: Any,
    public: Any,
    count: int,
    seed: int,
    store: str | Path | None,
    engine: str,
    workers: int | None,
    device: str,
    like: Any,
    defense: Defense | None,
    snapshots: Sequence[int],
) -> tuple[Job, list[Records | None]]:
    """What is to be done, and the members, non-members and public records as far as they are there."""
    whole(0, seed=seed)
    whole(1, count=count, **({} if workers is None else {"workers": workers}))
    check_engine(engine, workers)
    if public is None and (members is None or non_members is None):
        raise InputError("Reference models are trained on members and non-members, or on `public` records. Give them.")
    given = {"members": members, "non-members": non_members, "public": public}
    sides = [
        None if side is None else scan(as_records(side, name=name), name=name).records for name, side in given.items()
    ]
    used = [side for side in (sides[:2] if public is None else sides[2:]) if side is not None]
    way, data = matched(train, used, like, defense)
    way = kept_at(way, snapshots)
    strata = data.y if data.y.ndim == 1 and data.y.dtype.kind != "f" else None
    inside = balanced(len(data.y), count, seed, strata=strata)
    kept = ModelStore(store if way.key else None)
    return Job(way, data, inside, seed, kept, engine, workers, device), sides
