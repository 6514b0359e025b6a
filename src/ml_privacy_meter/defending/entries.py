"""What is tried: the user's model, its recipe without a defense, and each defense of a grid."""

import contextlib
import inspect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml_privacy_meter import defenses
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.training import Defense, Recipe

NONE, AGAIN, MODEL, DEFENSE = "none", "again", "model", "defense"
NAMES = {NONE: "none", AGAIN: "none, trained again", MODEL: "your model"}
USUAL: dict[str, tuple[dict[str, Any], ...]] = {  # tried where none are named, as far as they are there
    "l2": ({},),
    "relaxloss": ({"alpha": 0.5}, {"alpha": 1.0}),
    "clipping": ({},),
    "dp_sgd": ({"epsilon": 8.0},),
    "label_only": ({},),
    "rounding": ({"digits": 1},),
}


@dataclass(frozen=True)
class Entry:
    """One model that is attacked.

    Args:
        kind: "none": the recipe as it is; "again": the same with another seed; "model": the user's own, as it stands;
            "defense".
    """

    name: str
    kind: str
    defense: Defense | None = None

    @property
    def trains(self) -> bool:
        """Whether a model is trained in another way than the recipe's."""
        return self.defense is not None and self.defense.trains

    @property
    def wraps(self) -> bool:
        """Whether others answer in the model's place, which whoever has the weights need not ask."""
        return self.defense is not None and self.defense.wrap is not None


def entries_of(tried: Sequence[Any]) -> list[Entry]:
    """The entries of a grid, the models without a defense first.

    Raises:
        InputError: nothing is to be tried, what is no defense, or one twice.
    """
    if not tried:
        raise InputError("There must be a defense to try, found none. Name some of: " + ", ".join(defenses.__all__))
    for one in tried:
        if not isinstance(one, Defense):
            raise InputError(
                f"What is tried must be a `Defense`, found {one!r:.80}. Make it, as in defenses.rounding(digits=1)."
            )
    twice = [name for name, many in Counter(map(str, tried)).items() if many > 1]
    if twice:
        raise InputError(f"Each defense is tried once, found {twice[0]} twice. Leave out what is the same.")
    short = [label(one) for one in tried]
    names = [name if short.count(name) == 1 else str(one) for name, one in zip(short, tried, strict=True)]
    bare = [Entry(NAMES[kind], kind) for kind in (NONE, AGAIN, MODEL)]
    return bare + [Entry(name, DEFENSE, one) for name, one in zip(names, tried, strict=True)]


def label(defense: Defense) -> str:
    """What it is called in a table: with the settings that are not those of its function."""
    known = inspect.signature(getattr(defenses, defense.name, _nothing)).parameters
    defaults = {name: of.default for name, of in known.items()}
    said = [
        f"{name}={value!r}"
        for name, value in defense.settings.items()
        if name != "public" and (name not in defaults or defaults[name] != value)
    ]
    return f"{defense.name}({', '.join(said)})" if said else defense.name


def usual(train: Any) -> list[Defense]:
    """A small grid of what can be tried without further settings: early stopping, and some of each other kind.

    Args:
        train: how the target is trained; what changes a training needs a `Recipe`.
    """
    made: list[Defense] = []
    if isinstance(train, Recipe):
        fewer = dict.fromkeys(max(1, train.epochs // part) for part in (4, 2))
        made = [defenses.early_stopping(epochs=epochs) for epochs in fewer if epochs < train.epochs]
    for name in (name for name in USUAL if name in defenses.__all__):
        function = getattr(defenses, name)
        required = {p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty}
        with contextlib.suppress(InputError):  # its package is not installed
            made += [function(**settings) for settings in USUAL[name] if required <= settings.keys()]
    return [one for one in made if isinstance(train, Recipe) or not one.trains]


def _nothing() -> None:
    """Stands for a defense that is not one of this package."""
