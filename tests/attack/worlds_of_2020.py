"""A data set as it was kept in 2020, and models that know some of it by heart."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")  # Keras reads it once, when it is first imported

from pathlib import Path

import numpy as np
import torch

from ml_privacy_meter.utils.attack_data import AttackData, attack_data

WIDTH, CLASSES, EACH = 12, 3, 100


def drawn(seed: int = 0, count: int = 3 * EACH) -> tuple[np.ndarray, np.ndarray]:
    """Features without meaning, and labels at random."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, WIDTH)).astype(np.float32).round(3), rng.integers(0, CLASSES, count)


def lines(x: np.ndarray, y: np.ndarray) -> list[str]:
    return [",".join(map(str, one)) + f";{label}" for one, label in zip(x.tolist(), y, strict=True)]


def written(folder: Path, members: slice, *, x: np.ndarray, y: np.ndarray, name: str = "members") -> dict[str, Path]:
    """The paths of ``all.txt`` and of the members' rows."""
    whole = lines(x, y)
    (folder / "all.txt").write_text("\n".join(whole) + "\n")
    np.save(folder / f"{name}.npy", np.array([line.split(";") for line in whole[members]]))
    return {"dataset_path": folder / "all.txt", "member_dataset_path": folder / f"{name}.npy"}


def handler(paths: dict[str, Path], **settings: object) -> AttackData:
    given = {"batch_size": 10, "attack_percentage": 40, "input_shape": (WIDTH,)} | settings
    return attack_data(**paths, **given)  # type: ignore[arg-type]


def fitted(x: np.ndarray, y: np.ndarray, seed: int = 0, steps: int = 100, classes: int = CLASSES) -> torch.nn.Module:
    """A network that knows these records by heart."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = (torch.nn.Linear(WIDTH, 64), torch.nn.ReLU(), torch.nn.Linear(64, 16), torch.nn.ReLU())
        model = torch.nn.Sequential(*layers, torch.nn.Linear(16, classes))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(steps):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y)).backward()
            optimizer.step()
    return model


def keras_model(x: np.ndarray, y: np.ndarray, epochs: int = 60):  # type: ignore[no-untyped-def]
    """The same of Keras, with a layer of dropout between."""
    import keras

    keras.utils.set_random_seed(0)
    kinds = keras.layers
    dense = (kinds.Dense(64, "relu"), kinds.Dropout(0.1), kinds.Dense(16, "relu"), kinds.Dense(CLASSES, "softmax"))
    model = keras.Sequential([kinds.Input((WIDTH,)), *dense])
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=epochs, verbose=0)
    return model
