"""Digits, learned with differential privacy by Opacus, and two mistakes that an audit of the claimed epsilon finds.

python examples/dp_digits.py

`train` claims epsilon 2 at delta 1e-5. Without noise, or with the gradient of the batch clipped in place of each
record's, it claims the same and is wrong.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from opacus import PrivacyEngine
from opacus.optimizers import DPOptimizer
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ml_privacy_meter.canaries import GradientCanaries
from ml_privacy_meter.claims import judge

DELTA = 1e-5


class NoNoise(DPOptimizer):
    def add_noise(self) -> None:
        for p in self.params:
            p.grad = p.summed_grad.clone()


class BatchClipping(DPOptimizer):
    """One record may make up all of what is clipped: noise for a single record's share does not hide it."""

    def clip_and_accumulate(self) -> None:
        means = [g.sum(0) / self.expected_batch_size for g in self.grad_samples]
        norm = torch.stack([mean.norm() for mean in means]).norm()
        for p, mean in zip(self.params, means, strict=True):
            p.summed_grad = mean * (self.max_grad_norm / norm).clamp(max=1) * self.expected_batch_size


def train(
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    *,
    epsilon: float = 2.0,
    epochs: int = 30,
    optimizer: type[DPOptimizer] = DPOptimizer,
    watch: Callable[[Any, float], Any] = lambda optimizer, sample_rate: None,
) -> nn.Module:
    """A network; ``watch`` is shown the optimizer and the sample rate before the first step."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    data = TensorDataset(torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y, dtype=torch.int64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Opacus: this noise is no cryptographer's; of torch: about its hooks
        private, steps, loader = PrivacyEngine(accountant="rdp").make_private_with_epsilon(
            module=model, optimizer=torch.optim.SGD(model.parameters(), lr=1.0), max_grad_norm=1.0,
            data_loader=DataLoader(data, batch_size=64), target_epsilon=epsilon, target_delta=DELTA, epochs=epochs,
        )  # fmt: skip
        steps.__class__ = optimizer
        watch(steps, 1 / len(loader))
        for _ in range(epochs):
            for some, labels in loader:
                steps.zero_grad()
                nn.functional.cross_entropy(private(some), labels).backward()
                steps.step()
    return model.eval()


if __name__ == "__main__":
    x, y = load_digits(return_X_y=True)
    held: list[GradientCanaries] = []
    for optimizer in (DPOptimizer, NoNoise, BatchClipping):
        train(x / 16, y, 0, optimizer=optimizer, watch=lambda opt, q: held.append(GradientCanaries(opt, sample_rate=q)))
        print(f"{optimizer.__name__}: {judge(held[-1].scores(), epsilon=2, delta=DELTA)}")
