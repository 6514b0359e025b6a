"""What helps in federated learning, and what it costs: the same attacks on the same digits, with each remedy in turn.

python benchmarks/federated_remedies.py             # two seeds
python benchmarks/federated_remedies.py --seeds 5   # the table of docs/federated.md

Four clients hold 150 records each and train for 30 rounds. The attacks are the plainest of their kind, in a few lines,
so that the table does not hang on the settings of better ones: the loss of the final model; losses summed over the
global models of all rounds; how far a client's updates point to where a record's loss falls; which client's models fit
a record best; and reading a single record off the update of the first layer. Membership is asked for each client by
itself, against records that nobody holds; the last third of the digits measures accuracy. Each seed draws the records,
their split and the network anew.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from ml_privacy_meter import defenses
from ml_privacy_meter.federated import (
    FEDAVG,
    central_dp,
    clipped_updates,
    federate,
    fedsgd,
    iid,
    local_dp,
    noisy_updates,
    pruned_updates,
)
from ml_privacy_meter.risk import auc
from ml_privacy_meter.traces import EVERYONE, Round, Trace, Weights
from ml_privacy_meter.types import Scores

CLIENTS, EACH, ROUNDS = 4, 150, 30
TRAINING = {"recipe": replace(FEDAVG, lr=0.1, batch_size=10), "local_epochs": 1}
FIGURES = ("accuracy", "final loss", "snapshots", "update dot", "source", "PSNR")


@dataclass(frozen=True)
class Case:
    """One row: settings of `federate`, whether sums alone are seen, and whether records of nobody pose as held."""

    name: str
    settings: dict[str, Any]
    sums: bool = False
    control: bool = False


CASES = [
    Case("nothing", {}),
    Case("nothing; control: records that nobody holds", {}, control=True),
    Case("secure aggregation", {}, sums=True),
    Case("larger batches (50)", {"recipe": replace(FEDAVG, lr=0.1, batch_size=50)}),
    Case("whole batches: FedSGD", {"recipe": fedsgd(lr=0.1)}),
    Case("more local steps (5 epochs)", {"local_epochs": 5}),
    Case("clipped_updates(clip=0.1)", {"remedies": [clipped_updates(clip=0.1)]}),
    Case("pruned_updates(share=0.9)", {"remedies": [pruned_updates(share=0.9)]}),
    Case("pruned_updates(share=0.99)", {"remedies": [pruned_updates(share=0.99)]}),
    Case("noisy_updates(deviation=0.003)", {"remedies": [noisy_updates(deviation=0.003)]}),
    Case("noisy_updates(deviation=0.03)", {"remedies": [noisy_updates(deviation=0.03)]}),
    Case("noisy_updates(deviation=0.3)", {"remedies": [noisy_updates(deviation=0.3)]}),
    Case("central_dp(noise_multiplier=0.1, clip=0.5)", {"remedies": [central_dp(noise_multiplier=0.1, clip=0.5)]}),
    Case("central_dp(noise_multiplier=3, clip=0.5)", {"remedies": [central_dp(noise_multiplier=3.0, clip=0.5)]}),
    Case("local_dp(noise_multiplier=3, clip=0.5)", {"remedies": [local_dp(noise_multiplier=3.0, clip=0.5)]}),
    Case("defenses.dp_sgd(noise_multiplier=1)", {"remedies": [defenses.dp_sgd(noise_multiplier=1.0, delta=1e-5)]}),
    Case("defenses.dp_sgd(noise_multiplier=4)", {"remedies": [defenses.dp_sgd(noise_multiplier=4.0, delta=1e-5)]}),
]


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def losses(model: nn.Module, weights: Weights, x: Tensor, y: Tensor) -> Tensor:
    with torch.no_grad():
        return F.cross_entropy(torch.func.functional_call(model, dict(weights), x), y, reduction="none")


def along(model: nn.Module, weights: Weights, change: Weights, x: Tensor, y: Tensor) -> Tensor:
    """By how much each record's loss falls along the change, to first order."""

    def of(given: dict[str, Tensor]) -> Tensor:
        return F.cross_entropy(torch.func.functional_call(model, given, x), y, reduction="none")

    return -torch.func.jvp(of, (dict(weights),), (dict(change),))[1]


def after(one: Round, client: str) -> dict[str, Tensor]:
    change = one.update(client)
    return {name: value + change[name] for name, value in one.sent(client).items()}


def membership(of: Callable[[str], Tensor], owner: np.ndarray) -> float:
    """AUC of each client's records against nobody's, averaged over the clients; of a client: the scores of all."""
    found = []
    for k in range(CLIENTS):
        asked = torch.from_numpy((owner == k) | (owner < 0))
        found.append(auc(Scores(of(f"client {k}")[asked].double(), torch.from_numpy(owner == k)[asked])).value)
    return float(np.mean(found))


