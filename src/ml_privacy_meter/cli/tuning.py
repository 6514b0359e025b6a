"""What a language model was tuned from, and how, as options and run files say it."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ml_privacy_meter._checks import InputError, one_of
from ml_privacy_meter.cli.kinds import check_kind
from ml_privacy_meter.targets import Opened
from ml_privacy_meter.targets.huggingface import ADAPTER
from ml_privacy_meter.training import FineTuning, train_model
from ml_privacy_meter.types import Records

TUNING = "fine_tuning"
IN_MODEL = {TUNING: Mapping[str, Any]}
NOTED = {"r": "rank", "lora_alpha": "alpha", "target_modules": "targets"}  # peft's words, and ours


def base_from(settings: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """The argument ``base`` of an audit, where [model] names what was tuned."""
    named = settings.get("model", {}).get("base")
    return {} if named is None else {"base": base / Path(named).expanduser()}


def is_tuned_here(settings: Mapping[str, Any]) -> bool:
    """Whether the model is to be made: [model] says how it is tuned.

    Raises:
        InputError: it names a finished model too, or nothing to begin with.
    """
    model = settings.get("model", {})
    if TUNING not in model:
        return False
    if "path" in model:
        raise InputError(
            f"[model] names a finished model as `path`, and says by `{TUNING}` how it is to be tuned. Leave one out. "
            f"How reference models are tuned stands in [references], as `{TUNING}`."
        )
    if "base" not in model:
        raise InputError(f"`{TUNING}` in [model] needs `base`: the folder of the language model that is tuned.")
    return True


def tuned_here(
    settings: Mapping[str, Any], base: Path, members: Records, *, store: Path, seed: int = 0, device: str = "auto"
) -> Opened:
    """The model that [model] says how to make, tuned on the members unless it lies in the store.

    What [references] says of fine-tuning is read first: a slip there is told before anything is trained.
    """
    if TUNING in settings.get("references", {}):
        tuning_of(references_tuned(settings, base)[TUNING], "[references]")
    tuning = tuning_of(settings["model"][TUNING] | base_from(settings, base), "[model]")
    return train_model(tuning, members, seed=seed, store=store, device=device)


def references_tuned(settings: Mapping[str, Any], base: Path) -> Mapping[str, Any]:
    """[references], with all that its `fine_tuning` leaves to [model] and to the note beside an adapter."""
    section = settings["references"]
    if TUNING not in section:
        found: Mapping[str, Any] = section
        return found
    check_kind(section[TUNING], Mapping[str, Any], f"`{TUNING}` in [references]")
    model = settings.get("model", {})
    said = {**_noted(model, base), **model.get(TUNING, {}), **base_from(settings, base), **section[TUNING]}
    if isinstance(said.get("base"), str):
        said["base"] = base / Path(said["base"]).expanduser()
    return {**section, TUNING: said}


def tuning_of(given: Mapping[str, Any], where: str) -> FineTuning:
    """How models are tuned, as a table of a run file says it."""
    kinds = {field.name: field.type for field in fields(FineTuning)}
    for name, value in given.items():
        check_kind(value, kinds[one_of(name, kinds, f"setting of `{TUNING}`")], f"`{name}` of `{TUNING}` in {where}")
    if given.get("base") is None:
        raise InputError(
            f"`{TUNING}` in {where} needs the language model that is tuned: name its folder as `base` in [model]."
        )
    return FineTuning(**given)


def _noted(model: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """What an adapter's own note says of how it was made."""
    path = model.get("path")
    note = base / Path(path).expanduser() / ADAPTER if path else None
    if note is None or not note.is_file():
        return {}
    said = json.loads(note.read_text(encoding="utf-8"))
    found = {ours: said[theirs] for theirs, ours in NOTED.items() if said.get(theirs)}
    if isinstance(found.get("targets"), str):  # "all-linear", or a pattern
        del found["targets"]
    return found
