"""How often each 95% lower bound on epsilon lies above the true epsilon, in 2,000 simulated audits of each mechanism.

Half of the bounds assume a Gaussian mechanism: for others, the share in brackets says what comes of them nevertheless.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.stats import norm

from ml_privacy_meter.risk import epsilon_clopper_pearson, epsilon_gaussian, epsilon_one_run, epsilon_one_run_gaussian
from ml_privacy_meter.types import Scores

ROUNDS = 2_000
CANARIES = 1_000
DELTA = 1e-5
LEAK_DELTA = 0.01  # of the mechanism that names some and says nothing of the others

Draw = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def randomised_response(epsilon: float, rng: np.random.Generator, member: np.ndarray) -> np.ndarray:
    """The truth, or its opposite with probability 1 / (1 + exp(epsilon))."""
    return (member ^ (rng.random(len(member)) < 1 / (1 + np.exp(epsilon)))).astype(float)


def gaussian(mu: float, rng: np.random.Generator, member: np.ndarray) -> np.ndarray:
    return mu * member + rng.normal(size=len(member))


def laplace(epsilon: float, rng: np.random.Generator, member: np.ndarray) -> np.ndarray:
    return member + rng.laplace(scale=1 / epsilon, size=len(member))


def names_some(delta: float, rng: np.random.Generator, member: np.ndarray) -> np.ndarray:
    """Of each canary, the truth with probability ``delta``, and nothing else: epsilon is 0."""
    named = np.where(member, 2.0, -2.0)
    return np.where(rng.random(len(member)) < delta, named, rng.uniform(-1, 1, len(member)))


def gaussian_truth(mu: float, delta: float) -> float:
    def excess(eps: float) -> float:
        return norm.cdf(mu / 2 - eps / mu) - np.exp(eps) * norm.cdf(-mu / 2 - eps / mu) - delta

    return brentq(excess, 0, 50)


# name, draw, delta, true epsilon at delta, whether it is Gaussian
WORLDS: tuple[tuple[str, Draw, float, float, bool], ...] = (
    ("nothing leaks", partial(gaussian, 0.0), DELTA, 0.0, True),
    *((f"Gaussian, mu {mu}", partial(gaussian, mu), DELTA, gaussian_truth(mu, DELTA), True) for mu in (0.5, 1, 2)),
    *((f"Laplace, {eps}", partial(laplace, eps), DELTA, eps + 2 * np.log1p(-DELTA), False) for eps in (1, 4)),
    *(
        (
            f"coin flips, {eps}",
            partial(randomised_response, eps),
            DELTA,
            np.log(np.exp(eps) - DELTA * (1 + np.exp(eps))),
            False,
        )
        for eps in (1, 4)
    ),
    ("names 1%", partial(names_some, LEAK_DELTA), LEAK_DELTA, 0.0, False),
)
BOUNDS: dict[str, tuple[Callable, bool]] = {  # and whether it assumes a Gaussian mechanism
    "rates": (epsilon_clopper_pearson, False),
    "rates, split": (partial(epsilon_clopper_pearson, threshold="split"), False),
    "one run": (epsilon_one_run, False),
    "one run, 100": (partial(epsilon_one_run, guesses=100), False),
    "one run, all": (partial(epsilon_one_run, guesses=CANARIES), False),
    "Gaussian": (epsilon_gaussian, True),
    "one run, Gaussian": (epsilon_one_run_gaussian, True),
}


def main() -> None:
    print("| mechanism | delta | epsilon | " + " | ".join(BOUNDS) + " |\n" + "|---" * (3 + len(BOUNDS)) + "|")
    for name, draw, delta, truth, family in WORLDS:
        found = np.array([bounds(draw, delta, seed) for seed in range(ROUNDS)])
        cells = []
        for j, (_, assumes) in enumerate(BOUNDS.values()):
            above = f"{np.mean(found[:, j] > truth + 1e-9):.1%}"
            cells.append(f"{np.median(found[:, j]):.2f}, {f'({above})' if assumes and not family else above}")
        print(f"| {name} | {delta:g} | {truth:.2f} | " + " | ".join(cells) + " |", flush=True)


def bounds(draw: Draw, delta: float, seed: int) -> list[float]:
    """Each bound on the same draw: canaries that are independent of each other satisfy all of them."""
    rng = np.random.default_rng(seed)
    member = rng.random(CANARIES) < 0.5
    scores = Scores(torch.from_numpy(draw(rng, member)), torch.from_numpy(member))
    return [bound(scores, delta=delta).value for bound, _ in BOUNDS.values()]


if __name__ == "__main__":
    main()
