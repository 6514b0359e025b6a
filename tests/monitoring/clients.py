"""Clients of a digits model: honest ones, who ask about test data, and attackers."""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

SESSION = 200
Client = Callable[[np.random.Generator], np.ndarray]


@cache
def digits() -> tuple[np.ndarray, np.ndarray, LogisticRegression]:
    """Pixels in [0, 1] that the model was not trained on, their labels, and the model."""
    x, y = load_digits(return_X_y=True)
    x, order = x / 16, np.random.default_rng(0).permutation(len(x))
    return x[order[500:]], y[order[500:]], LogisticRegression(max_iter=1_000).fit(x[order[:500]], y[order[:500]])


def honest(rng: np.random.Generator) -> np.ndarray:
    x = digits()[0]
    return x[rng.choice(len(x), SESSION, replace=False)]


def jacobian(rng: np.random.Generator) -> np.ndarray:
    """Papernot et al. 2017: steps along the sign of a substitute's gradients, from 40 records, doubling each round."""
    model, x = digits()[2], honest(rng)[:40]
    while len(x) < SESSION:
        substitute = LogisticRegression(max_iter=1_000).fit(x, model.predict(x))
        weights = substitute.coef_[np.searchsorted(substitute.classes_, model.predict(x))]
        slope = weights - substitute.predict_proba(x) @ substitute.coef_
        x = np.concatenate([x, np.clip(x + 0.1 * np.sign(slope), 0, 1)])
    return x[:SESSION]


def uniform(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(size=(SESSION, 64))


def boundary(rng: np.random.Generator) -> np.ndarray:
    """A bisection between two records of different answers, and then random steps beside the boundary."""
    x, model = honest(rng), digits()[2]
    answers = model.predict(x)
    near, far = x[0], x[np.flatnonzero(answers != answers[0])[0]]
    asked = []
    for _ in range(20):
        middle = (near + far) / 2
        asked.append(middle)
        same = model.predict(middle[None])[0] == answers[0]
        near, far = (middle, far) if same else (near, middle)
    steps = 0.02 * rng.normal(size=(SESSION - 20, 64))
    return np.concatenate([asked, np.clip(near + steps, 0, 1)])


def repeated(rng: np.random.Generator) -> np.ndarray:
    """Honest queries, and every second one the same: noise is averaged out."""
    x = honest(rng)
    x[::2] = x[0]
    return x


def write(path: Path, clients: Mapping[str, np.ndarray], *, mixed: int | None = 0) -> Path:
    """A log in JSON lines, with clients' queries in an order that is drawn; None: one client after the other."""
    lines = [(name, place) for name, x in clients.items() for place in range(len(x))]
    if mixed is not None:
        turn = np.random.default_rng(mixed).permutation([name for name, _ in lines])
        taken = dict.fromkeys(clients, 0)
        lines = []
        for name in turn.tolist():
            lines.append((name, taken[name]))
            taken[name] += 1
    answers = {name: digits()[2].predict(x) for name, x in clients.items()}
    rows = (
        {"time": float(at), "client": name, "x": clients[name][place].tolist(), "answer": int(answers[name][place])}
        for at, (name, place) in enumerate(lines)
    )
    return write_rows(path, rows)


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def of(kind: Client, count: int, rng: np.random.Generator, name: str = "") -> dict[str, np.ndarray]:
    """Several clients of a kind."""
    return {f"{name or kind.__name__} {i}": kind(rng) for i in range(count)}
