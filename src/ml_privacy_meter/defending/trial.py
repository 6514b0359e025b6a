"""One model of the grid: trained, its reference models beside it, and audited. What was finished is found again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from torch import Tensor

import ml_privacy_meter
from ml_privacy_meter import guarantees, membership, signals, targets
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.audit import audit, default_attacks, weights_of
from ml_privacy_meter.case import answered
from ml_privacy_meter.comparison.reading import Audit, read
from ml_privacy_meter.defending.entries import AGAIN, MODEL, Entry
from ml_privacy_meter.membership import Attack, describe
from ml_privacy_meter.report import Report, threats
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.targets import key
from ml_privacy_meter.training import Plan, PrivacySpent, References, plan_references, train_model, train_references
from ml_privacy_meter.types import Records

PACKAGE = "ml_privacy_meter"
LIBRARIES = ("torch", "numpy", "scikit-learn", "scipy")
BY_LABELS = partial(membership.difference, signal=signals.correct)  # who sees labels alone, and has reference models


@dataclass(frozen=True)
class Trial:
    """A model of the grid, and what its audit found.

    Args:
        right: whether the model is right, of the "members" and of the "non_members", in their order.
        folder: its report.
        proven: epsilon and delta of differential privacy, where the defense guarantees any.
    """

    entry: Entry
    audit: Audit
    right: Mapping[str, np.ndarray]
    folder: Path
    proven: tuple[float, float] | None = None


@dataclass(frozen=True)
class Bench:
    """What all trials have in common.

    Args:
        train: a recipe, a function or an estimator.
        settings: of `train_references`, but for those below.
        figures: ``fpr`` and ``confidence`` of the audits.
        attacks: None: those that an audit plays by default.
        store: a folder that keeps all that is finished.
        aside: one that ends with the program, for what cannot be found again.
    """

    model: targets.Opened
    members: Records
    non_members: Records
    train: Any
    settings: Mapping[str, Any]
    figures: Mapping[str, Any]
    attacks: Sequence[Attack] | None
    labels_alone: bool
    seed: int
    device: str
    batch_size: int | None
    store: Path
    aside: Path
    reader: Reader = field(repr=False)

    @property
    def sides(self) -> dict[str, Records]:
        return {"members": self.members, "non_members": self.non_members}


def bench(*, store: Path, aside: Path, device: str, batch_size: int | None, **settings: Any) -> Bench:
    """A bench that asks models through one reader."""
    reader = Reader(Store(store), device=device, batch_size=batch_size)
    return Bench(store=store, aside=aside, device=device, batch_size=batch_size, reader=reader, **settings)


def planned(entry: Entry, on: Bench) -> Plan:
    """What is to be trained as reference models of this entry.

    Raises:
        InputError: the defense does not fit the recipe.
    """
    return plan_references(**_of_references(entry, on))


def tried(entry: Entry, on: Bench) -> Trial:
    """The entry's model, trained on all members with a seed that no reference model has, and attacked."""
    if entry.kind == MODEL:
        opened = on.model
    else:
        common: dict[str, Any] = {"store": on.store, "device": on.device, "like": on.model, "defense": entry.defense}
        seed = on.seed + (2 if entry.kind == AGAIN else 1)
        opened = train_model(on.train, on.members, seed=seed, **common)
        opened = replace(opened, kind=f"model that was trained here, with {entry.defense or 'no defense'}")
    references = train_references(**_of_references(entry, on))
    target, inside, outside = fitted(opened, on)
    attacks = _attacks(target, inside, references, entry, on)
    name = _key(target.key, references, attacks, on)
    claim = _claim(entry, on)
    folder = _kept(name, on, partial(_audited, opened, references, attacks, claim, on))
    pairs = zip(on.sides, (inside, outside), strict=True)
    right = {name: on.reader.signal(signals.correct, target, side).numpy() > 0.5 for name, side in pairs}
    return Trial(entry, read(folder), right, folder, _proven(entry, on))


def _proven(entry: Entry, on: Bench) -> tuple[float, float] | None:
    found = _spent(entry, on)
    return None if found is None else (found.epsilon, found.delta)


def _spent(entry: Entry, on: Bench) -> PrivacySpent | None:
    """What the defense guarantees of the entry's model, if anything."""
    if entry.defense is None or entry.defense.guarantee is None:
        return None
    found = entry.defense.guarantee(on.train, len(on.members))
    return found if np.isfinite(found.epsilon) else None


def _claim(entry: Entry, on: Bench) -> guarantees.Guarantee | None:
    """The same, for the audit to hold its figures against."""
    found = _spent(entry, on)
    return None if found is None else guarantees.dp_sgd(**{k: v for k, v in asdict(found).items() if k != "epsilon"})


