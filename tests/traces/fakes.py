"""Federated averaging in as few lines as it takes, to have traces to look at."""

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from ml_privacy_meter.traces import Trace, TraceWriter

Sides = dict[str, tuple[Tensor, Tensor]]


def clients(count: int = 2, records: int = 40, width: int = 60, classes: int = 3, seed: int = 0) -> Sides:
    """Features without meaning and labels at random; as many for ``nobody``, who takes no part."""
    rng = torch.Generator().manual_seed(seed)
    names = [*(f"client-{i}" for i in range(count)), "nobody"]
    return {
        name: (torch.randn(records, width, generator=rng), torch.randint(classes, (records,), generator=rng))
        for name in names
    }


def mlp(width: int = 60, classes: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(width, 16), nn.ReLU(), nn.Linear(16, classes))


def fedavg(model: nn.Module, sides: Sides, to: Path, *, rounds: int = 6, steps: int = 4, lr: float = 0.2) -> Trace:
    """The trace of all of them but ``nobody``; the model has the final weights afterwards."""
    writer = TraceWriter(to, {"lr": lr, "local_steps": steps})
    for _ in range(rounds):
        before, updates = copy.deepcopy(model.state_dict()), {}
        for name in (name for name in sides if name != "nobody"):
            model.load_state_dict(before)
            optimizer = torch.optim.SGD(model.parameters(), lr=lr)
            for _ in range(steps):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(sides[name][0]), sides[name][1]).backward()
                optimizer.step()
            updates[name] = {key: value - before[key] for key, value in copy.deepcopy(model.state_dict()).items()}
        writer.add(before, updates)
        mean = {key: sum(update[key] for update in updates.values()) / len(updates) for key in before}
        model.load_state_dict({key: before[key] + mean[key] for key in before})
    return writer.finish(model.state_dict())
