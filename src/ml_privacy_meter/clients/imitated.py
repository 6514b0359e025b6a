"""How made-up clients train: as the trace says that the real ones did, as far as that is known and can be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.federated.local import at
from ml_privacy_meter.federated.loop import ALL, FEDAVG
from ml_privacy_meter.federated.remedies import Remedy
from ml_privacy_meter.federated.told import TOLD, remade
from ml_privacy_meter.training import Recipe

EPOCHS = "local_epochs"


@dataclass(frozen=True)
class Imitated:
    """How clients train in each round.

    Args:
        remedies: as `federate` takes them, but for those of the server, which change no update.
        rounds: of the training, for the schedule of the learning rate; 0: not known.
        notes: where made-up clients do not do as the real ones.
    """

    recipe: Recipe
    local_epochs: int
    remedies: Sequence[Any]
    rounds: int
    notes: tuple[str, ...]

    def at(self, number: int) -> Mapping[str, Any]:
        """The arguments of `federate` for one round like this one."""
        recipe = at(self.recipe, number / self.rounds) if self.rounds else replace(self.recipe, schedule="constant")
        return {"recipe": recipe, EPOCHS: self.local_epochs, "remedies": self.remedies}


def imitated(
    says: Mapping[str, Any],
    *,
    records: int,
    recipe: Recipe | None,
    local_epochs: int | None,
    remedies: Sequence[Any] | None,
) -> Imitated:
    """What the trace says, but for what is given.

    Args:
        says: of the trace.
        records: of each made-up client.

    Raises:
        InputError: the trace names settings that no recipe can have.
    """
    known = _known(says)
    try:
        used = recipe or replace(FEDAVG, **{name: value for name, value in known.items() if name != EPOCHS})
        epochs = local_epochs or int(known.get(EPOCHS, 1))
    except (InputError, TypeError, ValueError) as problem:
        raise InputError(
            f"The trace must name settings that a recipe can have, or `recipe` be given: {problem!s:.200}"
        ) from problem
    missing = [name for name in TOLD if name not in known and not recipe]
    missing += [EPOCHS] * (EPOCHS not in known and not local_epochs)
    given = {name: getattr(used, name) for name in TOLD} | {EPOCHS: epochs}
    others = [
        f"{name} {_shown(given[name])} in place of {_shown(value)}"
        for name, value in known.items()
        if _plain(name, given[name], records) != _plain(name, value, records)
    ]
    helps, notes = _remedies(says, remedies)
    if missing:
        once = ", for one epoch" * (EPOCHS in missing)
        notes.insert(0, f"The trace does not say {', '.join(missing)}: there made-up clients do as `FEDAVG`{once}.")
    if others:
        notes.insert(0, f"Made-up clients do not train as the trace says: {', '.join(others)}.")
    rounds = planned if isinstance(planned := says.get("rounds"), int) else 0
    if used.schedule != "constant" and not rounds:
        notes.append(
            "The trace does not say how many rounds were planned: the learning rate of made-up clients stays the "
            "same in all rounds, where that of the real ones may fall."
        )
    return Imitated(used, epochs, helps, rounds, tuple(notes))


def _known(says: Mapping[str, Any]) -> dict[str, Any]:
    """What the trace says of the recipe and of epochs; one batch of all records stays that of smaller clients."""
    known = {name: says[name] for name in (*TOLD, EPOCHS) if name in says}
    if EPOCHS in known and says.get("local_steps") == known[EPOCHS]:
        known["batch_size"] = ALL
    return known


def _shown(value: Any) -> str:
    return "of all records" if value == ALL else repr(value)


def _plain(name: str, value: Any, records: int) -> Any:
    """As settings are compared: those that do the same are the same."""
    if name == "batch_size" and isinstance(value, int):
        return min(value, records)
    return list(value) if isinstance(value, list | tuple) else value


def _remedies(says: Mapping[str, Any], given: Sequence[Any] | None) -> tuple[list[Any], list[str]]:
    """The remedies of made-up clients, and where these are not those of the trace."""
    said = [str(one) for one in says.get("remedies", ())]
    found = [(text, remade(text)) for text in said]
    of_server = {text for text, one in found if one is not None and not one.client}
    if given is None:
        kept = [one for _, one in found if one is not None and one.client]
        lost = [text for text, one in found if one is None]
        where = f"Made-up clients do without {', '.join(lost)}, as it cannot be made from its name. Give `remedies`."
        # what is guaranteed is not asked here, and takes its time
        return [replace(one, guarantee=None) for one in kept], [where] if lost else []
    kept = [one for one in given if not isinstance(one, Remedy) or one.client]
    if [str(one) for one in kept] == [text for text in said if text not in of_server]:
        return kept, []
    names = [", ".join(texts) or "none" for texts in ([str(one) for one in kept], said)]
    return kept, [f"Made-up clients do not help themselves as the trace says: {names[0]} in place of {names[1]}."]
