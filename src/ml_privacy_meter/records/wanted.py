"""Which arrays or columns of the user's data are features, label, id, groups and outputs."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ml_privacy_meter._checks import InputError

LABELS = ("y", "Y", "label", "labels", "target", "targets")
FEATURES = ("x", "X", "data", "features", "images", "inputs")
TEXTS = ("text", "prefix")  # the columns that a language model is asked about, the second where there is one
IDS = ("id", "ids", "ID", "__index_level_0__", "Unnamed: 0", "")  # the last three: how pandas writes its index

Names = str | Sequence[str]


@dataclass(frozen=True)
class Wanted:
    """The settings of `load`, as the user gave them."""

    features: Names | None = None
    label: str | None = None
    id: str | None = None
    groups: Names = ()
    drop: Names = ()
    probabilities: Names | None = None
    logits: Names | None = None
    size: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if self.probabilities and self.logits:
            raise InputError("Give either `probabilities` or `logits`: both say what the target model answered.")

    def refuse(self, *settings: str, where: str) -> None:
        """Raises `InputError` if one of these settings was given: it has no meaning ``where``."""
        for setting in settings:
            if getattr(self, setting):
                raise InputError(f"`{setting}` has no meaning for {where}. Leave it out.")


@dataclass(frozen=True)
class Columns:
    """What each column of a table is for."""

    features: tuple[str, ...]
    label: str | None
    id: str | None
    groups: tuple[str, ...]
    outputs: tuple[str, ...]
    gives: str

    @property
    def all(self) -> list[str]:
        single = [name for name in (self.label, self.id) if name is not None]
        return list(dict.fromkeys([*self.features, *single, *self.groups, *self.outputs]))


def columns_of(names: Sequence[str], wanted: Wanted, where: str, *, labelled: bool = False) -> Columns:
    """What each of the columns ``names`` is for.

    Args:
        labelled: the labels came by another way than a column.

    Raises:
        InputError: a column that was named is not there, or none looks like the label.
    """
    twice = [name for name in dict.fromkeys(names) if list(names).count(name) > 1]
    if twice:
        raise InputError(f"Columns must have names of their own, found {_quoted(twice)} twice in {where}. Rename one.")
    label = None if labelled else chosen(wanted.label, LABELS, names, "label", where)
    texts = label is None and not labelled and TEXTS[0] in names
    if label is None and not labelled and not texts:
        raise InputError(
            f"{where} needs a label column: none is called {_quoted(LABELS)}. Name it with `label`. {_there(names)}"
        )
    id = chosen(wanted.id, IDS, names, "id", where)
    groups = picked(wanted.groups, names, "groups", where)
    gives = "probabilities" if wanted.probabilities else "logits" if wanted.logits else ""
    outputs = picked(wanted.probabilities or wanted.logits or (), names, gives, where)
    other = {label, id, *outputs, *picked(wanted.drop, names, "drop", where)}
    features = picked(wanted.features or (), names, "features", where)
    if wanted.features is None and texts:
        features = tuple(name for name in TEXTS if name in names)
    elif wanted.features is None:
        features = tuple(name for name in names if name not in other)
    if not features and not outputs:
        raise InputError(f"{where} has no feature columns left. {_there(names)}")
    return Columns(features, label, id, groups, outputs, gives)


def chosen(given: str | None, usual: Sequence[str], names: Sequence[str], setting: str, where: str) -> str | None:
    """The name that the user gave for ``setting``, or the usual one that is there; None without either.

    Raises:
        InputError: the name given is not there, or several of the usual ones are.
    """
    if given is not None:
        return picked(given, names, setting, where)[0]
    found = [name for name in usual if name in names]
    if len(found) > 1:
        raise InputError(f"{where} has {_quoted(found)}: say which one is meant with `{setting}`.")
    return found[0] if found else None


def picked(given: Names, names: Sequence[str], setting: str, where: str) -> tuple[str, ...]:
    """The names that the user gave for ``setting``, each of which is there, or it is an `InputError`."""
    given = (given,) if isinstance(given, str) else tuple(given)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise InputError(f"`{setting}` names `{name}`, which {where} does not have.{hint} {_there(names)}")
    return given


def _there(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - 30} more" if len(names) > 30 else ""
    return f"It has: {', '.join(names[:30])}{more}."


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
