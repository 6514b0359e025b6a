"""Leaky models and their records, as files: linear models that know labels without meaning by heart.

There are 120 records of 108 features, half of them members.
"""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from worlds import draw, overfitted

WIDTH, CLASSES = 108, ("ash", "birch", "cedar")
X, Y, MEMBER = draw(0, n=120, width=WIDTH)
SIDES = {"train": MEMBER, "test": ~MEMBER}
SEVERAL = torch.rand(120, 4, generator=torch.Generator().manual_seed(5)) < 0.5
QUANTITY = torch.randn(120, generator=torch.Generator().manual_seed(6)).double()
PIXELS = (X.reshape(-1, 3, 6, 6).clamp(-2, 2) * 60 + 128).to(torch.uint8)
FACTORY = """
import torch


def build():
    return torch.nn.Linear(108, 3, bias=False)
"""


def network() -> nn.Linear:
    """Weights that fit the members' classes."""
    return overfitted(X[MEMBER], Y[MEMBER])


def answers(rows: Any) -> Tensor:
    """Logits of `network`."""
    with torch.no_grad():
        return _NETWORK(torch.as_tensor(rows, dtype=torch.float32))


_NETWORK = network()


def yes_or_no(targets: Tensor, steps: int = 60) -> nn.Linear:
    """One logit a label, fitted to the members' labels."""
    model = nn.Linear(WIDTH, targets.shape[1], bias=False)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(steps):
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(model(X[MEMBER]), targets[MEMBER].float()).backward()
        optimizer.step()
    return model


def names(y: Tensor = Y) -> np.ndarray:
    return np.array(CLASSES)[y.numpy()]


def frame(side: str, *, outputs: bool = False) -> pd.DataFrame:
    """A table with features, a label, an id and a group."""
    rows = SIDES[side]
    table = pd.DataFrame(X[rows].numpy().astype(float), columns=[f"f{i}" for i in range(WIDTH)])
    table["tree"] = names(Y[rows])
    table["plot"] = [f"{side}-plot-{i}" for i in range(len(table))]
    table["region"] = np.where(np.arange(len(table)) % 2, "north", "south")
    if outputs:
        table["tree"] = Y[rows].numpy()
        table[[f"p_{name}" for name in CLASSES]] = answers(X[rows]).softmax(1).numpy()
    return table


def arrays(side: str, y: Tensor = Y, **more: np.ndarray) -> dict[str, np.ndarray]:
    rows = SIDES[side]
    return {"x": X[rows].numpy(), "y": y[rows].numpy(), **more}


def _npz(side: str, y: Tensor = Y) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays(side, y))


def _answered(side: str, *, features: bool) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        content = arrays(side, probabilities=answers(X[SIDES[side]]).softmax(1).numpy())
        if not features:
            del content["x"]
        np.savez(path, **content)

    return make


def export(module: nn.Module, example: Tensor, path: Path) -> None:
    shapes = ({0: torch.export.Dim("records")},)
    torch.export.save(torch.export.export(module.eval(), (example,), dynamic_shapes=shapes), path)


def _torchscript(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript as a whole
        torch.jit.save(torch.jit.trace(network(), X[:2]), path)


def _skops(path: Path) -> None:
    import skops.io
    from sklearn.linear_model import LogisticRegression

    table = frame("train")
    features = [column for column in table if column.startswith("f")]
    skops.io.dump(LogisticRegression(C=1e4).fit(table[features], table["tree"]), path)


def _regressor(path: Path) -> None:
    import skops.io
    from sklearn.linear_model import Ridge

    skops.io.dump(Ridge(1e-3).fit(X[MEMBER].double().numpy(), QUANTITY[MEMBER].numpy()), path)


def _onnx(path: Path) -> None:
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1e4).fit(X[MEMBER].numpy(), Y[MEMBER].numpy())
    path.write_bytes(to_onnx(model, X[:1].numpy(), options={"zipmap": False}).SerializeToString())


def _keras(path: Path) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    model = keras.Sequential([keras.layers.Input((WIDTH,)), keras.layers.Dense(3, use_bias=False)])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*__array__ implementation", DeprecationWarning)
        model.layers[0].set_weights([_NETWORK.weight.detach().numpy().T])
        model.save(path)


def _images(side: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        from PIL import Image

        rows = SIDES[side]
        for i, (pixels, name) in enumerate(zip(PIXELS[rows], names(Y[rows]), strict=True)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(folder / name / f"{i}.png")

    return make


def _of_images(path: Path) -> None:
    seen = PIXELS.float() / 255
    flat = seen.flatten(1) - 0.5
    linear = overfitted(flat[MEMBER] * 4, Y[MEMBER], steps=300)
    bias = torch.full((WIDTH,), -0.5)

    class Centred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = linear

        def forward(self, images: Tensor) -> Tensor:
            return self.linear((images.flatten(1) + bias) * 4)

    export(Centred(), seen[:4], path)


MAKERS: dict[str, Callable[[Path], None]] = {
    "model.pt2": lambda path: export(network(), X[:4], path),
    "model.ts": _torchscript,
    "model.safetensors": lambda path: save_file(network().state_dict(), path),
    "model.pt": lambda path: torch.save(network().state_dict(), path),
    "model.skops": _skops,
    "regressor.skops": _regressor,
    "model.onnx": _onnx,
    "model.keras": _keras,
    "several.pt2": lambda path: export(yes_or_no(SEVERAL), X[:4], path),
    "binary.pt2": lambda path: export(yes_or_no((Y == 0)[:, None]), X[:4], path),
    "images.pt2": _of_images,
    "my_factory.py": lambda path: path.write_text(FACTORY) and None,
}
for _side in SIDES:
    MAKERS |= {
        f"{_side}.npz": _npz(_side),
        f"{_side}_several.npz": _npz(_side, SEVERAL),
        f"{_side}_binary.npz": _npz(_side, (Y == 0).long()),
        f"{_side}_quantity.npz": _npz(_side, QUANTITY),
        f"{_side}_answers.npz": _answered(_side, features=False),
        f"{_side}_answered.npz": _answered(_side, features=True),
        f"{_side}.csv": lambda path, side=_side: frame(side).to_csv(path, index=False),
        f"{_side}.parquet": lambda path, side=_side: frame(side).to_parquet(path, index=False),
        f"{_side}_answered.csv": lambda path, side=_side: frame(side, outputs=True).to_csv(path, index=False),
        f"{_side}_images": _images(_side),
    }
