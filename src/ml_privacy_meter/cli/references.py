"""The section [references] of a run file: where reference models come from."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ml_privacy_meter import records
from ml_privacy_meter._checks import InputError, one_of
from ml_privacy_meter.cli.kinds import check_kind, settings_of
from ml_privacy_meter.cli.tuning import TUNING, tuning_of
from ml_privacy_meter.targets import Opened
from ml_privacy_meter.training import (
    Plan,
    Recipe,
    References,
    load_outputs,
    own_references,
    plan_references,
    train_references,
)
from ml_privacy_meter.types import Records

SOURCES = {
    "train": str,
    "recipe": Mapping[str, Any],
    TUNING: Mapping[str, Any],
    "outputs": str,
    "models": Sequence[str],
}
ELSEWHERE = ("seed", "store", "device", "like", "defense")  # what other sections say


def allowed() -> dict[str, Any]:
    """What the section may say, and of which kind it must be."""
    trained = {name: kind for name, kind in settings_of(train_references).items() if name not in ELSEWHERE}
    return SOURCES | {"inside": str} | trained | {"public": Mapping[str, Any]}


def plan_from(
    section: Mapping[str, Any], base: Path, *, model: Opened, sides: tuple[Records, Records], **run: Any
) -> Plan | None:
    """What would be trained; None where nothing is."""
    found = _arguments(section, base, model, sides)
    return None if found is None else plan_references(**found, **run)


def references_from(
    section: Mapping[str, Any], base: Path, *, model: Opened, sides: tuple[Records, Records], **run: Any
) -> References:
    """The reference models: trained, if they are not on disk yet, or brought along.

    Args:
        model: the target.
        sides: the members and the non-members.
        run: `store`, `seed` and `device` of the run.
    """
    found = _arguments(section, base, model, sides)
    if found is not None:
        return train_references(**found, **run)
    if "outputs" in section:
        return load_outputs(_path(section["outputs"], base))
    if not section["models"]:
        raise InputError("`models` in [references] must name a model or more, found none.")
    models = [name if ":" in Path(name).name else _path(name, base) for name in section["models"]]
    return own_references(models, *_inside(section, base))


def _arguments(
    section: Mapping[str, Any], base: Path, model: Opened, sides: tuple[Records, Records]
) -> dict[str, Any] | None:
    """Of `train_references`; None where there is nothing to train."""
    given = _source(section)
    if given != "models" and "inside" in section:
        raise InputError(f"`inside` is for `models` in [references], not for `{given}`. Leave it out.")
    if given in ("outputs", "models"):
        if strange := [name for name in section if name not in (*SOURCES, "inside")]:
            raise InputError(
                f"`{strange[0]}` is for models that are trained here, not for `{given}` in [references]. Leave it out."
            )
        return None
    return training_of(section, base) | {"members": sides[0], "non_members": sides[1], "like": model}


def training_of(section: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """How models are trained, as arguments of `train_references`.

    Raises:
        InputError: the section brings models along, and trains none.
    """
    given = _source(section)
    if given not in ("train", "recipe", TUNING):
        raise InputError(
            f"[references] must say how models are trained, by `recipe`, `train` or `{TUNING}`, so that they can be "
            f"trained in other ways too; found `{given}`."
        )
    found = {name: value for name, value in section.items() if name not in (*SOURCES, "inside", "public")}
    if given == TUNING:
        found["train"] = tuning_of(section[TUNING], "[references]")
    else:
        found["train"] = section["train"] if given == "train" else _recipe(section["recipe"])
    if "public" not in section:
        return found
    return found | {"public": public_records(section["public"], base, "`public` in [references]")}


def public_records(section: Mapping[str, Any], base: Path, what: str) -> Records:
    """The records that a table ``{path = ...}`` names."""
    where = dict(section)
    for name, value in where.items():
        of_records = {"path": str} | settings_of(records.load)
        check_kind(value, of_records[one_of(name, of_records, "setting of `public`")], f"`{name}` of `public`")
    if "path" not in where:
        raise InputError(f"{what} must say `path`: the file or folder with the records.")
    return records.load(_path(where.pop("path"), base), name="public records", **where)


def _source(section: Mapping[str, Any]) -> str:
    given = [name for name in SOURCES if name in section]
    if len(given) != 1:
        found = " and ".join(f"`{name}`" for name in given) or "none of them (as an option: --train FUNCTION)"
        raise InputError(f"[references] must say one of {', '.join(f'`{name}`' for name in SOURCES)}, found {found}.")
    return given[0]


def _recipe(given: Mapping[str, Any]) -> Recipe:
    kinds = {field.name: field.type for field in fields(Recipe)} | {"architecture": str}
    for name, value in given.items():
        check_kind(value, kinds[one_of(name, kinds, "setting of a recipe")], f"`{name}` of `recipe`")
    return Recipe(**given)


def _inside(section: Mapping[str, Any], base: Path) -> list[np.ndarray]:
    if "inside" not in section:
        raise InputError(
            "`models` in [references] need `inside`: an .npz file with the arrays `members` and `non_members`, which "
            "say for each record (row) and each model (column) whether it was trained on it."
        )
    file = _path(section["inside"], base)
    try:
        with np.load(file, allow_pickle=False) as found:
            return [found[name] for name in ("members", "non_members")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as problem:
        raise InputError(
            "`inside` must be an .npz file with the arrays `members` and `non_members`, "
            f"`{file}` is not: {problem!s:.200}"
        ) from problem


def _path(given: str, base: Path) -> Path:
    return base / Path(given).expanduser()
