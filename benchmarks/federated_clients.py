"""What the rounds of a federated training tell of its clients, on digits, with intervals over trainings.

python benchmarks/federated_clients.py                           all, two seeds each: some minutes
python benchmarks/federated_clients.py source --seeds 5          which client holds a record
python benchmarks/federated_clients.py active --seeds 5          active membership against passive
python benchmarks/federated_clients.py property --seeds 5        which clients' digits are drawn with a thick pen
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t
from sklearn.datasets import load_digits
from torch import Tensor, nn

from ml_privacy_meter import Scores, clients, risk
from ml_privacy_meter.federated import FEDAVG, dirichlet, federate, iid
from ml_privacy_meter.signals.update import Moved, update_alignment
from ml_privacy_meter.traces import Trace

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


@dataclass(frozen=True)
class Contest:
    """Clients, and what is asked of each: records of its own, and as many that nobody holds."""

    seed: int
    folder: Path
    held: dict[str, tuple[Tensor, Tensor]]
    asked: dict[str, tuple[Tensor, Tensor]]
    member: Tensor
    rest: Tensor  # rows that nobody holds, and nobody asks about
    parts: Tensor

    def trained(self, to: str, *, rounds: int = QUIET + TARGETS, **hooks: Any) -> Trace:
        told = {"recipe": RECIPE, "local_epochs": EPOCHS, "seed": self.seed, "device": "cpu"}
        return federate(network(self.seed), self.held, to=self.folder / to, rounds=rounds, **told, **hooks)

    def auc(self, score: Tensor) -> float:
        return auc(score, self.member)


def auc(score: Tensor, member: Tensor) -> float:
    return float(risk.auc(Scores(score, member)).value or 0.0)


def contest(seed: int, folder: Path) -> Contest:
    order, rng, half = shuffled(seed), np.random.default_rng(1000 + seed), TARGETS // 2
    parts, rest = order[: 4 * HELD].reshape(4, HELD), order[4 * HELD :]
    held = {f"client {number}": (X[part], Y[part]) for number, part in enumerate(parts)}
    asked, member = {}, []
    for number, (name, part) in enumerate(zip(held, parts, strict=True)):
        mixed = rng.permutation(TARGETS)
        rows = torch.cat([part[:half], rest[number * half : (number + 1) * half]])[mixed]
        asked[name] = (X[rows], Y[rows])
        member.append(torch.from_numpy(mixed < half))
    return Contest(seed, folder, held, asked, torch.cat(member), rest[4 * half :], parts)


def along_updates(of: Contest, trace: Trace) -> Tensor:
    """How far each client's updates lowered the loss of its targets, in nats, to first order: summed over all rounds.

    What the attack `update_dot` sums, for an aggregator that keeps to the rules.
    """
    found, model = [], network(of.seed)
    for client, (x, y) in of.asked.items():
        total = torch.zeros(len(y), dtype=torch.float64)
        for one in trace.rounds:
            model.load_state_dict(one.sent(client))
            total += update_alignment(Moved(model, one.update(client)), x, y)
        found.append(total)
    return torch.cat(found)


def active(seed: int, folder: Path) -> Iterator[tuple[str, float]]:
    """AUC of telling records that a client holds from records that nobody holds, on the same targets."""
    of = contest(seed, folder)
    honest = of.trained("honest")
    ascent = clients.aggregator_ascent(network(seed), of.asked, to=folder / "ascent", first=QUIET)
    look = of.auc(ascent.score(honest))
    watched = of.auc(clients.passive(network(seed), of.asked).score(honest))
    dots = of.auc(along_updates(of, honest))
    found = of.auc(ascent.score(of.trained("ascent", server=ascent.server)))
    yield "passive, one look", look
    yield "passive, all rounds", watched
    yield "passive, update dot product, all rounds", dots
    yield "ascent, one target at a time", found
    yield "ascent less passive, one look each", found - look
    yield "ascent less passive over all rounds", found - watched
    yield "ascent less update dot product over all rounds", found - dots


def others(seed: int, folder: Path) -> Iterator[tuple[str, float]]:
    """The same of a few targets at a time, of isolation, and of a participant who sees global models alone."""
    of, model = contest(seed, folder), network(seed)
    watched = of.auc(clients.passive(model, of.asked).score(of.trained("honest")))
    few = clients.aggregator_ascent(model, of.asked, to=folder / "few", first=QUIET, at_once=10)
    alone = clients.isolation(model, of.asked, to=folder / "alone")
    yield "passive, all rounds", watched
    for name, to, attack in (("ascent, ten at a time", "few", few), ("isolation, all rounds", "alone", alone)):
        found = of.auc(attack.score(of.trained(to, server=attack.server)))
        yield name, found
        yield f"{name}, less passive", found - watched
    rows, member = torch.cat([of.parts[1:, :7].flatten(), of.rest[:21]]), torch.arange(42) < 21
    mixed = torch.from_numpy(np.random.default_rng(seed).permutation(42))
    target = (X[rows[mixed]], Y[rows[mixed]])
    push = clients.participant_ascent(model, target, client="client 0", step=3.0, boost=4.0, first=QUIET)
    rounds = QUIET + 2 * len(mixed)
    honest = auc(push.score(of.trained("longer", rounds=rounds)), member[mixed])
    pushed = auc(push.score(of.trained("pushed", rounds=rounds, participants=push.participants)), member[mixed])
    yield "a participant, passive, one look", honest
    yield "a participant's ascent", pushed
    yield "a participant's ascent less passive", pushed - honest


def properties(seed: int, folder: Path) -> Iterator[tuple[str, float]]:
    """AUC of telling clients of whose digits half are drawn with a thick pen from clients that have none such."""
    ink, order = PIXELS.sum(1), shuffled(seed)
    thick = torch.zeros(len(Y), dtype=torch.bool)
    for label in range(10):  # more ink than half of the same digit: labels do not tell
        thick[label == Y] = ink[label == Y] > ink[label == Y].median()
    with_it, without = order[thick[order]], order[~thick[order]]
    size, number, held, holds = 30, 24, {}, {}
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


PARTS = {"source": source, "active": active, "others": others, "property": properties}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "parts", nargs="*", metavar="part", help="source, active, others, property; all if none is named"
    )
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
