"""Somebody else's attack, outside the package, beside the package's own.

python examples/own_attack.py

An attack is a function of a view. It asks for signals, its own or ours, and answers with a number for each record.
"""

from functools import partial

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

import ml_privacy_meter as pm
from ml_privacy_meter.membership import View, threshold
from ml_privacy_meter.signals import loss


def rise(model, x: Tensor, y: Tensor, *, copies: int, spread: float) -> Tensor:
    """Share of noisy copies of each record on which the model's loss is higher than on the record itself."""
    noise = torch.randn(copies, *x.shape[1:], generator=torch.Generator().manual_seed(0)).to(x)
    own = loss(model, x, y)  # the same noise for every record: nobody's score hangs on who else is asked about
    return torch.stack([loss(model, x + spread * one, y) > own for one in noise], 1).double().mean(1)


def merlin(view: View, *, copies: int = 50, spread: float = 0.1) -> Tensor:
    """Share of noisy copies of the record on which the loss is higher than on the record itself, in [0, 1].

    Sees: the target model's output for each record and for noisy copies of it, and the record's true label.

    Source: Jayaraman et al., Revisiting Membership Inference Under Realistic Assumptions, PETS 2021 (Merlin).
    """
    return view.signals(partial(rise, copies=copies, spread=spread)).target


def learned_by_heart(x: Tensor, y: Tensor) -> torch.nn.Module:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(300):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


def main() -> None:
    x, y = load_digits(return_X_y=True)
    x, y = torch.from_numpy((x[:, :32] / 16).astype(np.float32)), torch.from_numpy(y)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, test = order[:400], order[400:]
    model = learned_by_heart(x[train], y[train])
    attacks = [threshold, merlin, partial(merlin, spread=0.02)]
    report = pm.audit(model, (x[train], y[train]), (x[test], y[test]), attacks=attacks)
    for attack, risks in report.risks.items():
        print(f"{attack:24}{risks['AUC']}")


if __name__ == "__main__":
    main()
