"""A guarantee, by the settings that name it."""

from collections.abc import Callable, Sequence

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.guarantees.guarantee import Guarantee, approximate, gaussian
from ml_privacy_meter.guarantees.sgd import dp_sgd

PLAN = {"noise_multiplier", "sample_rate", "steps"}
KINDS: list[tuple[set[str], Callable[..., Guarantee]]] = [
    ({"epsilon", "delta"}, approximate),
    ({"mu"}, gaussian),
    (PLAN, dp_sgd),
    ({*PLAN, "delta"}, dp_sgd),
]


def declared(
    *,
    epsilon: float | Sequence[float] | None = None,
    delta: float | Sequence[float] | None = None,
    mu: float | None = None,
    noise_multiplier: float | None = None,
    sample_rate: float | None = None,
    steps: int | None = None,
) -> Guarantee:
    """The guarantee that these settings name: those of `approximate`, of `gaussian` or of `dp_sgd`.

    Raises:
        InputError: the settings are those of none of the three, or of several.
    """
    given = {name: value for name, value in locals().items() if value is not None}
    for names, kind in KINDS:
        if given.keys() == names:
            return kind(**given)
    raise InputError(
        "A guarantee is named by `epsilon` and `delta` (0 where it is pure), by `mu`, or by `noise_multiplier`, "
        f"`sample_rate` and `steps` (and `delta`), found {', '.join(given) or 'nothing'}. Name one of the three."
    )
