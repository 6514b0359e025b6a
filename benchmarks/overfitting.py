"""Attack accuracy against over-fitting, over the number of classes, and by class, on real grocery baskets.

python benchmarks/overfitting.py --data ../shared/data --out docs/images

After the slides of the original tool. A fully connected network learns 10,000 baskets; at some epochs, three
attacks that see no reference model are played against it. Then it learns 5,000 baskets of the 10, 20, 50 or 100 most
frequent classes. Everything is done with several seeds: lines are means, bands the spread of a target (mean +- standard
deviation). Nothing is tuned on the targets: an attack's accuracy has its threshold from the other half of the records.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import torch
from power import load, network

from ml_privacy_meter import records
from ml_privacy_meter.membership import MembershipGame, View, threshold
from ml_privacy_meter.risk import auc, balanced_accuracy
from ml_privacy_meter.signals import Reader, Store, correct
from ml_privacy_meter.signals.gradient import gradient_norm

ATTACKS = {
    "loss (outputs)": threshold,
    "gradient norm, last layer": partial(threshold, signal=partial(gradient_norm, of="last")),
    "gradient norm, all layers": partial(threshold, signal=gradient_norm),
}
EPOCHS = (1, 2, 5, 10, 15, 20, 30, 40)


def trained(x: torch.Tensor, y: torch.Tensor, classes: int, epochs: tuple[int, ...], seed: int) -> Iterator[tuple]:
    """The network after each of these epochs."""
    torch.manual_seed(seed)
    model = network(x.shape[1], (512, 256), classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(1, max(epochs) + 1):
        for rows in torch.randperm(len(x)).split(128):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
        if epoch in epochs:
            yield epoch, model


def played(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, member: torch.Tensor, **about) -> list[dict]:
    """A row for each attack, with the accuracies of the model."""
    whole = records.scan(records.as_records((x, y), name="records"), name="records").records
    view = View(model, whole, Reader(Store()))
    right = view.of_target(correct)
    gap = {"train": float(right[member].mean()), "test": float(right[~member].mean())}
    rows = []
    for name, attack in ATTACKS.items():
        scores = MembershipGame(view, member).play(attack)
        found = {"accuracy": balanced_accuracy(scores).value, "AUC": auc(scores).value}
        rows.append(about | gap | {"attack": name} | found)
    return rows


def by_class(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, member: torch.Tensor) -> pd.DataFrame:
    """AUC of the loss within each class that has 20 members and 20 others."""
    whole = records.scan(records.as_records((x, y), name="records"), name="records").records
    scores = MembershipGame(View(model, whole, Reader(Store())), member).play(threshold)
    here = ((kind, y == kind) for kind in y.unique().tolist())
    enough = [(kind, rows) for kind, rows in here if min(member[rows].sum(), (~member[rows]).sum()) >= 20]
    return pd.DataFrame([{"class": kind, "AUC": auc(scores.where(rows)).value} for kind, rows in enough])


def lines(table: pd.DataFrame, over: str, title: str) -> alt.VConcatChart:
    """Attack accuracy with its spread over seeds, above the model's own accuracies."""
    mean = table.groupby([over, "attack"])["accuracy"].agg(["mean", "std"]).reset_index()
    mean = mean.assign(low=mean["mean"] - mean["std"], high=mean["mean"] + mean["std"])
    top = alt.Legend(orient="top", title=None, labelLimit=300)
    base = alt.Chart(mean).encode(x=alt.X(over, title=title), color=alt.Color("attack", legend=top))
    low, y = (alt.Y(of, title="attack accuracy", scale=alt.Scale(domain=[0.5, 0.9])) for of in ("low", "mean"))
    line = base.mark_line(point=True, clip=True).encode(y=y, strokeDash=alt.StrokeDash("attack", legend=None))
    attack = base.mark_area(opacity=0.2, clip=True).encode(y=low, y2="high") + line
    own = table.melt(over, ["train", "test"], var_name="records", value_name="share right")
    own = own.groupby([over, "records"])["share right"].mean().reset_index()
    x, y = alt.X(over, title=title), alt.Y("share right", title="model accuracy")
    model = alt.Chart(own).mark_line(point=True).encode(x=x, y=y, color=alt.Color("records", legend=top))
    charts = attack.properties(width=460, height=220), model.properties(width=460, height=140)
    return alt.vconcat(*charts).resolve_scale(color="independent")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, help="a folder for the pictures")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    x, y = load(given.data / "tafeng_basket100.npz", 20_000)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    over_epochs, over_classes, classes = [], [], []
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
    for seed in range(given.seeds):
        rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:20_000]
        member = torch.arange(20_000) < 10_000
        for epoch, model in trained(x[rows[:10_000]], y[rows[:10_000]], 100, EPOCHS, seed):
            over_epochs += played(model, x[rows], y[rows], member, seed=seed, epoch=epoch)
        classes.append(by_class(model, x[rows], y[rows], member).assign(seed=seed))
        common = torch.tensor(np.bincount(y.numpy()).argsort()[::-1].copy())
        for count in (10, 20, 50, 100):
            label = torch.full((100,), -1).scatter(0, common[:count], torch.arange(count))[y]
            some = (label >= 0).nonzero()[:, 0]
            some = some[torch.randperm(len(some), generator=torch.Generator().manual_seed(seed))[:10_000]]
            half, inside = len(some) // 2, torch.arange(len(some)) < len(some) // 2
            for _, model in trained(x[some[:half]], label[some[:half]], count, (30,), seed):
                over_classes += played(model, x[some], label[some], inside, seed=seed, classes=count)
        print(f"seed {seed} done", flush=True)
    epochs, counts, each = pd.DataFrame(over_epochs), pd.DataFrame(over_classes), pd.concat(classes)
    for table, over in ((epochs, "epoch"), (counts, "classes")):
        found = table.groupby([over, "attack"])[["train", "test", "accuracy", "AUC"]].agg(["mean", "std"])
        print(found.round(3).to_string())
    spread = each.groupby("class")["AUC"].mean()
    print(
        f"AUC within a class, over {len(spread)} classes: {spread.quantile([0, 0.1, 0.5, 0.9, 1]).round(3).to_dict()}"
    )
    if given.out:
        lines(epochs, "epoch", "training epochs").save(given.out / "overfitting.svg")
        lines(counts, "classes", "number of classes").save(given.out / "classes.svg")
        x, y = alt.X("AUC", bin=alt.Bin(maxbins=30), title="AUC within the class"), alt.Y("count()", title="classes")
        bars = alt.Chart(spread.reset_index()).mark_bar().encode(x=x, y=y).properties(width=460, height=160)
        bars.save(given.out / "by-class.svg")
