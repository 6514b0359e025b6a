"""Small weights: what is learned must be worth its size."""

from dataclasses import replace
from functools import partial

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.training import Defense, Recipe


def l2(*, strength: float = 1e-3) -> Defense:
    """A defense that draws all weights towards zero while they are trained.

    Args:
        strength: how much of each weight is added to its gradient (sgd, adam), or taken from it at each step, times
            the learning rate (adamw); more than the recipe's own `weight_decay`.
    """
    in_range(0, float("inf"), strength=strength)
    return Defense(
        "l2",
        {"strength": strength},
        recipe=partial(_decayed, strength=strength),
        says=f"Weights are drawn towards zero with a strength of {strength:g}.",
    )


def _decayed(recipe: Recipe, strength: float) -> Recipe:
    if strength <= recipe.weight_decay:
        raise InputError(
            f"`strength` of l2 must be more than the recipe's own `weight_decay` of {recipe.weight_decay:g}, found "
            f"{strength!r}. Choose a larger one."
        )
    return replace(recipe, weight_decay=strength)
