"""Records and models that the tests of this room share."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ml_privacy_meter.types import Records


def records(x: Any, y: Any, prefix: str = "r") -> Records:
    return Records(x=x, y=y, id=np.array([f"{prefix}{i}" for i in range(len(y))]))


def both(features: int = 5, classes: int = 3, size: int = 40, seed: int = 0) -> tuple[Records, Records]:
    """Members and non-members with random features and labels that cover every class."""
    draw = torch.Generator().manual_seed(seed)
    made = []
    for prefix in ("m", "n"):
        x = torch.randn(size, features, generator=draw)
        made.append(records(x, torch.arange(size) % classes, prefix))
    return made[0], made[1]


def network(features: int = 5, outputs: int = 3, seed: int = 1) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(features, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, outputs))


def logits(module: nn.Module, x: Tensor) -> Tensor:
    training = module.training
    module.eval()
    with torch.no_grad():
        answer = module(x)
    module.train(training)
    return answer


def export(module: nn.Module, x: Tensor, path: Path, *, dynamic: bool = True) -> Path:
    shapes = ({0: torch.export.Dim("records")},) if dynamic else None
    torch.export.save(torch.export.export(module.eval(), (x,), dynamic_shapes=shapes), path)
    return path
