"""Whether a model of incomes tells who is married, beside imputation; and the same attacks by independent code.

python benchmarks/attributes.py --data ../shared/data
python benchmarks/attributes.py blank --data ../shared/data    # members in name only: another model is asked
python benchmarks/attributes.py art --data ../shared/data      # needs adversarial-robustness-toolbox

Members are of the training split of Adult, non-members of its test split, and 5,000 records of the training split that
the model never saw are the adversary's. The column `relationship` is left out of all: husbands are married. Nothing was
tuned on these figures.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

import ml_privacy_meter as pm
from ml_privacy_meter.attribute import black_box, imputation, yeom
from ml_privacy_meter.inferring.attributes import infer_attributes

SIZES = (1000, 5000)
SEEDS = (0, 1, 2)
ASKED = 5000  # non-members, and as many auxiliary records
SIDES = ("members", "non-members")
Side = tuple[pd.DataFrame, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("figures", "blank", "art"), default="figures")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    {"figures": figures, "blank": blank, "art": beside_art}[given.what](given.data)


def adult(data: Path, members: int, seed: int) -> tuple[Side, Side, Side]:
    """Members, non-members and auxiliary records, with words one-hot; the label is an income above 50,000 dollars."""
    table = pd.read_csv(data / "adult.csv.gz").drop(columns=["relationship", "fnlwgt"])
    married = table.pop("marital_status").str.startswith("Married-civ").astype(np.float32)
    label, trained = (table.pop("income") == ">50K").to_numpy(np.int64), (table.pop("split") == "train").to_numpy()
    numbers = table.select_dtypes("number")
    words = pd.get_dummies(table.drop(columns=numbers.columns), dtype=np.float32)
    scaled = ((numbers - numbers[trained].mean()) / numbers[trained].std()).astype(np.float32)
    x = pd.concat([married.rename("married"), scaled, words], axis=1)
    rng = np.random.default_rng(seed)
    inside, outside = (rng.permutation(np.flatnonzero(of)) for of in (trained, ~trained))
    drawn = inside[:members], outside[:ASKED], inside[members : members + ASKED]
    return tuple((x.iloc[rows].reset_index(drop=True), label[rows]) for rows in drawn)


def trained(members: Side, seed: int) -> nn.Module:
    """A network of two hidden layers that learns most of its training records by heart."""
    width = members[0].shape[1]

    def network() -> nn.Module:
        return nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 2))

    recipe = pm.Recipe(network, lr=1e-3, schedule="constant", epochs=60, batch_size=64)
    x = torch.from_numpy(members[0].to_numpy())
    return pm.train_model(recipe, (x, torch.from_numpy(members[1])), seed=seed, device="cpu").inner


def figures(data: Path) -> None:
    """One table a size: means over seeds, and in how many the verdict names the attack."""
    for size in SIZES:
        games, seconds = [], []
        for seed in SEEDS:
            members, others, own = adult(data, size, seed)
            model, start = trained(members, seed), time.perf_counter()
            games += infer_attributes(model, members, others, columns=["married"], auxiliary=own, seed=seed)
            seconds.append(time.perf_counter() - start)
        print(f"\n{size:,} members; {np.mean(seconds):.0f} seconds a game\n")
        print("| attack | " + " | ".join(f"accuracy, {side} | AUC | surest 10%" for side in SIDES) + " | shown |")
        print("|---" * 8 + "|")
        for one in (*games[0].baselines, *games[0].tried):
            risks = [game.risks[one.attack] for game in games]
            names = [f"{name}, {side}" for side in SIDES for name in ("accuracy", "AUC", "accuracy of the surest 10%")]
            cells = [f"{np.mean([risk[name].value for risk in risks]):.3f}" for name in names]
            found = [next((t for t in game.tried if t.attack == one.attack), None) for game in games]
            shown = "" if found[0] is None else f"{sum(bool(t.shows) for t in found)} of {len(found)}"
            print(f"| `{one.attack}` | {' | '.join(cells)} | {shown} |")
        print(f"\n{games[0].verdict}", flush=True)


def blank(data: Path) -> None:
    """In how many games a leak is shown of people whom the model never saw, as many as members elsewhere."""
    shown = []
    for seed in range(10):
        members, others, own = adult(data, SIZES[0], seed)
        strangers, *_ = adult(data, SIZES[0], seed + 100)
        same = members[0].index[members[0].apply(tuple, axis=1).isin(set(strangers[0].apply(tuple, axis=1)))]
        apart = members[0].drop(index=same), np.delete(members[1], same)
        (game,) = infer_attributes(
            trained(strangers, seed), apart, others, columns=["married"], auxiliary=own, seed=seed
        )
        shown.append(bool(game.shows))
    print(f"A leak is shown in {sum(shown)} of {len(shown)} games of {SIZES[0]:,} members in name only.")


def beside_art(data: Path) -> None:
    """Accuracies of the same attacks, ours and those of the Adversarial Robustness Toolbox."""
    print("| attack | records | ours | ART |\n|---|---|---|---|")
    members, others, own = adult(data, SIZES[0], 0)
    model, seen = trained(members, 0), []

    def plain(view):
        seen.append(view)
        return yeom(view, weighed=False)

    (game,) = infer_attributes(
        model, members, others, columns=["married"], auxiliary=own, attacks=[plain, imputation, black_box]
    )
    for side, of in zip(SIDES, (members, others), strict=True):
        theirs = art_accuracies(model, of, own)
        for ours, name, value in zip(game.tried, theirs, theirs.values(), strict=True):
            found = game.risks[ours.attack][f"accuracy, {side}"].value
            print(f"| {name} | {side} | {found:.3f} | {value:.3f} |")


def art_accuracies(model: nn.Module, asked: Side, own: Side) -> dict[str, float]:
    """Accuracies of ART's attacks on the column `married`, the first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from art.attacks.inference import attribute_inference, membership_inference
        from art.estimators.classification import PyTorchClassifier

    class Confident(membership_inference.MembershipInferenceBlackBox):
        """The probability of the label, as a membership attack says it."""

        def __init__(self, estimator: PyTorchClassifier) -> None:
            super().__init__(estimator)

        def infer(self, x: np.ndarray, y: np.ndarray, **_: object) -> np.ndarray:
            return self.estimator.predict(x)[np.arange(len(x)), y][:, None]

    (x, y), (own_x, own_y) = ((side[0].to_numpy(np.float32), side[1]) for side in (asked, own))
    shape = (x.shape[1],)
    target = PyTorchClassifier(nn.Sequential(model, nn.Softmax(1)), nn.CrossEntropyLoss(), shape, 2)
    rest, values = x[:, 1:], [0.0, 1.0]
    by_membership = attribute_inference.AttributeInferenceMembership(target, Confident(target), attack_feature=0)
    baseline = attribute_inference.AttributeInferenceBaselineTrueLabel("gb", attack_feature=0)
    baseline.fit(own_x, own_y)
    learned = attribute_inference.AttributeInferenceBlackBox(target, "gb", attack_feature=0)
    learned.fit(own_x, own_y)
    named = target.predict(x).argmax(1)[:, None]
    found = {
        "confidence alone (membership-based)": by_membership.infer(rest, y, values=values),
        "imputation (true-label baseline)": baseline.infer(rest, y, values=values),
        "learned from answers (black box)": learned.infer(rest, y, pred=named, values=values),
    }
    return {name: float((np.ravel(guess) == x[:, 0]).mean()) for name, guess in found.items()}


if __name__ == "__main__":
    main()
