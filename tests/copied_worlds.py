"""Worlds in which it is known whether a model can be copied."""

from functools import partial

import numpy as np
import torch
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from ml_privacy_meter import extraction
from ml_privacy_meter.extraction import Door, ExtractionGame, Held, View

WIDE, CLASSES = 5, 3


def points(count, seed, wide=WIDE):
    return torch.randn(count, wide, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def softmax_regression(seed=0, classes=CLASSES, wide=WIDE):
    """Points -> probabilities, with its weights and biases."""
    rng = torch.Generator().manual_seed(seed)
    weight = torch.randn(wide, classes, generator=rng, dtype=torch.float64)
    bias = torch.randn(classes, generator=rng, dtype=torch.float64)
    return (lambda x: (x @ weight + bias).softmax(1)), weight, bias


def decision_tree(seed=0, leaves=6, wide=3):
    """Points -> probabilities, which tell all leaves apart."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(400, wide)), rng.integers(2, size=400)
    fitted = DecisionTreeClassifier(max_leaf_nodes=leaves, min_samples_leaf=20, random_state=seed).fit(x, y)
    return (lambda asked: torch.from_numpy(fitted.predict_proba(asked.numpy()))), fitted


def game(
    serve, *, classes=CLASSES, soft=True, decimals=None, learner="linear", seed=0, wide=WIDE, whole=False, pool=300
):
    """The game of copying what is served, with public records and held points of one kind."""
    public, held = points(pool, seed + 1, wide), points(400, seed + 2, wide)
    public, held = (part.round() if whole else part for part in (public, held))
    learn = partial(getattr(extraction, learner), classes=classes > 0)
    bounds = public.amin(0), public.amax(0)
    view = View(Door(serve, 0), public, *bounds, torch.full((wide,), whole), classes, soft, decimals, learn, seed)
    return ExtractionGame(serve, view, {"held": Held(held, serve(held), serve(held))}, 1e-6)


class Constant(nn.Module):
    """Says one thing of all."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.tensor([0.0, 2.0, 1.0]))

    def forward(self, x):
        return self.bias.expand(len(x), 3)


class Hashed(nn.Module):
    """Answers each point as if at random, but always alike: nothing that is learned at one point helps at another."""

    def __init__(self, seed, wide=WIDE):
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(wide, 3, generator=rng, dtype=torch.float64) * 1e5)

    def forward(self, x):
        return 4 * torch.sin(x.double() @ self.weight)
