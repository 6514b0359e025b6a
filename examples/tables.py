"""A network for each of three tables of people's records, then an audit of it through the command line.

python examples/tables.py location reproduction --data ../shared/data      # or tafeng, or diabetes
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

FILES = {"location": "location_bangkok", "tafeng": "tafeng_basket100", "diabetes": "diabetes130_diag100"}


def load(file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features as 0 and 1, classes, and whose record each is: no person stands on both sides of a split."""
    z = np.load(file)
    x = z["X"] if "n_features" not in z else np.unpackbits(z["X"], axis=1)[:, : int(z["n_features"])]
    y = np.unique(z["y"], return_inverse=True)[1]
    return x.astype(np.float32), y, z["customer"] if "customer" in z else np.arange(len(y))


def split(people: np.ndarray, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of members and of non-members: ``each`` at most, of people drawn at random."""
    rng = np.random.default_rng(0)
    names = rng.permutation(np.unique(people))
    rows = rng.permutation(len(people))
    chosen = np.isin(people[rows], names[: len(names) // 2])
    return rows[chosen][:each], rows[~chosen][:each]


def train(x: torch.Tensor, y: torch.Tensor, classes: int, epochs: int = 40) -> torch.nn.Module:
    torch.manual_seed(0)
    layers = (torch.nn.Linear(x.shape[1], 512), torch.nn.Tanh(), torch.nn.Linear(512, 256), torch.nn.Tanh())
    model = torch.nn.Sequential(*layers, torch.nn.Linear(256, classes))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(128):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    return model.eval()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=FILES)
    parser.add_argument("folder", type=Path, help="where the model, the records and the report go")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--epochs", type=int, default=40)
    given = parser.parse_args()
    here = given.folder / given.name
    here.mkdir(parents=True, exist_ok=True)
    x, y, people = load(given.data / f"{FILES[given.name]}.npz")
    sides = split(people, each=1_500 if given.name == "location" else 10_000)
    for side, rows in zip(("train", "test"), sides, strict=True):
        np.savez(here / f"{side}.npz", x=x[rows], y=y[rows], id=rows.astype(str))
    model = train(torch.from_numpy(x[sides[0]]), torch.from_numpy(y[sides[0]]), int(y.max()) + 1, given.epochs)
    dynamic = ({0: torch.export.Dim("records", min=1)},)
    exported = torch.export.export(model, (torch.zeros(2, x.shape[1]),), dynamic_shapes=dynamic)
    torch.export.save(exported, here / "model.pt2")
    meter = Path(sys.executable).with_name("privacy-meter")
    sets = ("--members", here / "train.npz", "--non-members", here / "test.npz")
    sys.exit(subprocess.call([meter, "audit", "--model", here / "model.pt2", *sets, "--out", here / "report"]))
