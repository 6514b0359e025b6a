"""What a trace adds to the time of a Flower training: ten rounds of examples/flower_audit.py, with it and without.

python benchmarks/flower.py                  # clients are called in this process
python benchmarks/flower.py --simulation     # Flower's own simulation, with ray
python benchmarks/flower.py --width 16384    # a network of 1.2 million weights
"""

import argparse
import logging
import runpy
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import torch

from ml_privacy_meter.federated import flower

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "flower_audit.py"


def seconds(example: dict[str, Any], traces: bool, simulation: bool) -> tuple[float, int]:
    """The time of one training, and the bytes of its trace: of the processor, as far as all is in this process."""
    clock = time.perf_counter if simulation else time.process_time
    apps, clients = (example["server_app"], example["client_app"]), example["CLIENTS"]
    watched = flower.traced if traces else lambda strategy, **_: strategy
    scope = example["serve"].__globals__
    with tempfile.TemporaryDirectory() as folder, patch.dict(scope, TO=folder), patch.object(flower, "traced", watched):
        begin = clock()
        if simulation:
            example["run_simulation"](*apps, num_supernodes=clients)
        else:
            flower.simulate(*apps, clients=clients)
        return clock() - begin, sum(file.stat().st_size for file in Path(folder).iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulation", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--width", type=int, default=128)
    args = parser.parse_args()
    if find_spec("flwr") is None:
        print("Flower is not installed: pip install 'ml-privacy-meter[flower]'")
        return
    example = runpy.run_path(str(EXAMPLE))
    logging.getLogger("flwr").setLevel(logging.ERROR)  # which Flower sets when it is imported

    def network() -> torch.nn.Module:
        torch.manual_seed(0)
        layers = torch.nn.Linear(64, args.width), torch.nn.ReLU(), torch.nn.Linear(args.width, 10)
        return torch.nn.Sequential(*layers)

    example["serve"].__globals__["network"] = network
    weights = sum(value.numel() for value in network().parameters())
    print(f"{example['ROUNDS']} rounds, {example['CLIENTS']} clients, {weights:,} weights; {args.runs} runs each")
    runs: dict[bool, list[tuple[float, int]]] = {False: [], True: []}
    for _ in range(args.runs):
        for traces, found in runs.items():
            found.append(seconds(example, traces, args.simulation))
    for traces, found in runs.items():
        took = sorted(run[0] for run in found)
        name, size = ("with a trace", f", {found[0][1] / 1e6:.1f} MB") if traces else ("without", "")
        print(f"{name:>12}: {median(took):.1f} s ({took[0]:.1f} to {took[-1]:.1f}){size}")


if __name__ == "__main__":
    main()