def fitted(opened: targets.Opened, on: Bench) -> tuple[targets.Target, Records, Records]:
    """The model set beside the members and the non-members.

    Raises:
        InputError: the model cannot be asked about them, or their labels are no classes.
    """
    inside, outside = on.members, on.non_members
    if opened.inner is targets.as_saved:
        opened, inside, outside = answered(opened, inside, outside)
    target, inside, outside = targets.fit(opened, inside, outside)
    if inside.labels.is_floating_point():
        raise InputError(
            "Defenses are compared by accuracy, and labels must be classes; found quantities. Audit each model, and set"
            " the reports side by side with `privacy-meter compare`."
        )
    return target, inside, outside


def _of_references(entry: Entry, on: Bench) -> dict[str, Any]:
    """The arguments of `train_references`: with the defense, since the adversary knows of it."""
    return {
        "train": on.train,
        **on.sides,
        **on.settings,
        "seed": on.seed,
        "store": on.store,
        "device": on.device,
        "like": on.model,
        "defense": entry.defense,
    }


def _audited(
    opened: targets.Opened,
    references: References,
    attacks: Sequence[Attack],
    claim: guarantees.Guarantee | None,
    on: Bench,
) -> Report:
    return audit(
        opened,
        on.members,
        on.non_members,
        references=references,
        attacks=attacks,
        seed=on.seed,
        device=on.device,
        batch_size=on.batch_size,
        store=on.store,
        guarantee=claim,
        **on.figures,
    )


def _attacks(target: targets.Target, inside: Records, references: References, entry: Entry, on: Bench) -> list[Attack]:
    """The same for all entries, so that they can be compared; by labels too where the answers of some are wrapped.

    Weights are out of reach behind other answers: attacks on them are left out there.
    """
    if on.attacks is None:
        weights = weights_of(target, (), inside.x[slice(0, 2)], inside.labels[:2])
        offline = references.public is not None
        hidden = on.labels_alone and isinstance(inside.x[slice(0, 1)], Tensor)
        settings: dict[str, Any] = {"references": len(references), "offline": offline, "hidden": hidden}
        found = [*default_attacks(inside.labels, weights=weights, **settings)]
    else:
        found = [one for one in on.attacks if not (entry.wraps and membership.access(one) == "parameters")]
    if not on.labels_alone:
        return found
    played = {describe(attack) for attack in found}
    if not any(threats.level(_sees(attack)) == threats.LABELS for attack in found):
        found.append(membership.gap)
    return found if describe(BY_LABELS) in played else [*found, BY_LABELS]


def _sees(attack: Attack) -> str:
    """What an attack's docstring says it sees."""
    text = (attack.func if isinstance(attack, partial) else attack).__doc__ or ""
    return " ".join(text.partition("Sees: ")[2].partition("\n\n")[0].split())


def _kept(name: str, on: Bench, made: Callable[[], Report]) -> Path:
    """The folder of the report under this name; it is made where it is not there."""
    place = on.store / "audits" / name
    if name and (place / "report.json").is_file():
        return place
    report = made()
    whole = name and not report.failed
    return report.save(place if whole else mkdtemp(dir=on.aside))


def _key(target: str, references: References, attacks: Sequence[Attack], on: Bench) -> str:
    """Of the content of all that an audit follows from; empty where some of it cannot be known."""
    models = [getattr(model, "key", "") for model in references.models]
    played = [_of_attack(attack) for attack in attacks]
    if not all([target, *models, *played, *(side.key for side in on.sides.values())]):
        return ""
    records = [_content(side) for side in on.sides.values()]
    settings = repr((on.seed, on.device, sorted(on.figures.items()), [version(name) for name in LIBRARIES]))
    inside = references.inside(on.members, on.non_members).numpy()
    return key.digest(_program(), target, *models, *played, *records, np.packbits(inside).tobytes(), settings)


def _content(side: Records) -> str:
    columns = [np.asarray(column) for column in (side.y, side.id, *side.groups.values())]
    plain = [column.astype(str) if column.dtype == object else column for column in columns]
    names = repr([*side.groups, *((column.dtype.str, column.shape) for column in plain)])
    return key.digest(side.key, names, *(column.tobytes() for column in plain))


def _of_attack(attack: Attack) -> str:
    """Its name and settings, and the file of whatever in it is not of this program; empty where that is not known."""
    parts = [attack, *(attack.keywords.values() if isinstance(attack, partial) else ())]
    plain = [part.func if isinstance(part, partial) else part for part in parts if callable(part)]
    others = [part for part in plain if not getattr(part, "__module__", "").startswith(f"{PACKAGE}.")]
    found = [key.of_function(part) for part in others]
    return key.digest(describe(attack), *found) if all(found) else ""


def _program() -> str:
    """A hash of this program's text: an audit of another version is made anew."""
    return key.of_files(*sorted(Path(ml_privacy_meter.__file__).parent.rglob("*.py")))
