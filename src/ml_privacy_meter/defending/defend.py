"""Tries defenses, each against an adversary who knows of it, and sets them side by side."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table
from tqdm.auto import tqdm

from ml_privacy_meter._checks import InputError, in_range, why
from ml_privacy_meter.defending.document import SCHEMA, document
from ml_privacy_meter.defending.entries import NONE, Entry, entries_of, usual
from ml_privacy_meter.defending.rows import rows_of
from ml_privacy_meter.defending.terminal import summary, table
from ml_privacy_meter.defending.trial import Bench, Trial, bench, fitted, planned, tried
from ml_privacy_meter.membership import Attack
from ml_privacy_meter.records import as_records, scan
from ml_privacy_meter.report import folder as folders
from ml_privacy_meter.report.document import Document, dump
from ml_privacy_meter.signals import Store
from ml_privacy_meter.targets import Opened, open_model
from ml_privacy_meter.training import Defense, Plan

KIND = folders.Kind("result of `defend`", frozenset(), "defenses.json", SCHEMA)  # which replaces nothing
FEWEST = 4  # reference models: fewer leave none for rehearsals, in which the strongest attack is chosen
REPORTS = "reports"


@dataclass(frozen=True, eq=False, repr=False)
class Defended:
    """Defenses side by side.

    Args:
        document: what ``defenses.json`` holds, see ``schema.json``.
        folders: the reports of its rows, in their order.
    """

    document: Document
    folders: tuple[Path, ...]
    aside: Store | None = None  # whose temporary folder lives as long as this does

    @property
    def rows(self) -> pd.DataFrame:
        """One row a model: its accuracy, the strongest attack's figures with intervals, the verdict."""
        return rows_of(self.document)

    def save(self, folder: str | Path) -> Path:
        """The folder, now with ``index.html``, ``defenses.json``, ``defenses.csv`` and the reports of all models.

        Raises:
            InputError: the folder is there already, and not empty; nothing is written then.
        """
        from ml_privacy_meter.defending.page import page  # its libraries take a second to import

        check_folder(folder)
        text = io.StringIO()
        self.rows.to_csv(text, index=False)
        made = {
            "index.html": page(self.document).encode(),
            "defenses.json": dump(self.document).encode(),
            "defenses.csv": text.getvalue().encode(),
        }
        for row, place in zip(self.document["rows"], self.folders, strict=True):
            made |= {f"{row['report']}/{file.name}": file.read_bytes() for file in sorted(place.iterdir())}
        return folders.write(folder, made, KIND)

    def table(self) -> Table:
        """The rows for a terminal; what speaks against them stands first."""
        return table(self.document)

    def __str__(self) -> str:
        return "\n".join(summary(self.document))


@dataclass(frozen=True)
class Planned:
    """What is to be tried, and carried out.

    Args:
        entries: the models that are attacked.
        plans: of reference models; defenses that answer for the same models share one.
        failed: why a usual defense does not fit the recipe, by its name.
        limit: see `defend`.
    """

    entries: tuple[Entry, ...]
    plans: tuple[Plan, ...]
    failed: dict[str, str]
    limit: float
    on: Bench = field(repr=False)
    aside: Store = field(repr=False)  # whose temporary folder lives as long as this does

    @property
    def count(self) -> int:
        """Reference models in all."""
        return sum(plan.count for plan in self.plans)

    @property
    def done(self) -> int:
        """Those that are on disk already."""
        return sum(plan.done for plan in self.plans)

    def estimate(self) -> float:
        """About how many seconds training takes; the first group of each kind is trained to tell, and kept."""
        missing = [plan for plan in self.plans if plan.tasks]
        with tqdm(missing, desc="Estimating", leave=False, disable=None) as bar:
            return float(sum(plan.estimate() * (1 + 1 / plan.count) for plan in bar))  # and one target each

    def carry_out(self) -> Defended:
        """All models trained and audited, and set side by side.

        Raises:
            InputError: the recipe itself fails. A defense that fails is in the result, with its reason.
        """
        trials, failed = _tried(self.entries, self.on)
        names = [f"{REPORTS}/{place:02}-{_file_name(trial.entry.name)}" for place, trial in enumerate(trials, 1)]
        made = document(trials, self.failed | failed, names, confidence=self.on.figures["confidence"], limit=self.limit)
        return Defended(made, tuple(trial.folder for trial in trials), self.aside)


def check_folder(folder: str | Path) -> None:
    """Raises `InputError` unless the folder is new or empty: no earlier result is replaced."""
    folders.check_folder(folder, KIND)


