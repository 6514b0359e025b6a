"""What a finished model gives away of one training record, and of its classes: the bars of reconstruction, on digits.

The parts: a softmax regression whose training went on to its optimum, with noise on its weights; one that stopped as
scikit-learn's defaults say; small networks and the models it takes to learn from; naive Bayes fitted again, beside the
Adversarial Robustness Toolbox, where that is installed; and inversion of classes, with a generator of digits, too.
"""

import argparse
import copy
import time
import warnings
from functools import partial

import numpy as np
import torch
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from torch import Tensor, nn

from ml_privacy_meter.games import Game
from ml_privacy_meter.inferring.classes import reconstruct_classes
from ml_privacy_meter.inferring.records import reconstruct_records
from ml_privacy_meter.reconstruction import InformedView, invert_classes, range_of, refitted

TRAIN = {"optimizer": "sgd", "lr": 0.5, "momentum": 0.0, "epochs": 30, "batch_size": 1000, "schedule": "constant"}
Sets = tuple[tuple[Tensor, Tensor], ...]


def digits(seed: int, *ends: int) -> Sets:
    """Digits in an order drawn, cut at these places."""
    held = load_digits()
    order = np.random.default_rng(seed).permutation(len(held.data))
    x, y = torch.tensor(held.data[order] / 16), torch.tensor(held.target[order])
    return tuple((x[a:b], y[a:b]) for a, b in zip((0, *ends[:-1]), ends, strict=True))


def row(name: str, game: Game, attack: str) -> None:
    risks = game.risks[attack]
    inside, outside = (risks[f"median PSNR, {side} (dB)"] for side in ("members", "non-members"))
    label, excess = (risks[name] for name in ("label right, members", "excess of members closer than any record held"))
    print(
        f"| {name} | {attack} | {inside.value:.1f} [{inside.low:.1f}, {inside.high:.1f}] | {inside.baseline:.1f} | "
        f"{outside.value:.1f} | {label.value:.0%} | {excess.value:.2f} |",
        flush=True,
    )


def softmax(seed: int, secrets: int) -> Game:
    """The bar: above 60 dB, falling with noise."""
    members, others = digits(seed, 500, 1000)
    sides = [tuple(part.numpy() for part in side) for side in (members, others)]
    exact = LogisticRegression(tol=1e-8, max_iter=5000).fit(*sides[0])
    game = reconstruct_records(exact, *sides, span=(0, 1), seed=seed, secrets=secrets)
    for attack in ("closed_form", "likeliest"):
        row("softmax regression, at its optimum", game, attack)
    usual = reconstruct_records(LogisticRegression().fit(*sides[0]), *sides, span=(0, 1), seed=seed, noise=())
    for attack in ("closed_form", "likeliest"):
        row("softmax regression, scikit-learn's defaults", usual, attack)
    print(usual.checks[0].says)
    return game


def networks(seed: int) -> None:
    """A network of 64-16-10, of which the adversary trains as many as said."""
    members, others, public = ((x.float(), y) for x, y in digits(seed, 100, 200, 1400))
    model = nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10))
    for shadows, known in ((50, True), (200, True), (1000, True), (1000, False)):
        game = reconstruct_records(
            model, members, others, public=public, train=TRAIN, shadows=shadows, known_start=known, span=(0, 1),
            seed=seed, noise=(),
        )  # fmt: skip
        row(f"network, {shadows} models, start {'known' if known else 'not known'}", game, "learned")