def figures(model: nn.Module, trace: Trace, x: Tensor, y: Tensor, owner: np.ndarray) -> dict[str, float]:
    """What each attack reaches; ``owner``: whose each record is, -1: nobody's."""
    final, held = trace.final(), owner >= 0
    seen, sums = [one.before() for one in trace.rounds], trace.clients == (EVERYONE,)
    snapshots = -sum(losses(model, weights, x, y) for weights in [*seen, final])
    dots, fits = {}, {}
    for client in trace.clients:
        dots[client] = sum(
            along(model, one.sent(client), one.update(client), x, y) for one in trace.rounds if client in one.clients
        )
        fits[client] = sum(losses(model, after(one, client), x, y) for one in trace.rounds if client in one.clients)
    source = np.nan
    if not sums:
        guess = torch.stack([fits[f"client {k}"] for k in range(CLIENTS)]).argmin(0).numpy()
        source = float((guess == owner)[held].mean())
    return {
        "final loss": membership(lambda client: -losses(model, final, x, y), owner),
        "snapshots": membership(lambda client: snapshots, owner),
        "update dot": membership(lambda client: dots[EVERYONE if sums else client], owner),
        "source": source,
    }


def rebuilt(case: Case, x: Tensor, y: Tensor, seed: int, folder: Path) -> float:
    """Median PSNR, in dB, of records that each were all of a batch: read off the first layer's update.

    Where bias i of a linear layer moves, its weights move by as much times the record.
    """
    found: list[float] = []
    settings = {**TRAINING, **case.settings} | {"rounds": 1, "device": "cpu"}
    for row in range(10):
        one = {"client 0": (x[row : row + 1], y[row : row + 1])}
        if case.sums:  # the sum of four clients, of a record each
            one = {f"client {k}": (x[row + k : row + k + 1], y[row + k : row + k + 1]) for k in range(CLIENTS)}
        trace = federate(network(seed), one, to=folder / f"one-{row}", seed=seed, **settings)
        update = (trace.aggregated() if case.sums else trace).rounds[0].update(EVERYONE if case.sums else "client 0")
        unit = update["0.bias"].abs().argmax()
        image = (update["0.weight"][unit] / update["0.bias"][unit]).nan_to_num(0.5).clamp(0, 1)
        found.append(psnr(image, x[row]))
    return float(np.median(found))


def psnr(image: Tensor, truth: Tensor) -> float:
    """In dB, at most 100."""
    return -10 * float(torch.log10((image - truth).square().mean().clamp(min=1e-10)))


def nearest(x: Tensor) -> float:
    """Median PSNR of the nearest of the last third of the images: what is to be had without any update."""
    return float(np.median([max(psnr(image, x[row]) for image in x[2 * CLIENTS * EACH :]) for row in range(10)]))


def row(case: Case, seed: int) -> dict[str, float | str]:
    """One training with this seed, and the figures of it."""
    digits, rng = load_digits(), np.random.default_rng(seed)
    order = rng.permutation(len(digits.data))
    x, y = torch.tensor(digits.data[order] / 16, dtype=torch.float32), torch.tensor(digits.target[order])
    owner = np.full(2 * CLIENTS * EACH, -1)
    for k, rows in enumerate(iid(y[: CLIENTS * EACH], CLIENTS, seed)):
        owner[rows] = k
    clients = {f"client {k}": (x[: len(owner)][owner == k], y[: len(owner)][owner == k]) for k in range(CLIENTS)}
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        settings = {**TRAINING, **case.settings} | {"rounds": ROUNDS, "seed": seed, "device": "cpu"}
        trace = federate(network(seed), clients, to=Path(folder) / "trace", **settings)
        took = time.perf_counter() - started
        seen, asked = trace.aggregated() if case.sums else trace, slice(len(owner))
        if case.control:  # all that no client holds, a few of them fewer than are asked elsewhere
            asked = slice(CLIENTS * EACH, None)
            owner = owner[len(owner) - len(x[asked]) :]
        found = figures(network(seed), seen, x[asked], y[asked], owner)
        with torch.no_grad():
            answers = torch.func.functional_call(network(seed), trace.final(), x[2 * CLIENTS * EACH :])
        found["accuracy"] = float((answers.argmax(1) == y[2 * CLIENTS * EACH :]).float().mean())
        found["PSNR"] = nearest(x) if case.control else rebuilt(case, x, y, seed, Path(folder))
    kept = [f"{one['epsilon']:.3g} ({one['unit']})" for one in trace.says["guarantees"]]  # type: ignore[attr-defined]
    return {"epsilon": ", ".join(kept), "seconds": took, **found}


def told(values: pd.Series) -> str:
    """Mean and half the width of its 95% interval over seeds (Student's t)."""
    if values.isna().all():
        return "-"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std() / np.sqrt(len(values))
    digits = 1 if values.name == "PSNR" else 3
    return f"{values.mean():.{digits}f} ± {half:.{digits}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    given = parser.parse_args()
    print(f"| what is done | epsilon | {' | '.join(FIGURES)} |\n|---|---|{'---|' * len(FIGURES)}")
    for case in CASES:
        if given.only in case.name:
            table = pd.DataFrame([row(case, seed) for seed in range(given.seeds)])
            cells = [told(table[name]) for name in FIGURES]
            print(f"| {case.name} | {table['epsilon'][0] or '-'} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
