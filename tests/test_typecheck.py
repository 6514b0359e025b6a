"""Annotations are checked in tests: of a library that is under the hook, and of functions that are defined again."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float, TypeCheckError, jaxtyped
from torch import Tensor
from typecheck import check

from ml_privacy_meter.risk import auc


def within(kind: type) -> Callable[..., Any]:
    """A function within a function, of which each call makes another."""

    @jaxtyped(typechecker=check)
    def half(x: kind, each: Float[Tensor, "n"] | None = None, *, of: Float[Tensor, "n"] | None = None) -> float:
        return x / 2

    return half


def test_the_library_is_checked():
    with pytest.raises(TypeCheckError):
        auc("scores")


def test_a_function_within_another_is_checked_each_time_it_is_defined():
    for _ in range(3):
        assert within(float)(3) == 1.5  # an int may stand for a float
        with pytest.raises(TypeCheckError, match="parameter 'x'"):
            within(float)("three")
        with pytest.raises(TypeCheckError, match="return value"):
            within(np.ndarray)(np.ones(2))


def test_two_of_one_name_are_checked_each_by_its_own_annotations():
    assert within(int)(3) == within(float)(3.0) == 1.5
    with pytest.raises(TypeCheckError):
        within(int)(3.0)


def test_axes_of_one_name_are_of_one_length():
    for length in (2, 3):
        assert within(float)(1.0, torch.ones(length), of=torch.ones(length)) == 0.5
        with pytest.raises(TypeCheckError, match="of"):
            within(float)(1.0, torch.ones(length), of=torch.ones(length + 1))
