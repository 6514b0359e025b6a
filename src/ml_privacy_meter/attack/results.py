"""What an attack of the original interface found, as a folder: arrays, plots, a report, TensorBoard's events."""

import importlib.util
import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.lib.format import open_memmap

from ml_privacy_meter import trackers
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.report import Report
from ml_privacy_meter.types import Records
from ml_privacy_meter.utils.attack_data import Sides

BLOCK = 1024
Curves = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Epochs:
    """The share of records that were told right after each epoch, of those that were held back from the training.

    Where the loss or the label is exploited beside the weights, each network learns twice: from what can be seen
    without the weights, and then what these add.

    Args:
        accuracy: a curve for each time that a network learned, network after network.
        networks: how many there are.
    """

    accuracy: Curves
    networks: int

    @property
    def named(self) -> dict[str, tuple[float, ...]]:
        """The curves by what was learned."""
        times = len(self.accuracy) // self.networks
        stages = [""] if times == 1 else [", without the weights", ", with the weights"]
        names = [f"network {k}{stage}" for k in range(1, self.networks + 1) for stage in stages]
        return dict(zip(names, self.accuracy, strict=True))

    @property
    def best(self) -> float:
        """The highest accuracy of each network's last curve, a mean over them: chosen after the fact, so a bit high."""
        times = len(self.accuracy) // self.networks
        return float(np.mean([max(curve) for curve in self.accuracy[times - 1 :: times]]))


@dataclass(frozen=True, eq=False)
class Results:
    """What an attack found on records that it has not learned from.

    Args:
        folder: where all of it lies.
        report: as `audit` gives it: of the attack, and of thresholds on the loss and on the gradient's norm.
        epochs: how the attack fared while it learned.
        accuracy: share of the records that are told right by a membership probability above 0.5, where members and
            non-members count alike.
        member_probs: the membership probability of each member, as the network gives it.
        nonmember_probs: the same of non-members.
    """

    folder: Path
    report: Report
    epochs: Epochs
    accuracy: float
    member_probs: Float[np.ndarray, " members"]
    nonmember_probs: Float[np.ndarray, " non_members"]


def check_name(name: Any) -> None:
    """Raises `InputError` unless a folder may have this name."""
    text = name if isinstance(name, str) else ""
    if not text or text.startswith(".") or Path(text).name != text or not text.isprintable() or "\\" in text:
        raise InputError(f"`model_name` must be a name that a folder may have, found {name!r:.80}. Give a plain word.")


def save(
    folder: Path,
    name: str,
    report: Report,
    *,
    epochs: Epochs,
    sides: Sides,
    features: bool = False,
    tensorboard: bool | None = None,
) -> Results:
    """The results, now in a folder of the attack's name in ``folder``; or of that name with a number, if it is taken.

    Args:
        sides: the records that were judged, and perhaps more.
        features: whether the records themselves are saved.
        tensorboard: whether all is written for TensorBoard too; None: where that is installed.
    """
    from ml_privacy_meter.attack.plots import of_attack  # the charts' library takes a second to import

    table = report.records
    probability = 1 / (1 + np.exp(-table[f"score: {name}"].to_numpy()))
    member = table["member"].to_numpy()
    probs = {"member_probs": probability[member], "nonmember_probs": probability[~member]}
    accuracy = float(((probs["member_probs"] > 0.5).mean() + (probs["nonmember_probs"] <= 0.5).mean()) / 2)
    pictures = of_attack(report, name, probability, epochs)
    said = {
        "attack": name,
        "accuracy": accuracy,
        "best_accuracy_held_back": epochs.best,
        "accuracy_of_each_epoch_held_back": epochs.named,
        "member_accuracy_of_the_model": report.about.get("member_accuracy"),
        "non_member_accuracy_of_the_model": report.about.get("non_member_accuracy"),
    }

    curves = {f"{name}/accuracy, {what}": curve for what, curve in epochs.named.items()}

    def write(place: Path) -> None:
        for key, values in probs.items():
            np.save(place / f"{key}.npy", values)
        for key, side, records in (("m", member, sides.members), ("nm", ~member, sides.non_members)):
            ids = table["id"].to_numpy(dtype=str)[side]
            np.save(place / f"{key}_ids.npy", ids)
            np.save(place / f"{key}_labels.npy", np.asarray(table["class"])[side])
            if features:
                _save_features(place / f"{key}_features.npy", records, ids)
        (place / "results.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
        finish(place, report, pictures, tensorboard=tensorboard, curves=curves)

    return Results(in_new_folder(folder, name, write), report, epochs, accuracy, **probs)


def finish(
    place: Path,
    report: Report,
    pictures: Mapping[str, bytes],
    *,
    tensorboard: bool | None,
    curves: Mapping[str, Any] | None = None,
) -> None:
    """Writes plots, report and events."""
    (place / "plots").mkdir()
    for name, png in pictures.items():
        (place / "plots" / f"{name}.png").write_bytes(png)
    report.save(place / "report")
    if tensorboard or (tensorboard is None and importlib.util.find_spec("tensorboard")):
        trackers.to_tensorboard(report, place / "tensorboard")
        trackers.add_to_tensorboard(place / "tensorboard", curves=curves or {}, pictures=pictures)


def in_new_folder(folder: Path, name: str, write: Any) -> Path:
    """The folder that ``write`` filled: it appears whole or not at all, and takes nobody's place."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f".{name}.{secrets.token_hex(4)}"
    place.mkdir()
    try:
        write(place)
        for number in count(1):
            target = folder / (name if number == 1 else f"{name}-{number}")
            if not target.exists():
                return place.rename(target)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    raise AssertionError


def _save_features(path: Path, records: Records, ids: np.ndarray) -> None:
    """The records with these ids, in this order."""
    place = {str(one): row for row, one in enumerate(records.id)}
    rows = np.array([place[one] for one in ids])
    shape = (len(rows), *records.x[slice(0, 1)].shape[1:])
    whole = open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        whole[part] = records.x[rows[part]].numpy()
    whole.flush()
