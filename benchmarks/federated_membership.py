"""Who watches a training learns more than from the final model: federated digits, and CIFAR-100 over epochs.

python benchmarks/federated_membership.py digits
python benchmarks/federated_membership.py references
python benchmarks/federated_membership.py epochs --data ../shared/data

Digits: 4 clients of 150 records, 30 rounds; each attack is asked whether a record was in the training set of one
client. References: the same trainings, as somebody sees them who gets every fifth global model, knows half of the
members, or trains federated models alike, from the same first weights, on halves of all records. CIFAR-100: a model
trained centrally, five snapshots of which are seen, from earlier or later epochs, as in Nasr et al. 2019. Choices about
attacks and trainings were made on other seeds (100 and above).
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from torch import nn

import ml_privacy_meter as pm
from ml_privacy_meter.federated import global_models
from ml_privacy_meter.membership import (
    MembershipGame,
    View,
    bavaria,
    lira,
    rmia,
    snapshots,
    threshold,
    update_cosine,
    update_dot,
    whitebox,
)
from ml_privacy_meter.risk import auc, tpr_at_fpr
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.training.split import balanced

BESIDE = (lira, rmia, bavaria, whitebox)  # each also at several moments
ATTACKS = (threshold, snapshots, update_dot, update_cosine)
CLIENTS, EACH = 4, 150
NAMES = [f"client-{k}" for k in range(CLIENTS)]
MODELS, EVERY = 4, 5  # reference models; rounds from one global model that is seen to the next
SEEN = {"1 to 5": range(1, 6), "2 to 10": range(2, 11, 2), "8 to 40": range(8, 41, 8), "24 to 40": range(24, 41, 4)}


def digits(seed: int) -> dict[str, float]:
    """The AUC of each attack by viewer, for one training."""
    x, y, model = drawn(seed)
    many = CLIENTS * EACH
    owner = np.repeat(NAMES, EACH)
    members = pm.Records(x[:many], y[:many], np.arange(many), {"client": owner})
    others = pm.Records(x[many : 2 * many], y[many : 2 * many], np.arange(many, 2 * many))
    with tempfile.TemporaryDirectory() as folder:
        trace = federated(model, x[:many], y[:many], seed, folder)
        model.load_state_dict(trace.final())
        theirs = members.take(np.flatnonzero(owner != "client-0"))
        theirs = replace(theirs, base=None, rows=None)
        seen = {
            "aggregator": (trace, members),
            "averages": (trace.aggregated(), members),
            "aggregator, of others": (trace, theirs),
            "participant, of others": (trace.by_participant("client-0"), theirs),
        }
        found = {}
        for viewer, (view, asked) in seen.items():
            report = pm.audit(model, asked, others, trace=view, attacks=ATTACKS, seed=seed)
            found |= {f"{viewer}: {attack}": risks["AUC"].value for attack, risks in report.risks.items()}
            found |= {"accuracy, members": report.about["member_accuracy"]} if viewer == "aggregator" else {}
            found |= {"accuracy, others": report.about["non_member_accuracy"]} if viewer == "aggregator" else {}
        return found | {
            "update_dot - loss (aggregator)": found["aggregator: update_dot"] - found["aggregator: threshold"],
            "snapshots - loss": found["aggregator: snapshots"] - found["aggregator: threshold"],
            "aggregator - participant (update_dot, of others)": found["aggregator, of others: update_dot"]
            - found["participant, of others: update_dot"],
            "participant's update_dot - loss (of others)": found["participant, of others: update_dot"]
            - found["participant, of others: threshold"],
        }


def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor, nn.Module]:
    """The digits in an order of their own, and a network with its first weights."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(labels))
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    return torch.from_numpy(pixels[order] / 16).float(), torch.from_numpy(labels[order]), model


def federated(model: nn.Module, x: torch.Tensor, y: torch.Tensor, seed: int, folder: str) -> pm.traces.Trace:
    """A training of 30 rounds; the records are dealt to the clients in their order."""
    clients = dict(zip(NAMES, zip(x.split(EACH), y.split(EACH), strict=True), strict=True))
    recipe = replace(pm.federated.FEDAVG, lr=0.1, batch_size=16)
    to = Path(folder) / "trace"
    return pm.federated.federate(model, clients, to=to, rounds=30, recipe=recipe, local_epochs=10, seed=seed)


