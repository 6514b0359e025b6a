"""What adversarial regularization costs and gains on baskets of purchases, beside training that ends early.

python benchmarks/adversarial_regularization.py --data ../shared/data --store reproduction/store

A target and reference models, all with the defense, and the strongest of the attacks, by the share of members and
non-members that it tells right at its best threshold. Bar: 5 points less for at most 4 points of test accuracy.
"""

import argparse
from functools import partial
from pathlib import Path

import torch
from power import SETTINGS, load, network

import ml_privacy_meter as pm
from ml_privacy_meter import Defense, Recipe, audit, defenses
from ml_privacy_meter.membership import difference, lira, rmia, threshold

ATTACKS = (threshold, difference, lira, rmia)


def row(defense: Defense | None, recipe: Recipe, members, others, store: Path, references: int, seed: int) -> str:
    given = {"seed": seed, "store": store, "defense": defense}
    target = pm.train_model(recipe, members, **given)
    beside = pm.train_references(recipe, members, others, count=references, like=target, **given)
    right = []
    for x, y in (members, others):
        with torch.no_grad():
            right.append(float((target.inner(torch.from_numpy(x).float()).argmax(1).numpy() == y).mean()))
    found = audit(target, members, others, references=beside, attacks=ATTACKS, store=store).findings
    told = {one.attack: _balanced(one) for one in found}
    best = max(told, key=lambda name: told[name])
    cells = [f"{100 * value:.1f}" for value in (*right, told["threshold"], told[best])]
    return f"| {defense or 'none'} | {' | '.join(cells)} | `{best}` |"


def _balanced(finding: pm.Finding) -> float:
    return next(risk.value for risk in finding.risks if risk.name == "balanced accuracy")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--store", type=Path, default=Path("reproduction/store"), help="keeps what was paid for")
    parser.add_argument("--each", type=int, default=2_500, help="members, non-members and public records")
    parser.add_argument("--references", type=int, default=4)
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.35])
    parser.add_argument("--epochs", type=int, nargs="+", default=[12, 14, 16], help="of early stopping")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    file, widths, _, settings = SETTINGS["tafeng"]
    x, y = load(asked.data / f"{file}.npz", -(-3 * asked.each // 2))
    sides = [(x[at : at + asked.each], y[at : at + asked.each]) for at in range(0, 3 * asked.each, asked.each)]
    recipe = Recipe(network(x.shape[1], widths, 100), optimizer="adam", lr=1e-3, **settings)
    against = partial(defenses.adversarial_regularization, public=sides[2])
    tried = [None, *(defenses.early_stopping(epochs=epochs) for epochs in asked.epochs)]
    tried += [against(strength=strength) for strength in asked.strengths]
    print("| defense | training accuracy | test accuracy | told by loss | strongest attack | which |")
    print("|---|---|---|---|---|---|")
    for defense in tried:
        print(row(defense, recipe, *sides[:2], asked.store, asked.references, asked.seed), flush=True)
