"""Trainings with Opacus on a few records, for tests: as they should be, and with mistakes."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from opacus import PrivacyEngine
from opacus.optimizers import DPOptimizer
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

CLIP = 1.0


class NoNoise(DPOptimizer):
    def add_noise(self) -> None:
        for p in self.params:
            p.grad = p.summed_grad.clone()


class BatchClipping(DPOptimizer):
    """The mean gradient of the batch is clipped, as large as it then is."""

    def clip_and_accumulate(self) -> None:
        means = [g.sum(0) / self.expected_batch_size for g in self.grad_samples]
        norm = torch.stack([mean.norm() for mean in means]).norm()
        for p, mean in zip(self.params, means, strict=True):
            p.summed_grad = mean * (self.max_grad_norm / norm).clamp(max=1) * self.expected_batch_size


def digits(count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    return (x[:count] / 16).astype(np.float32), y[:count]


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of Opacus that its noise is no cryptographer's, and of torch about its hooks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def fit(
    watch: Callable[[Any, float], Any] = lambda optimizer, rate: None,
    *,
    noise: float = 1.0,
    epochs: int = 5,
    batch: int = 40,
    optimizer: type[DPOptimizer] = DPOptimizer,
    each_step: Callable[[Any], Any] = lambda optimizer: None,
    mode: str = "hooks",
    poisson: bool = True,
) -> nn.Module:
    """A network; ``watch`` is shown the optimizer and the sample rate before the first step."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    data = TensorDataset(*map(torch.from_numpy, digits()))
    with quiet():
        private, steps, loader, *_ = PrivacyEngine().make_private(
            module=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.5),
            data_loader=DataLoader(data, batch_size=batch),
            noise_multiplier=noise,
            max_grad_norm=CLIP,
            grad_sample_mode=mode,
            poisson_sampling=poisson,
        )
        if optimizer is not DPOptimizer:
            steps.__class__ = optimizer
        watch(steps, 1 / len(loader))
        for _ in range(epochs):
            for x, y in loader:
                steps.zero_grad()
                nn.functional.cross_entropy(private(x), y).backward()
                each_step(steps)
                steps.step()
    return model
