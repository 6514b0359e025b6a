"""Two small networks that read handwritten digits from their upper half: one trained for long, one for a few epochs.

python examples/digits.py demo        # writes demo/long.pt2, demo/short.pt2, demo/train.npz, demo/test.npz

The digits come with scikit-learn. Their upper halves are hard enough that training for long means learning by heart.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits


def train(x: torch.Tensor, y: torch.Tensor, epochs: int) -> torch.nn.Module:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    return model.eval()


def main(folder: Path) -> None:
    torch.set_num_threads(1)  # two would wait for each other longer than these small products take
    folder.mkdir(parents=True, exist_ok=True)
    x, y = load_digits(return_X_y=True)
    x = (x[:, :32] / 16).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(x))
    members, others = order[:400], order[400:]
    np.savez(folder / "train.npz", x=x[members], y=y[members], id=[f"digit {i}" for i in members])
    np.savez(folder / "test.npz", x=x[others], y=y[others], id=[f"digit {i}" for i in others])
    for name, epochs in (("long", 300), ("short", 10)):
        model = train(torch.from_numpy(x[members]), torch.from_numpy(y[members]), epochs)
        rows = torch.export.Dim("records", min=1)
        exported = torch.export.export(model, (torch.from_numpy(x[:2]),), dynamic_shapes=({0: rows},))
        torch.export.save(exported, folder / f"{name}.pt2")
        print(f"{folder}/{name}.pt2: {epochs} epochs on {len(members)} of {len(x)} digits")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
