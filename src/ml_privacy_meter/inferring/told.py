"""What an attack says of itself."""

import inspect
from functools import partial
from typing import Any

from ml_privacy_meter.membership import describe


def told(attack: Any) -> tuple[str, str, str]:
    """An attack's name with its settings, what it does, and what it sees, by its docstring."""
    documented = attack.func if isinstance(attack, partial) else attack
    parts = [" ".join(part.split()) for part in inspect.cleandoc(documented.__doc__ or "Not said.").split("\n\n")]
    sees = [part.removeprefix("Sees: ") for part in parts if part.startswith("Sees: ")]
    return describe(attack), parts[0], sees[0] if sees else "Not said: the attack's docstring has no `Sees:`."
