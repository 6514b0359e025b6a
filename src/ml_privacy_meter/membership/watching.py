"""What somebody sees who watches a training, and the mark of attacks that do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ml_privacy_meter.types import Model


@dataclass(frozen=True)
class Update:
    """What was changed in the target's weights at some moment of its training.

    Args:
        model: as it stood before; a signal of it, `signals.update_alignment`, also knows what was changed.
        sent: the same without the change: other signals of it are those of other updates of the same weights.
        change: its weights after less its weights before, by name; read anew at every call.
        round: of federated training, or the number of the snapshot that it starts from; the first is 0.
        client: who changed them; empty where nobody in particular did.
    """

    model: Model
    sent: Model
    change: Callable[[], Mapping[str, Tensor]]
    round: int
    client: str = ""


def watches(what: str) -> Callable[[Any], Any]:
    """Marks an attack that was there while the target was trained, and saw its "snapshots" or its "updates"."""

    def mark(attack: Any) -> Any:
        attack.watches = what
        return attack

    return mark
