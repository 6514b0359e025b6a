"""Marks of what an attack or a signal reads of a model, and of what else an attack is shown."""

from collections.abc import Callable
from typing import Any

PARAMETERS = "parameters"


def sees_parameters(reads: Any) -> Any:
    """Marks an attack or a signal that reads the weights of models, and not their outputs alone."""
    reads.access = PARAMETERS
    return reads


def unless_empty(*settings: str) -> Callable[[Any], Any]:
    """Marks an attack on weights that reads outputs alone where all of these settings are empty.

    What it sees then, its docstring says under ``Sees from outside:``.
    """

    def mark(attack: Any) -> Any:
        attack.inside = settings
        return attack

    return mark


def needs_population(attack: Any) -> Any:
    """Marks an attack that learns from records of which it knows that the target was not trained on them."""
    attack.needs_population = True
    return attack


def needs_known(attack: Any) -> Any:
    """Marks an attack that learns from records of which it knows whether the target was trained on them."""
    attack.needs_known = True
    return attack


def in_folds(folds: int) -> Callable[[Any], Any]:
    """Marks an attack that needs a population, and is played in so many folds where there is none."""

    def mark(attack: Any) -> Any:
        attack.folds = folds
        return attack

    return mark
