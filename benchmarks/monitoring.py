"""Which attacks on a served model its query log gives away, and how often honest clients alarm: a classifier of digits.

Twenty-five draws: a model of 500 records; 40 honest clients of 300 queries set thresholds at 5%, 20 others and 2
attackers of each kind are judged. Then the time that a log takes, and the memory.
"""

import json
import resource
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from ml_privacy_meter.monitoring import monitor
from ml_privacy_meter.monitoring.calibration import Calibration, calibrated
from ml_privacy_meter.monitoring.logs import Queries
from ml_privacy_meter.monitoring.sessions import Session

DRAWS, SESSION, RATE, BENIGN, HONEST, ATTACKERS = 25, 300, 0.05, 40, 20, 2
ASSUMED = (("prada", 0.05), ("prada", 0.1), ("repeats", 0.5))  # without a benign log; PRADA's authors: 0.04 to 0.1
CHECKS = ("prada", "repeats", "strange", "known")


class World:
    """A model and honest records, drawn by a seed."""

    def __init__(self, seed: int) -> None:
        x, y = load_digits(return_X_y=True)
        self.rng = np.random.default_rng(seed)
        order = self.rng.permutation(len(x))
        self.train, self.aside, self.rest = np.split(x[order] / 16, [500, 500 + SESSION])
        self.model = LogisticRegression(max_iter=2_000).fit(self.train, y[order[:500]])

    def honest(self) -> np.ndarray:
        return self.rest[self.rng.choice(len(self.rest), SESSION, replace=False)]

    def uniform(self) -> np.ndarray:
        return self.rng.uniform(size=(SESSION, 64))

    def jacobian(self) -> np.ndarray:
        """Steps along the sign of a substitute's gradients, from 40 records, doubling each round."""
        x = self.honest()[:40]
        while len(x) < SESSION:
            answers = self.model.predict(x)
            substitute = LogisticRegression(max_iter=2_000).fit(x, answers)
            weights = substitute.coef_[np.searchsorted(substitute.classes_, answers)]
            slope = weights - substitute.predict_proba(x) @ substitute.coef_
            x = np.concatenate([x, np.clip(x + 0.1 * np.sign(slope), 0, 1)])
        return x[:SESSION]

    def jacobian_half(self) -> np.ndarray:
        return self._mixed(self.jacobian(), 2)

    def boundary(self) -> np.ndarray:
        """A bisection towards another answer's record, then random steps beside the boundary."""
        x = self.honest()
        answers = self.model.predict(x)
        near, far = x[0], x[np.flatnonzero(answers != answers[0])[0]]
        asked = []
        for _ in range(20):
            asked.append((near + far) / 2)
            same = self.model.predict(asked[-1][None])[0] == answers[0]
            near, far = (asked[-1], far) if same else (near, asked[-1])
        steps = 0.02 * self.rng.normal(size=(SESSION - 20, 64))
        return np.concatenate([asked, np.clip(near + steps, 0, 1)])

    def boundary_tenth(self) -> np.ndarray:
        return self._mixed(self.boundary(), 10)

    def repeated(self) -> np.ndarray:
        return np.repeat(self.honest()[:1], SESSION, axis=0)

    def training(self) -> np.ndarray:
        return self.rng.permutation(self.train)[:SESSION]

    def training_twentieth(self) -> np.ndarray:
        return self._mixed(self.training(), 20)

    def _mixed(self, attack: np.ndarray, every: int) -> np.ndarray:
        x = self.honest()
        x[::every] = attack[::every]
        return x

    def queries(self, name: str, x: np.ndarray) -> Queries:
        answers = [str(answer) for answer in self.model.predict(x)]
        keys = [row.tobytes() for row in x]
        return Queries(1, np.arange(1, len(x) + 1), np.full(len(x), np.nan), [name] * len(x), x, keys, answers)


ASKED = {
    "honest client": (World.honest, HONEST),
    "uniformly random queries": (World.uniform, ATTACKERS),
    "Jacobian steps (copying the model)": (World.jacobian, ATTACKERS),
    "the same, every second query": (World.jacobian_half, ATTACKERS),
    "walk along a boundary": (World.boundary, ATTACKERS),
    "the same, every tenth query": (World.boundary_tenth, ATTACKERS),
    "one query repeated": (World.repeated, ATTACKERS),
    "the training records, once each": (World.training, ATTACKERS),
    "the same, every twentieth query": (World.training_twentieth, ATTACKERS),
}


def worst(queries: Queries, found: Calibration) -> dict[str, float]:
    session = Session(SESSION, found.ruler.radius)
    for at, (far, _) in enumerate(found.ruler.measured(queries.x)):
        session.add(queries.x[at], queries.key[at], queries.answer[at], far)
    return session.worst


def main() -> None:
    alarms = defaultdict(list)
    for seed in range(DRAWS):
        world = World(seed)
        log = [world.queries("aside", world.aside)]  # nobody else has its records, as in life
        log += [world.queries(str(i), world.honest()) for i in range(BENIGN - 1)]
        found = calibrated(log, rate=RATE, session=SESSION, most=BENIGN, radius=None, known=world.train)
        for name, (kind, count) in ASKED.items():
            for _ in range(count):
                seen = worst(world.queries(name, kind(world)), found)
                calibrated_ones = [seen[check] > found.thresholds[check] for check in CHECKS]
                assumed = [seen[check] > limit for check, limit in ASSUMED]
                alarms[name].append([*calibrated_ones, any(calibrated_ones), *assumed])
    head = [*CHECKS, "any of these", *(f"{check} > {limit:g}" for check, limit in ASSUMED)]
    print("| who asks |", " | ".join(head), "|")
    print("|---" * (len(head) + 1) + "|")
    for name, found in alarms.items():
        print(f"| {name} |", " | ".join(f"{share:.0%}" for share in np.mean(found, axis=0)), "|")
    timed()


def timed() -> None:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for count in (20_000, 80_000):
            path = Path(folder) / f"{count}.jsonl"
            with path.open("w") as file:
                for at in range(count):
                    row = {"client": str(at % 40), "x": rng.random(64).round(4).tolist(), "answer": at % 10}
                    file.write(json.dumps(row) + "\n")
            begin = time.perf_counter()
            monitor(path)
            took = time.perf_counter() - begin
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{count:,} queries of 64 features: {took:.1f} s, peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
