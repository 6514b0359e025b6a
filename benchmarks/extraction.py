"""How far models can be copied by asking them: equations, trees and surrogates, beside as many true labels.

python benchmarks/extraction.py equations            # or curves, tree, defenses, art

Records are those of scikit-learn: breast cancer, and digits. Each target is trained on about a third of them, another
third is the adversary's, without labels, and copies are judged on the rest. `art` needs adversarial-robustness-toolbox
1.20 (pip install --no-deps), whose attacks play the same game through the same door.
"""

import argparse
import warnings
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import ml_privacy_meter as pm
from ml_privacy_meter import extraction
from ml_privacy_meter.defenses import label_only, rounding, top_k
from ml_privacy_meter.extraction import Copy, View
from ml_privacy_meter.games import Game

BUDGETS = (50, 100, 200, 700)


def records(name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = {"cancer": load_breast_cancer, "digits": load_digits}[name](return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(y))
    return (StandardScaler().fit_transform(x) if name == "cancer" else x / 16)[order], y[order]


def played(name: str, seed: int, target: object, defend: Callable | None = None, **settings: object) -> Game:
    """The game; a third of the records are members, a third is the pool, and a third judges."""
    x, y = records(name, seed)
    third = len(y) // 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a network that has not settled after 300 epochs serves as well
        model = pm.open_model(target.fit(x[:third], y[:third]))  # type: ignore[attr-defined]
    model = model if defend is None else defend(model, x[:third], y[:third], seed)
    return pm.extract_model(model, (x[:third], y[:third]), (x[third:], y[third:]), seed=seed, device="cpu", **settings)  # type: ignore[arg-type]


def network(seed: int) -> MLPClassifier:
    return MLPClassifier((64,), max_iter=300, random_state=seed)


def lines(games: list[Game], curve: int = 0) -> Mapping[str, np.ndarray]:
    """The figures along each line of a curve, averaged over games."""
    names = [line.name for line in games[0].curves[curve].lines]
    found = {name: [] for name in names}
    for game in games:
        for line in game.curves[curve].lines:
            found[line.name].append([risk.value for _, risk in line.points])
    return {name: np.mean(values, 0) for name, values in found.items()}


def show(title: str, rows: Mapping[str, np.ndarray]) -> None:
    print(f"\n{title}")
    for name, values in rows.items():
        print(f"  {name:42s}", *(f"{value:7.3f}" for value in np.atleast_1d(values)))


def equations(seeds: int) -> None:
    for name, budgets in (("cancer", (31, 124)), ("digits", (65, 260))):
        for decimals in (None, 3, 2):
            target = partial(LogisticRegression, max_iter=2_000)
            settings = {"attacks": ["solve_linear"], "budgets": budgets, "decimals": decimals}
            games = [played(name, seed, target(), **settings) for seed in range(seeds)]
            show(f"{name}, logistic regression, decimals {decimals}, queries {budgets}: fidelity", lines(games))
            show("  on uniform points", lines(games, 1))
            for budget in budgets:
                ones = [played(name, seed, target(), **{**settings, "budgets": (budget,)}) for seed in range(seeds)]
                risks = [game.risks["solve_linear"]["weights recovered (digits)"] for game in ones]
                print(f"  {budget} queries, digits of weights:", *(f"{risk.value:.1f} ({risk.note})" for risk in risks))


def curves(seeds: int) -> None:
    games = [played("digits", seed, network(seed), budgets=BUDGETS) for seed in range(seeds)]
    for place, of in enumerate(("fidelity", "fidelity on uniform points", "accuracy")):
        show(f"digits, network, queries {BUDGETS}: {of}, mean of {seeds} targets", lines(games, place))
    for game in games:
        print(game.verdict)
        for one in game.tried:
            if one.excess:
                print(f"  {one.attack:28s} {one.excess} {one.excess.note} surely {one.excess.surely:.3f}")


def tree(seeds: int) -> None:
    budgets, grown = (200, 1_000, 5_000), {"4 leaves": (4, 5), "8 leaves": (8, 5), "pure leaves": (None, 1)}
    for name, (most, least) in grown.items():
        settings = {"max_leaf_nodes": most, "min_samples_leaf": least}
        games = [
            played(
                "cancer",
                seed,
                DecisionTreeClassifier(**settings, random_state=seed),
                attacks=["trace_tree"],
                budgets=budgets,
            )
            for seed in range(seeds)
        ]
        for game in games:
            asked = game.how["queries"]["trace_tree"]
            for place in (0, 1):
                curve = game.curves[place]
                found = ", ".join(
                    f"{line.name} {'/'.join(f'{risk.value:.3f}' for _, risk in line.points)}" for line in curve.lines
                )
                print(f"breast cancer, a tree of {name}, queries {asked}: {curve.title}: {found}")


def defenses(seeds: int) -> None:
    ways = {"none": None, "rounding(digits=1)": rounding(digits=1), "top_k(k=1)": top_k(), "label_only": label_only()}
    for name, way in ways.items():
        wrap = None if way is None else way.wrap
        settings = {"attacks": ["random_records", "margin"], "budgets": (50, 200), "defend": wrap}
        games = [played("digits", seed, network(seed), **settings) for seed in range(seeds)]
        show(f"digits, network, {name}, queries (50, 200): fidelity", lines(games))


def by_art(view: View, *, soft: bool) -> Copy:
    """KnockoffNets (soft) or CopycatCNN (hard) of ART, with a network of the same size and the same records."""
    from art.attacks.extraction import CopycatCNN, KnockoffNets
    from art.estimators.classification import BlackBoxClassifier, PyTorchClassifier

    torch.manual_seed(view.seed)
    wide = view.pool.shape[1]
    module = torch.nn.Sequential(torch.nn.Linear(wide, 64), torch.nn.ReLU(), torch.nn.Linear(64, view.classes))
    adam = torch.optim.Adam(module.parameters(), 1e-2)
    settings = {"loss": torch.nn.CrossEntropyLoss(), "optimizer": adam, "device_type": "cpu"}
    copy = PyTorchClassifier(module, input_shape=(wide,), nb_classes=view.classes, **settings)
    target = BlackBoxClassifier(lambda x: view.ask(torch.from_numpy(x).double()).numpy(), (wide,), view.classes)
    order = torch.randperm(len(view.pool), generator=torch.Generator().manual_seed(view.seed))[: view.left]
    more = {"batch_size_fit": 64, "nb_epochs": 100, "nb_stolen": len(order)}
    kind = KnockoffNets if soft else CopycatCNN
    more |= {"sampling_strategy": "random", "verbose": False} if soft else {}
    kind(target, batch_size_query=1024, use_probability=soft, **more).extract(
        view.pool[order].numpy().astype(np.float32), thieved_classifier=copy
    )
    return lambda x: torch.from_numpy(copy.predict(x.numpy().astype(np.float32)))


def art(seeds: int) -> None:
    attacks = [partial(of, soft=soft) for soft in (True, False) for of in (extraction.random_records, by_art)]
    settings = {"attacks": attacks, "budgets": (200, 700)}
    games = [played("digits", seed, network(seed), **settings) for seed in range(seeds)]
    show(f"digits, network, queries (200, 700): fidelity, mean of {seeds} targets", lines(games))
    for game in games:
        for line in game.curves[0].lines[:-1]:
            print(f"  {line.name:42s}", *(f"{risk.value:.3f}" for _, risk in line.points))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {of.__name__: of for of in (equations, curves, tree, defenses, art)}
    parser.add_argument("part", nargs="?", choices=sorted(parts), help="or equations, curves and tree")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    for part in [given.part] if given.part else ("equations", "curves", "tree"):
        parts[part](given.seeds)


if __name__ == "__main__":
    main()