def defend(
    model: Any,
    members: Any,
    non_members: Any,
    *,
    train: Any,
    defenses: Sequence[Defense] | None = None,
    count: int = 16,
    public: Any = None,
    engine: str = "here",
    workers: int | None = None,
    attacks: Sequence[Attack] | None = None,
    fpr: Sequence[float] = (0.1, 0.01, 0.001),
    confidence: float = 0.95,
    limit: float = 0.9,
    seed: int = 0,
    device: str = "auto",
    batch_size: int | None = None,
    store: str | Path | None = None,
) -> Defended:
    """What each defense costs the user's model in accuracy, and what it keeps from an adversary who knows of it.

    For each, a target is trained on all members, and reference models with the same defense; then it is audited. So are
    the recipe without a defense, the same with another seed (how much is luck?), and the model as it stands.

    Args:
        model, members, non_members: as for `audit`; accuracy is measured on the non-members.
        train: as for `train_references`; a defense that changes the training needs a `Recipe`.
        defenses: those that are tried; by default, a few that need no settings, early stopping among them.
        count, public, engine, workers: of reference models, see `train_references`.
        attacks, fpr, confidence, seed, device, batch_size: see `audit`. Where answers alone are changed, attacks that
            see nothing but labels are added.
        limit: the membership probability from which on a record counts as exposed.
        store: a folder that keeps models, signals and audits, so that an interrupted call goes on where it was.

    Raises:
        InputError: something given cannot be used, or a defense does not fit the recipe.
    """
    of_references: dict[str, Any] = {"count": count, "public": public, "engine": engine, "workers": workers}
    of_audit: dict[str, Any] = {"attacks": attacks, "fpr": fpr, "confidence": confidence, "batch_size": batch_size}
    more: dict[str, Any] = {"defenses": defenses, "limit": limit, "seed": seed, "device": device, "store": store}
    return plan(model, members, non_members, train=train, **of_references, **of_audit, **more).carry_out()


def plan(
    model: Any,
    members: Any,
    non_members: Any,
    *,
    train: Any,
    defenses: Sequence[Defense] | None = None,
    count: int = 16,
    public: Any = None,
    engine: str = "here",
    workers: int | None = None,
    attacks: Sequence[Attack] | None = None,
    fpr: Sequence[float] = (0.1, 0.01, 0.001),
    confidence: float = 0.95,
    limit: float = 0.9,
    seed: int = 0,
    device: str = "auto",
    batch_size: int | None = None,
    store: str | Path | None = None,
) -> Planned:
    """What `defend` would train and attack, with the same arguments.

    Raises:
        InputError: see `defend`.
    """
    in_range(0, 1, limit=limit, confidence=confidence)
    if isinstance(count, bool) or not isinstance(count, int) or count < FEWEST:
        raise InputError(
            f"`count` must be at least {FEWEST}, as the strongest attack is chosen on reference models, found {count}."
        )
    entries = entries_of(usual(train) if defenses is None else defenses)
    aside = Store()
    sides = [scan(as_records(side, name=name), name=name).records for side, name in _named(members, non_members)]
    on = bench(
        model=model if isinstance(model, Opened) else open_model(model),
        members=sides[0],
        non_members=sides[1],
        train=train,
        settings={"count": count, "engine": engine, "workers": workers, "public": public},
        figures={"fpr": tuple(fpr), "confidence": confidence},
        attacks=attacks,
        labels_alone=any(entry.wraps for entry in entries),
        seed=seed,
        device=device,
        batch_size=batch_size,
        store=aside.folder if store is None else Path(store),
        aside=aside.folder,
    )
    fitted(on.model, on)
    plans, failed = _plans(entries, on, strict=defenses is not None)
    kept = tuple(entry for entry in entries if entry.name not in failed)
    return Planned(kept, tuple(plans.values()), failed, limit, on, aside)


def _named(members: Any, non_members: Any) -> list[tuple[Any, str]]:
    return [(members, "members"), (non_members, "non-members")]


def _plans(entries: Sequence[Entry], on: Bench, *, strict: bool) -> tuple[dict[str, Plan], dict[str, str]]:
    """What is to be trained, by its key; and why a defense that nobody named does not fit the recipe."""
    plans: dict[str, Plan] = {}
    failed: dict[str, str] = {}
    for entry in entries:
        try:
            plan = planned(entry, on)
        except InputError as problem:
            if strict or entry.defense is None:
                raise
            failed[entry.name] = str(problem)
        else:
            plans[plan.job.way.key or entry.name] = plan
    return plans, failed


def _tried(entries: Sequence[Entry], on: Bench) -> tuple[list[Trial], dict[str, str]]:
    """The trials that came to their end, and why others did not."""
    trials: list[Trial] = []
    failed: dict[str, str] = {}
    shape = "{desc} |{bar:10}| {elapsed}<{remaining}"
    with tqdm(total=len(entries), bar_format=shape, leave=False, disable=None) as bar:
        for number, entry in enumerate(entries, 1):
            bar.set_description_str(f"Model {number} of {len(entries)}: {entry.name}")
            try:
                trials.append(tried(entry, on))
            except Exception as problem:  # one defense that fails must not cost the others
                if entry.kind == NONE:
                    raise
                failed[entry.name] = why(problem)
            bar.update()
    return trials, failed


def _file_name(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:60]
