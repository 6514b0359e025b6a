"""Small worlds for an adversary who knows all training records but one."""

from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from torch import Tensor

from ml_privacy_meter.reconstruction import InformedGame, InformedView, Linear, range_of


def drawn(count: int, *, seed: int = 0, width: int = 6, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Features in [0, 1], which lie elsewhere for each class."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % classes
    centre = np.random.default_rng(99).uniform(0.3, 0.7, (classes, width))
    return torch.tensor((centre[y] + rng.normal(0, 0.1, (count, width))).clip(0, 1)), torch.tensor(y)


X, Y = drawn(60)
PUBLIC = drawn(40, seed=1)


def exact(**settings: Any) -> LogisticRegression:
    """A classifier whose training goes on to its optimum."""
    return LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=200, **settings)


def numbers(model: Any) -> Tensor:
    """What it learned, as `Linear` reads it, or all of it."""
    if isinstance(model, GaussianNB):
        return torch.tensor(np.concatenate([model.class_prior_, model.theta_.ravel(), model.var_.ravel()]))
    return torch.tensor(np.concatenate([model.coef_, model.intercept_[:, None]], 1).ravel())


def game(
    place: int,
    *,
    model: Any = None,
    y: Tensor = Y,
    linear: Linear | None = None,
    noise: float = 0.0,
    trained: bool = True,
    **settings: Any,
) -> InformedGame:
    """The game about one record; not ``trained``: the model never saw it."""
    model, others = model or exact(), np.arange(len(X)) != place
    held = np.ones(len(X), dtype=bool) if trained else others
    released = numbers(model.fit(X[held].numpy(), y[held].numpy()))
    released = released + noise * torch.randn(released.shape, generator=torch.Generator().manual_seed(place))
    if isinstance(model, LogisticRegression) and linear is None:
        linear = Linear(model.coef_.shape[0], True, 1.0)
    view = InformedView(
        released.double()[None],
        X[others],
        y[others],
        *PUBLIC,
        range_of(X, (0, 1)),
        noise=noise,
        linear=linear,
        **settings,
    )
    return InformedGame(view, X[[place]])


def again(model: Any, place: int, y: Tensor = Y) -> Any:
    """Training on all records but this one, and one more."""
    others = np.arange(len(X)) != place

    def refit(own: Tensor, labels: Tensor) -> Tensor:
        sets = (
            ([*X[others].numpy(), a.numpy()], [*y[others].numpy(), b]) for a, b in zip(own, labels.numpy(), strict=True)
        )
        return torch.stack([numbers(model.fit(np.array(a), np.array(b))) for a, b in sets])

    return refit
