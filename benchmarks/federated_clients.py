"""What the rounds of a federated training tell of its clients, on digits, with intervals over trainings.

python benchmarks/federated_clients.py                           all three, two seeds each: some minutes
python benchmarks/federated_clients.py source --seeds 5          which client holds a record
python benchmarks/federated_clients.py active --seeds 5          active membership against passive
python benchmarks/federated_clients.py property --seeds 5        which clients' digits are drawn with a thick pen
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.stats import t
from sklearn.datasets import load_digits
from torch import Tensor, nn

from ml_privacy_meter import Scores, clients, risk
from ml_privacy_meter.federated import FEDAVG, dirichlet, federate, iid

RECIPE = replace(FEDAVG, batch_size=16)
EPOCHS = 5
HELD = 150  # records of each of 4 clients
SOURCE_ROUNDS, QUIET, TARGETS = 30, 10, 30
PIXELS, LABELS = (torch.from_numpy(part) for part in load_digits(return_X_y=True))
X, Y = (PIXELS / 16).float(), LABELS.long()


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def shuffled(seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).permutation(len(Y)))


def source(seed: int, folder: Path) -> Iterator[tuple[str, float]]:
    """Top-1 accuracy of naming the client, with records dealt out at random and by Dirichlet(1)."""
    rows = shuffled(seed)[: 4 * HELD]
    for name, parts in {"iid": iid(Y[rows], 4, seed), "dirichlet(1)": dirichlet(Y[rows], 4, 1.0, seed)}.items():
        held = {f"client {number}": (X[rows[part]], Y[rows[part]]) for number, part in enumerate(parts)}
        told = {"rounds": SOURCE_ROUNDS, "recipe": RECIPE, "local_epochs": EPOCHS, "seed": seed, "device": "cpu"}
        trace = federate(network(seed), held, to=folder / name, **told)
        found = clients.infer_source(network(seed), trace, held, device="cpu").found
        yield f"{name}: largest client's share", found[0].risks[0].baseline
        for one in (found[2], found[0], found[1]):
            for figure in one.risks:
                yield f"{name}: {one.attack}, {figure.name}", figure.value


def active(seed: int, folder: Path) -> Iterator[tuple[str, float]]:
    """AUC of telling records that a client holds from records that nobody holds, on the same targets."""
    order, rng = shuffled(seed), np.random.default_rng(1000 + seed)
    parts, rest = order[: 4 * HELD].reshape(4, HELD), order[4 * HELD :]
    held = {f"client {number}": (X[part], Y[part]) for number, part in enumerate(parts)}
    asked, member = {}, []
    for number, (name, part) in enumerate(zip(held, parts, strict=True)):
        half, mixed = TARGETS // 2, rng.permutation(TARGETS)
        rows = torch.cat([part[:half], rest[number * half : (number + 1) * half]])[mixed]
        asked[name] = (X[rows], Y[rows])
        member.append(torch.from_numpy(mixed < half))
    truth = torch.cat(member)
    told = {"rounds": QUIET + TARGETS, "recipe": RECIPE, "local_epochs": EPOCHS, "seed": seed, "device": "cpu"}

    def auc(score: Tensor, of: Tensor = truth) -> float:
        return float(risk.auc(Scores(score, of)).value or 0.0)

    model = network(seed)
    honest = federate(model, held, to=folder / "honest", **told)
    ascent = clients.aggregator_ascent(model, asked, to=folder / "ascent", first=QUIET)
    few = clients.aggregator_ascent(model, asked, to=folder / "few", first=QUIET, at_once=10)
    alone = clients.isolation(model, asked, to=folder / "alone")
    found = {
        "passive, one look": auc(ascent.score(honest)),
        "passive, all rounds": auc(clients.passive(model, asked).score(honest)),
    }
    for name, to, attack in (
        ("ascent, one target at a time", "ascent", ascent),
        ("ascent, ten at a time", "few", few),
        ("isolation, all rounds", "alone", alone),
    ):
        found[name] = auc(attack.score(federate(model, held, to=folder / to, server=attack.server, **told)))
        yield name, found[name]
        yield f"{name}, less passive over all rounds", found[name] - found["passive, all rounds"]
    yield from list(found.items())[:2]
    yield "ascent less passive, one look each", found["ascent, one target at a time"] - found["passive, one look"]
    yield from participant(model, held, parts[1:], rest[4 * TARGETS :], told | {"rounds": QUIET + 2 * 42}, folder)


def participant(
    model: nn.Module, held: dict, parts: Tensor, rest: Tensor, told: dict, folder: Path
) -> Iterator[tuple[str, float]]:
    """The same of a client that asks about records of the three others, seeing the global models alone."""
    rows, truth = torch.cat([parts[:, :7].flatten(), rest[:21]]), torch.arange(42) < 21
    mixed = torch.from_numpy(np.random.default_rng(told["seed"]).permutation(42))
    rows, truth = rows[mixed], truth[mixed]
    attack = clients.participant_ascent(model, (X[rows], Y[rows]), client="client 0", step=3.0, boost=4.0, first=QUIET)
    honest = federate(model, held, to=folder / "longer", **told)
    pushed = federate(model, held, to=folder / "pushed", participants=attack.participants, **told)
    values = [float(risk.auc(Scores(attack.score(trace), truth)).value or 0.0) for trace in (honest, pushed)]
    yield "a participant, passive, one look", values[0]
    yield "a participant's ascent", values[1]
    yield "a participant's ascent less passive", values[1] - values[0]


def properties(seed: int, folder: Path) -> Iterator[tuple[str, float]]:
    """AUC of telling clients of whose digits half are drawn with a thick pen from clients that have none such."""
    ink, order = PIXELS.sum(1), shuffled(seed)
    thick = torch.zeros(len(Y), dtype=torch.bool)
    for label in range(10):  # more ink than half of the same digit: labels do not tell
        thick[label == Y] = ink[label == Y] > ink[label == Y].median()
    with_it, without = order[thick[order]], order[~thick[order]]
    size, number, held, holds, blank = 30, 24, {}, {}, {}
    for client in range(number):
        few = size // 2 if client % 2 == 0 else 0
        rows, with_it, without = torch.cat([with_it[:few], without[: size - few]]), with_it[few:], without[size - few :]
        held[f"client {client}"], holds[f"client {client}"] = (X[rows], Y[rows]), client % 2 == 0
    swapped = np.random.default_rng(seed).permutation(number) < number // 2
    blank = {name: bool(has) for name, has in zip(holds, swapped, strict=True)}
    told = {"recipe": RECIPE, "local_epochs": 2}
    trace = federate(network(seed), held, to=folder / "t", rounds=10, seed=seed, device="cpu", **told)
    own = {"having": (X[with_it], Y[with_it]), "lacking": (X[without], Y[without]), "records": size, "rounds": 5}
    for name, truth in (("thick pen", holds), ("thick pen, said of clients at random", blank)):
        found = clients.infer_property(network(seed), trace, truth, **own, **told)
        yield name, float(found.found[0].risks[0].value or 0.0)


PARTS = {"source": source, "active": active, "property": properties}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("parts", nargs="*", metavar="part", help="source, active, property; all if none is named")
    options.add_argument("--seeds", type=int, default=2)
    given = options.parse_args()
    for part in given.parts or PARTS:
        values: dict[str, list[float]] = {}
        for seed in range(given.seeds):
            with tempfile.TemporaryDirectory() as folder:
                for name, value in PARTS[part](seed, Path(folder)):
                    values.setdefault(name, []).append(value)
        print(f"\n{part}: mean over {given.seeds} trainings, 95% interval of the mean (Student's t)")
        for name, found in values.items():
            half = (
                t.ppf(0.975, len(found) - 1) * np.std(found, ddof=1) / len(found) ** 0.5 if len(found) > 1 else np.nan
            )
            print(
                f"  {name:<64}{np.mean(found):7.3f}  [{np.mean(found) - half:.3f}, {np.mean(found) + half:.3f}]",
                flush=True,
            )


if __name__ == "__main__":
    main()