def references(seed: int) -> dict[str, float]:
    """AUC and TPR of attacks that learn from reference models, or from known records, at one moment and at several."""
    x, y, model = drawn(seed)
    many = 2 * CLIENTS * EACH
    x, y, member = x[:many], y[:many], torch.arange(many) < many // 2
    inside = balanced(many, MODELS, seed)
    trained = []
    for number, here in enumerate((member, *inside.T)):
        with tempfile.TemporaryDirectory() as folder:
            trace = federated(model, x[here], y[here], seed + 1000 * number, folder)
            trained.append(global_models(trace.by_outsider(EVERY), model))
    (*earlier, target), *others = trained
    view = View(
        target=target,
        records=pm.Records(x, y, np.arange(many)),
        reader=Reader(Store()),
        references=tuple(last for *_, last in others),
        inside=inside,
        snapshots=tuple(earlier),
        reference_snapshots=tuple(tuple(before) for *before, _ in others),
    )
    found = {}
    for attack in (threshold, snapshots, *BESIDE):
        alone, rare = MembershipGame(view, member).play(attack), partial(tpr_at_fpr, fpr=0.01)
        found |= {f"{attack.__name__}: AUC": auc(alone).value, f"{attack.__name__}: TPR at 1%": rare(alone).value}
        if attack in BESIDE:
            beside = MembershipGame(view, member).play(partial(attack, snapshots=len(earlier) - 1))
            name = f"{attack.__name__}, {len(earlier) - 1} snapshots"
            found |= {f"{name}: AUC": auc(beside).value, f"{name}: TPR at 1%": rare(beside).value}
            found[f"{name} - alone: AUC"] = found[f"{name}: AUC"] - found[f"{attack.__name__}: AUC"]
    return found


def epochs(seed: int, data: Path, each: int) -> dict[str, float]:
    """AUC and accuracy of the attack that sums the loss over five snapshots, and AUC of what changed between them."""
    from whitebox import CLASSES, alexnet, images

    x, y = images(data / "cifar100_jpeg90.npz", each)
    order = np.random.default_rng(seed).permutation(len(y))
    x, y = torch.from_numpy(x[order]), torch.from_numpy(y[order])
    members, others = (x[:each], y[:each]), (x[each:], y[each:])
    models = list(trained(alexnet, *members, seed))
    found = {}
    for name, which in SEEN.items():
        *earlier, model = (models[epoch] for epoch in which)
        report = pm.audit(model, members, others, snapshots=earlier, attacks=ATTACKS[:3], seed=seed)
        found[f"epochs {name}: AUC, loss of the last"] = report.risks["threshold"]["AUC"].value
        found[f"epochs {name}: AUC, five snapshots"] = report.risks["snapshots"]["AUC"].value
        found[f"epochs {name}: accuracy, five snapshots"] = report.risks["snapshots"]["balanced accuracy"].value
        found[f"epochs {name}: AUC, updates between"] = report.risks["update_dot"]["AUC"].value
        found[f"epochs {name}: accuracy on others"] = report.about["non_member_accuracy"]
    assert len(set(y.tolist())) == CLASSES
    return found


def trained(make: Callable[[], nn.Module], x: torch.Tensor, y: torch.Tensor, seed: int) -> Iterator[nn.Module]:
    """The model before its training, and after each of 40 epochs of Adam."""
    torch.manual_seed(seed)
    model = make()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(41):
        for rows in torch.randperm(len(y)).split(64) if epoch else ():
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows].float()), y[rows]).backward()
            optimizer.step()
        copy = make()
        copy.load_state_dict(model.state_dict())
        yield copy


def table(rows: list[dict[str, float]]) -> None:
    """The mean of each figure over the trainings, with its t-interval."""
    print("| figure | mean | 95% interval |\n|---|---|---|")
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
        print(
            f"| {name} | {values.mean():.3f} | {values.mean() - half:.3f} to {values.mean() + half:.3f} |", flush=True
        )


def main() -> None:
    say = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    say.add_argument("what", choices=("digits", "references", "epochs"), nargs="?", default="digits")
    say.add_argument("--seeds", type=int, default=5)
    say.add_argument("--first", type=int, default=0, help="the first seed")
    say.add_argument("--data", type=Path, default=Path("../shared/data"))
    say.add_argument("--each", type=int, default=1_000, help="members, and non-members, of CIFAR-100")
    asked = say.parse_args()
    run = {"digits": digits, "references": references, "epochs": partial(epochs, data=asked.data, each=asked.each)}
    table([run[asked.what](asked.first + seed) for seed in range(asked.seeds)])


if __name__ == "__main__":
    main()
