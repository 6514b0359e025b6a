"""A short FedAvg by hand, written as a trace: so that these tests do not hang on the loop of `federated`."""

from pathlib import Path

import torch
from torch import Tensor, nn

from ml_privacy_meter.traces import Trace, TraceWriter

Data = tuple[Tensor, Tensor]


def data(records: int, seed: int, classes: int = 4) -> Data:
    """Records of 20 numbers whose labels say nothing of them: what is known of a label was learned by heart."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(records, 20, generator=rng), torch.randint(classes, (records,), generator=rng)


def network(seed: int = 0, classes: int = 4) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, classes))


def trained(model: nn.Module, x: Tensor, y: Tensor, steps: int = 5, lr: float = 0.5) -> dict[str, Tensor]:
    """The model's weights after some steps of gradient descent on all these records."""
    optimizer = torch.optim.SGD(model.parameters(), lr)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def trace(to: Path, clients: dict[str, Data], rounds: int = 4, absent: dict[int, str] | None = None) -> Trace:
    """The trace of a training of these clients; in some rounds, one of them is absent."""
    writer, model, missing = TraceWriter(to, {}), network(), absent or {}
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    for number in range(rounds):
        updates = {}
        for client, (x, y) in clients.items():
            if missing.get(number) != client:
                model.load_state_dict(weights)
                after = trained(model, x, y)
                updates[client] = {name: after[name] - weights[name] for name in weights}
        counts = {client: len(clients[client][0]) for client in updates}
        writer.add(weights, updates, counts=counts)
        total = sum(counts.values())
        weights = {
            name: value + sum(counts[c] / total * updates[c][name] for c in updates) for name, value in weights.items()
        }
    return writer.finish(weights)
