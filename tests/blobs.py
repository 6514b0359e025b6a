"""Small images, networks without kinks and what their clients send back."""

from typing import Any

import torch
from torch import Tensor, nn

from ml_privacy_meter.reconstruction import View


def images(count: int, *, seed: int = 0, side: int = 8) -> Tensor:
    """Blobs at random places, in [0, 1], one channel."""
    draw = torch.Generator().manual_seed(seed)
    centre, width = torch.rand(count, 2, 3, generator=draw) * side, 0.8 + torch.rand(count, 1, 3, generator=draw)
    at = torch.arange(side) + 0.5
    y, x = ((at[:, None] - centre[:, [axis]]) ** 2 / width**2 for axis in (0, 1))
    return torch.exp(-y[:, :, None] - x[:, None]).sum(-1).clamp(max=1)[:, None]


def smooth(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(512, 4))


def linear(seed: int = 0, hidden: int = 64) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 4))


def gradient(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    loss = nn.functional.cross_entropy(model(x), y)
    names = [name for name, _ in model.named_parameters()]
    return dict(zip(names, torch.autograd.grad(loss, [*model.parameters()]), strict=True))


def trained(model: nn.Module, x: Tensor, y: Tensor, *, lr: float, steps: int, batch_size: int) -> dict[str, Tensor]:
    """What plain SGD changes, by torch's own optimizer, in a copy."""
    import copy

    local = copy.deepcopy(model).train()
    optimizer = torch.optim.SGD(local.parameters(), lr=lr)
    batches = torch.arange(len(x)).split(batch_size)
    for step in range(steps):
        rows = batches[step % len(batches)]
        optimizer.zero_grad()
        nn.functional.cross_entropy(local(x[rows]), y[rows]).backward()
        optimizer.step()
    before = model.state_dict()
    return {name: (value - before[name]).detach() for name, value in local.state_dict().items()}


def seen(model: nn.Module, x: Tensor, y: Tensor, **settings: Any) -> View:
    """The view of who was sent the gradient of these records."""
    return View(model, gradient(model, x, y), len(x), images(200, seed=99), **settings)
