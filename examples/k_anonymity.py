"""A model trained on a k-anonymous table is attacked: what k, l and t promise, and what it gives away all the same.

pip install "ml-privacy-meter[layers]"
python examples/k_anonymity.py --data ../shared/data
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pycanon import anonymity
from sklearn.tree import DecisionTreeRegressor

import ml_privacy_meter as pm
from ml_privacy_meter.membership import threshold

KNOWN = ["age", "education_num", "hours_per_week", "sex", "race", "marital_status"]  # of which others may know
OTHER = ["workclass", "occupation", "relationship", "capital_gain", "capital_loss"]
SECRET = "income"


def generalized(members: pd.DataFrame, non_members: pd.DataFrame, k: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables with the columns that others may know replaced by the mean of a group of k members or more.

    Groups are the leaves of a tree that predicts these columns from themselves: they hold records that are alike.
    """
    coded = pd.concat([members, non_members])[KNOWN].apply(lambda c: c if c.dtype.kind in "if" else c.factorize()[0])
    scaled = ((coded - coded.mean()) / coded.std()).to_numpy()
    if k > 1:
        tree = DecisionTreeRegressor(min_samples_leaf=k, random_state=0)
        scaled = tree.fit(scaled[: len(members)], scaled[: len(members)]).predict(scaled)
    table = pd.concat([members, non_members]).assign(**dict(zip(KNOWN, scaled.round(6).T, strict=True)))
    return table[: len(members)], table[len(members) :]


def vectors(*tables: pd.DataFrame) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Features and labels of each table, coded in the same way."""
    whole = pd.concat(tables)
    coded = pd.get_dummies(whole[KNOWN + OTHER]).astype(np.float32)
    coded[["capital_gain", "capital_loss"]] = np.log1p(coded[["capital_gain", "capital_loss"]])
    y = torch.from_numpy((whole[SECRET] == ">50K").to_numpy().astype(np.int64))
    rows = [len(table) for table in tables]
    return list(zip(torch.from_numpy(coded.to_numpy(copy=True)).split(rows), y.split(rows), strict=True))


def trained(x: torch.Tensor, y: torch.Tensor, epochs: int) -> torch.nn.Module:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 256), torch.nn.ReLU(), torch.nn.Linear(256, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for _ in range(epochs):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--data", type=Path, default=Path("../shared/data"), help="the folder of adult.csv.gz")
    words.add_argument("--records", type=int, default=1_500)
    words.add_argument("--epochs", type=int, default=600)
    given = words.parse_args()
    table = pd.read_csv(given.data / "adult.csv.gz").sample(2 * given.records, random_state=0, ignore_index=True)
    print("| asked k | k | l | t | accuracy on non-members | attack: AUC |\n|---|---|---|---|---|---|")
    for k in (1, 2, 5, 20, 100):
        tables = generalized(table[: given.records], table[given.records :], k)
        found = [f(tables[0], KNOWN, [SECRET]) for f in (anonymity.l_diversity, anonymity.t_closeness)]
        (x, y), others = vectors(*tables)
        model = trained(x, y, given.epochs)
        right = (model(others[0]).argmax(1) == others[1]).double().mean()
        risk = pm.audit(model, (x, y), others, attacks=[threshold]).risks["threshold"]["AUC"]
        cells = [anonymity.k_anonymity(tables[0], KNOWN), *found, f"{right:.3f}", risk]
        print(f"| {k} |", " | ".join(map(str, cells)), "|")


if __name__ == "__main__":
    main()
