"""Federated averaging under encryption: the server sees no update, and the model that comes out leaks as before.

pip install "ml-privacy-meter[layers]"
python examples/homomorphic_aggregation.py
"""

import copy
import sys
import time

import numpy as np
import tenseal as ts
import torch
from sklearn.datasets import load_digits
from torch.nn.utils import parameters_to_vector, vector_to_parameters

import ml_privacy_meter as pm
from ml_privacy_meter.membership import threshold

SLOTS, CLIENTS = 4_096, 5  # numbers in one ciphertext, and who trains


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(32, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))


def update(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    """The change of the weights by ten steps on one client's records."""
    own = copy.deepcopy(model)
    optimizer = torch.optim.SGD(own.parameters(), lr=0.1, momentum=0.9)
    for _ in range(10):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(own(x), y).backward()
        optimizer.step()
    change = parameters_to_vector(own.parameters()) - parameters_to_vector(model.parameters())
    return change.detach().double().numpy()


def added(sent: list[list[bytes]], public: ts.Context) -> list[bytes]:
    """What the server does, which has no secret key: it adds what it cannot read."""
    columns = ([ts.ckks_vector_from(public, part) for part in parts] for parts in zip(*sent, strict=True))
    return [sum(rest, start=first).serialize() for first, *rest in columns]


def main(rounds: int = 100) -> None:
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = torch.from_numpy((x[order, :32] / 16).astype(np.float32)), torch.from_numpy(y[order])
    own = ts.context(ts.SCHEME_TYPE.CKKS, poly_modulus_degree=2 * SLOTS, coeff_mod_bit_sizes=[60, 40, 60])
    own.global_scale = 2**40
    public = own.copy()
    public.make_context_public()
    models = {way: network() for way in ("plain", "encrypted")}
    worst = took = 0.0
    for _ in range(rounds):
        for way, model in models.items():
            parts = zip(x[:400].chunk(CLIENTS), y[:400].chunk(CLIENTS), strict=True)
            updates = [update(model, *part) for part in parts]
            total = np.sum(updates, axis=0)
            if way == "encrypted":
                begin, pieces = time.perf_counter(), range(0, len(total), SLOTS)
                sent = [[ts.ckks_vector(own, one[at : at + SLOTS]).serialize() for at in pieces] for one in updates]
                sums = added(sent, public)
                plain, total = total, np.concatenate([ts.ckks_vector_from(own, one).decrypt() for one in sums])
                took += time.perf_counter() - begin
                worst = max(worst, float(np.abs(total - plain).max()))
            weights = parameters_to_vector(model.parameters()).detach()
            vector_to_parameters(weights + torch.from_numpy(total / CLIENTS).float(), model.parameters())
    print(f"Encryption: {took / rounds:.3f} s a round, largest error of a sum {worst:.0e}")
    print(f"A client sends {sum(map(len, sent[0])):,} bytes, and {len(total) * 4:,} without encryption")
    for way, model in models.items():
        report = pm.audit(model, (x[:400], y[:400]), (x[400:], y[400:]), attacks=[threshold])
        print(f"Attack on the model that comes out, {way}: {report.risks['threshold']['AUC']}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
