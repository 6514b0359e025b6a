"""Wraps a model so that other probabilities are given in place of its own."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from ml_privacy_meter.targets import Opened
from ml_privacy_meter.training import Defense

SERVED = "This holds as long as the weights stay with whoever serves the model."


def answering(name: str, after: Callable[..., Tensor], *, says: str, **settings: Any) -> Defense:
    """A defense that gives ``after(probabilities, **settings)`` in place of the probabilities."""
    return Defense(
        name, settings, wrap=partial(_wrap, name=name, after=partial(after, **settings)), says=f"{says} {SERVED}"
    )


def _wrap(opened: Opened, x: Any, y: Any, seed: int, *, name: str, after: partial[Tensor]) -> Opened:
    said = f"{name}({', '.join(f'{key}={value!r}' for key, value in after.keywords.items())})"
    return replace(opened, after=after, after_key=said, after_says=said)
