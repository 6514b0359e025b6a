"""Training functions in a file of their own, which write down how often they were called."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from worlds import draw

TRAINING = """
import os, signal
from pathlib import Path
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

CALLS = Path(__file__).with_name("calls")

def train(x, y, seed, depth=3):
    with CALLS.open("a") as file:
        file.write(f"{seed}\\n")
    return DecisionTreeClassifier(max_depth=depth, random_state=seed).fit(x, y)

def dies_once(x, y, seed):
    mark = Path(__file__).with_name("died")
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return train(x, y, seed)

def dies_at_fourth(x, y, seed):
    model = train(x, y, seed)
    if calls() == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return model

def calls():
    return len(CALLS.read_text().split())
"""


@pytest.fixture
def my_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of training functions, new for each test."""
    name = f"training_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(TRAINING)
    (tmp_path / "calls").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    return __import__(name)


def two_sides(n: int = 81, classes: int = 3) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Members and non-members: their features and labels."""
    x, y, member = (part.numpy() for part in draw(1, n=n, width=6, classes=classes))
    return (x[member], y[member]), (x[~member], y[~member])


def everyone(n: int = 81) -> tuple[np.ndarray, np.ndarray]:
    (x, y), (others, labels) = two_sides(n)
    return np.concatenate([x, others]), np.concatenate([y, labels])


Trainer = Callable[[Any, np.ndarray, int], Any]
