"""What it costs to keep a trace: peak memory, disk, and time beside that of the training alone.

python benchmarks/federated_trace.py            # a fifth of the rounds
python benchmarks/federated_trace.py --full     # 100 rounds x 10 clients x 1 million weights: 4.2 GB of disk

The clock of the writer runs within the training, so that whatever else the machine does slows down both. What the
operating system writes to disk later than it says counts where it makes the writer wait. The trace lies in a temporary
folder, and is taken away.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from ml_privacy_meter.federated import federate
from ml_privacy_meter.traces import TraceWriter


def model(weights: int) -> nn.Module:
    """A network of two layers with about so many weights."""
    torch.manual_seed(0)
    hidden = weights // (256 + 10 + 1)
    return nn.Sequential(nn.Linear(256, hidden), nn.ReLU(), nn.Linear(hidden, 10))


def measured(rounds: int, clients: int, weights: int, records: int) -> str:
    """One training with its trace, in words."""
    x, y = torch.randn(clients, records, 256), torch.randint(10, (clients, records))
    network, begun, spent = model(weights), peak(), [0.0]
    add = TraceWriter.add

    def timed(*given: Any, **named: Any) -> None:
        started = time.perf_counter()
        add(*given, **named)
        spent[0] += time.perf_counter() - started

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(TraceWriter, "add", timed):
        given = {f"client {k}": (x[k], y[k]) for k in range(clients)}
        trace = federate(network, given, to=folder, rounds=rounds, device="cpu")
        took = time.perf_counter() - started
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 2**20
    held = sum(weight.numel() for weight in network.parameters())
    return (
        f"{rounds} rounds x {clients} clients x {held:,} weights, {trace.says['local_steps']} local steps: "
        f"{took:.1f} s, of which {spent[0]:.1f} s to write {size:,.0f} MB: {took / (took - spent[0]):.2f} times the "
        f"training alone; peak memory {peak():.0f} MB, {begun:.0f} MB before it began"
    )


def peak() -> float:
    """Of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--weights", type=int, default=1_000_000)
    parser.add_argument("--records", type=int, default=320, help="of each client, in batches of 32")
    given = parser.parse_args()
    rounds = given.rounds or (100 if given.full else 20)
    print(measured(rounds, given.clients, given.weights, given.records))


if __name__ == "__main__":
    main()
