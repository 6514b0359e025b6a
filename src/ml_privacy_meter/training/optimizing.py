"""The optimizer of a recipe, and its learning rate as training goes on."""

import math

import torch
from torch import Tensor

from ml_privacy_meter.training.recipe import Recipe


def optimizer_of(recipe: Recipe, weights: list[Tensor]) -> torch.optim.Optimizer:
    """The recipe's optimizer of these weights."""
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            weights, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, fused=True
        )
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(weights, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)


def schedule(recipe: Recipe, optimizer: torch.optim.Optimizer, done: float) -> None:
    """Sets the learning rate for when this share of the training is done."""
    if recipe.schedule == "cosine":
        for part in optimizer.param_groups:
            part["lr"] = recipe.lr * (1 + math.cos(math.pi * done)) / 2