def beside_toolbox(records: int) -> None:
    """Root of the mean squared error over features, in cm, of both on iris; the unknown record comes last in both."""
    x, y = load_iris(return_X_y=True)
    places = np.random.default_rng(0).choice(len(x), records, replace=False)
    ours, theirs, took = [], [], [0.0, 0.0]
    for place in places:
        rest = np.arange(len(x)) != place
        known, labels = x[rest], y[rest]
        model = GaussianNB().fit(np.vstack([known, x[[place]]]), np.append(labels, y[place]))

        def numbers(model: GaussianNB) -> np.ndarray:
            return np.concatenate([model.class_prior_, model.theta_.ravel(), model.var_.ravel()])

        def refit(own: Tensor, of: Tensor, known: np.ndarray = known, labels: np.ndarray = labels) -> Tensor:
            fits = (
                GaussianNB().fit(np.vstack([known, a[None]]), np.append(labels, b))
                for a, b in zip(own, of, strict=True)
            )
            return torch.tensor(np.array([numbers(fit) for fit in fits]))

        sets = torch.tensor(known), torch.tensor(labels)
        view = InformedView(torch.tensor(numbers(model))[None], *sets, *sets, range_of(sets[0]), refit=refit)
        started = time.perf_counter()
        ours.append(float(np.sqrt(((refitted(view)[0][0].numpy() - x[place]) ** 2).mean())))
        took[0] += time.perf_counter() - started
        if (found := toolbox(copy.deepcopy(model), known, labels)) is not None:
            theirs.append(float(np.sqrt(((found[0] - x[place]) ** 2).mean())))
        took[1] += time.perf_counter() - started - took[0]
    print(f"naive Bayes on iris, {records} records: `refitted` is off by {np.max(ours):.1g} cm at most")
    if theirs:
        print(f"the Adversarial Robustness Toolbox by {np.max(theirs):.1g} cm")


def toolbox(model: GaussianNB, known: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    try:
        from art.attacks.inference.reconstruction import DatabaseReconstruction
        from art.estimators.classification.scikitlearn import ScikitlearnGaussianNB
    except ImportError:
        return None
    found: np.ndarray = DatabaseReconstruction(ScikitlearnGaussianNB(model)).reconstruct(known, labels)[0]
    return found


def classes(seed: int) -> Game:
    """The bar: worse than the mean image."""
    members, others = ((x.float().reshape(-1, 1, 8, 8), y) for x, y in digits(seed, 600, 1797))
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(members[0]), members[1]).backward()
        optimizer.step()
    public = (others[0][::2], others[1][::2])
    rest = (others[0][1::2], others[1][1::2])
    flat = public[0].flatten(1)
    _, scale, axes = torch.pca_lowrank(flat, q=12, center=True)
    plane = scale[:, None] * axes.T / len(flat) ** 0.5

    def generator(z: Tensor) -> Tensor:
        return (flat.mean(0) + z @ plane).clamp(0, 1).reshape(-1, 1, 8, 8)

    attacks = (
        invert_classes,
        partial(invert_classes, start="mean"),
        partial(invert_classes, generator=generator, latent=12, l2=0.1),
    )
    game = reconstruct_classes(model, members, rest, public=public, attacks=attacks, span=(0, 1), seed=seed)
    for one in (*game.baselines, *game.tried):
        inside, outside, _, sure, agreed = one.risks[:5]
        print(
            f"| {one.attack} | {inside.value:.2f} [{inside.low:.2f}, {inside.high:.2f}] | {outside.value:.2f} | "
            f"{sure.value:.2f} | {agreed.value:.0%} |",
            flush=True,
        )
    return game


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seed", type=int, default=0, help="of records and models (0)")
    asked.add_argument("--secrets", type=int, default=20, help="members asked about, and non-members (20)")
    given = asked.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(
        "| model | attack | members, dB | nearest, dB | non-members, dB | label right | excess |\n" + "|---" * 7 + "|"
    )
    game = softmax(given.seed, given.secrets)
    networks(given.seed)
    for line in game.curves[0].lines:
        print(f"{line.name} by noise: " + ", ".join(f"{scale:g}: {risk.value:.1f} dB" for scale, risk in line.points))
    beside_toolbox(6)
    print("| record | correlation, members | non-members | model sure | judge agrees |\n" + "|---" * 5 + "|")
    found = classes(given.seed)
    print(found.verdict)
    psnr = game.risks["closed_form"]["median PSNR, members (dB)"].value
    print(f"softmax regression: {psnr:.1f} dB, {'meets' if psnr > 60 else 'MISSES'} 60 dB")
    noise = found.risks["invert_classes"]["correlation with members' mean"].value
    mean = found.risks["mean image"]["correlation with members' mean"].value
    print(
        f"class inversion {noise:.2f}, mean image {mean:.2f}: {'worse, as the bar says' if noise < mean else 'MISSES'}"
    )


if __name__ == "__main__":
    main()
