"""Digits, learned with differential privacy by Opacus; and two mistakes that an audit of epsilon should find.

    privacy-meter audit-dp --data demo/train.npz --train dp_digits:train --epsilon 2 --delta 1e-5 --out claim

`train` claims epsilon 2 at delta 1e-5. `no_noise` and `batch_clipping` make the same claim, and break it.
"""

import functools
import warnings

import numpy as np
import torch
from opacus import PrivacyEngine
from opacus.optimizers import DPOptimizer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import ml_privacy_meter as pm

DELTA = 1e-5


class NoNoise(DPOptimizer):
    """The noise left out."""

    def add_noise(self):
        for p in self.params:
            p.grad = p.summed_grad.clone()


class BatchClipping(DPOptimizer):
    """The mean gradient of the batch is clipped, and not each record's: one record may fill the whole of it."""

    def clip_and_accumulate(self):
        means = [g.sum(0) / self.expected_batch_size for g in self.grad_samples]
        norm = torch.stack([mean.norm() for mean in means]).norm()
        for p, mean in zip(self.params, means, strict=True):
            p.summed_grad = mean * (self.max_grad_norm / norm).clamp(max=1) * self.expected_batch_size


def train(x, y, seed, *, epsilon=2.0, epochs=30, rate=1.0, batch=64, optimizer=DPOptimizer, canaries=None):
    """A network trained with DP-SGD at this epsilon; without clipping and noise where it is None.

    ``canaries``, if given, is called with the optimizer and the sample rate before the first step.
    """
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    steps = torch.optim.SGD(model.parameters(), lr=rate)
    data = TensorDataset(torch.as_tensor(np.asarray(x), dtype=torch.float32), torch.as_tensor(np.asarray(y)).long())
    loader = DataLoader(data, batch_size=batch, shuffle=True)
    private, opt, loader = private_parts(model, steps, loader, epsilon, epochs, optimizer)
    if canaries is not None:
        canaries(opt, 1 / len(loader))
    for _ in range(epochs):
        for xs, ys in loader:
            opt.zero_grad()
            nn.functional.cross_entropy(private(xs), ys).backward()
            opt.step()
    return model.eval()


def private_parts(model, steps, loader, epsilon, epochs, optimizer):
    if epsilon is None:
        return model, steps, loader
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the noise is not of cryptographic quality
        private, opt, loader = PrivacyEngine(accountant="rdp").make_private_with_epsilon(
            module=model, optimizer=steps, data_loader=loader,
            target_epsilon=epsilon, target_delta=DELTA, epochs=epochs, max_grad_norm=1.0,
        )
    opt.__class__ = optimizer
    return private, opt, loader
