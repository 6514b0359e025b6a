"""Fewer epochs: training ends before single records are learned by heart."""

from dataclasses import replace
from functools import partial

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.training import Defense, Recipe


def early_stopping(*, epochs: int) -> Defense:
    """A defense that trains for fewer epochs, and lets the learning rate fall within these.

    It costs nothing but accuracy, so that any other defense is to be held against it.

    Args:
        epochs: at most as many as the recipe has.
    """
    return Defense(
        "early_stopping",
        {"epochs": epochs},
        recipe=partial(_fewer, epochs=epochs),
        says=f"Training ends after {epochs} epochs.",
    )


def _fewer(recipe: Recipe, epochs: int) -> Recipe:
    if not 1 <= epochs <= recipe.epochs:
        raise InputError(
            f"`epochs` of early_stopping must be at least 1 and at most the recipe's {recipe.epochs}, found {epochs!r}."
        )
    return replace(recipe, epochs=epochs)
