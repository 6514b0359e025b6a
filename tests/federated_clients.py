"""Small clients for tests: records, and networks that learn them."""

from pathlib import Path

import torch
from torch import Tensor, nn

from ml_privacy_meter.traces import Trace

Pair = tuple[Tensor, Tensor]


def clients(*sizes: int, seed: int = 0) -> dict[str, Pair]:
    """Clients a, b, ... with so many records of 5 numbers and 3 classes."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: (torch.randn(size, 5, generator=generator), torch.randint(3, (size,), generator=generator))
        for name, size in zip("abcdefgh", sizes, strict=False)
    }


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 3))


def normalised() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def close(a: dict[str, Tensor], b: dict[str, Tensor], *, atol: float = 1e-5) -> bool:
    return a.keys() == b.keys() and all(torch.allclose(a[n].double(), b[n].double(), atol=atol) for n in a)


def files(trace: Trace | Path) -> dict[str, bytes]:
    folder = trace.folder if isinstance(trace, Trace) else trace
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
