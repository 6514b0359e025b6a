"""Labels that are less than sure."""

from functools import partial
from typing import Any

from jaxtyping import Float, Shaped
from torch import Tensor

from ml_privacy_meter._checks import in_range
from ml_privacy_meter.defenses.teaching import check_classes, log_probabilities, of_label
from ml_privacy_meter.training import Defense
from ml_privacy_meter.training.fit import State, fit_models


def label_smoothing(*, share: float = 0.1) -> Defense:
    """A defense that spreads a share of each label evenly over all classes.

    It is here because many use it: where it was measured it made models more exact and leak more, since the pattern of
    the small probabilities, too, is learned from the members.

    Source: Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016.

    Args:
        share: in (0, 1).
    """
    in_range(0, 1, share=share)
    return Defense(
        "label_smoothing",
        {"share": share},
        fit=partial(_fit, share=share),
        says=f"Labels are smoothed by a share of {share:g}, which is not known to keep anybody from anything.",
    )


def _fit(recipe: Any, build: Any, x: Any, y: Tensor, *rest: Any, share: float, **named: Any) -> list[State]:
    check_classes("label_smoothing", y)
    return fit_models(recipe, build, x, y, *rest, losses=(partial(_loss, share=share),), **named)


def _loss(
    answer: Float[Tensor, "models batch outputs"], y: Shaped[Tensor, "models batch"], *, share: float
) -> Float[Tensor, ""]:
    logs = log_probabilities(answer)
    return -((1 - share) * of_label(logs, y) + share * logs.mean(2)).mean(1).sum()
