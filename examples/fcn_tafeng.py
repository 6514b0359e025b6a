"""A fully connected network that knows customers' baskets: what its weights tell beyond its answers.
python examples/fcn_tafeng.py tutorials --data ../shared/data
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tables import load, split
from torch import Tensor, nn

import ml_privacy_meter as pm

SIZES = (1024, 512, 256, 128, 100)


def network(inputs: int) -> nn.Module:
    """Five linear layers, ``dense1`` to ``dense5``, with tanh between them."""
    model, width = nn.Sequential(), inputs
    for number, size in enumerate(SIZES, 1):
        model.add_module(f"dense{number}", nn.Linear(width, size))
        if number < len(SIZES):
            model.add_module(f"tanh{number}", nn.Tanh())
        width = size
    return model


def train(model: nn.Module, x: Tensor, y: Tensor, epochs: int) -> nn.Module:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    optimizer = torch.optim.Adam(model.to(device).parameters(), lr=1e-3)
    x, y = x.to(device), y.to(device)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(128):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    return model.eval()


def write(folder: Path, x: np.ndarray, y: np.ndarray, sides: Sequence[np.ndarray]) -> tuple[Path, Path]:
    """Two files of the original tool's formats: everyone, and the members, who are the first of two sides."""
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / "everyone.txt", folder / "members.npy"
    for path, rows in zip(written, (np.sort(np.concatenate(sides)), sides[0]), strict=True):
        np.savez(path.with_suffix(".npz"), x=x[rows], y=y[rows])
        path.unlink(missing_ok=True)  # the converter writes nothing over
        pm.utils.convert(path.with_suffix(".npz"), path)
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where records, results and plots go")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    for name, usual in (("records", 10_000), ("epochs", 40), ("attack-epochs", 50)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    given = parser.parse_args()
    here = given.folder / "fcn_tafeng"
    x, y, customers = load(given.data / "tafeng_basket100.npz")
    sides = split(customers, given.records)
    data = pm.utils.attack_data.attack_data(*write(here, x, y, sides), 64, 50, input_shape=x.shape[1:])
    torch.manual_seed(0)
    model = train(network(x.shape[1]), torch.from_numpy(x[sides[0]]), torch.from_numpy(y[sides[0]]), given.epochs)
    models, settings = (model, model, data, data), {"learning_rate": 0.001, "epochs": given.attack_epochs}
    white, black = (
        pm.attack.meminf.initialize(*models, model_name=name, **exploited, **settings, folder=here / "logs")
        for name, exploited in {
            "whitebox1": {"layers_to_exploit": ["dense5"], "gradients_to_exploit": [3, 4, 5]},
            "blackbox1": {"layers_to_exploit": ["dense5"], "exploit_loss": False},
        }.items()
    )
    white.train_attack()
    black.train_attack()
    print("All of whitebox1:", white.test_attack().folder)
    report, folder = pm.attack.compare_models(white, black, folder=here / "logs")
    print(report, f"Report: {folder / 'report' / 'index.html'}", sep="\n")
