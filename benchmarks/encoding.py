"""Training data of digits hidden in a model in four ways: what they hold, what removes them, and what detects them.

python benchmarks/encoding.py [--clean 60]
"""

import argparse
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from ml_privacy_meter import encoding
from ml_privacy_meter.encoding import Seen, View
from ml_privacy_meter.inferring.encoded import EVERY
from ml_privacy_meter.inferring.noise import noise_like
from ml_privacy_meter.membership import describe
from ml_privacy_meter.risk.apart import apart, rate

BESIDE = 19  # clean models beside each
held = load_digits()
order = torch.randperm(len(held.target), generator=torch.Generator().manual_seed(0))
X, Y = torch.tensor(held.data / 16, dtype=torch.float32)[order], torch.tensor(held.target)[order]
SIZE = len(Y) // 2
NOISE = noise_like(X, 1_000, seed=7)


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10))


def half(seed: int) -> Tensor:
    return torch.randperm(len(Y), generator=torch.Generator().manual_seed(seed))[:SIZE]


def clean(seed: int, epochs: int = 30, records: int = SIZE) -> nn.Module:
    rows = half(seed)[:records]
    return encoding.trained(network(seed), X[rows], Y[rows], epochs=epochs, seed=seed)


ROWS = half(0)
REST = torch.ones(len(Y), dtype=torch.bool).index_fill(0, ROWS, False)
PIXELS = encoding.as_bits((X[ROWS] * 16).round().to(torch.uint8))


@dataclass(frozen=True)
class Hidden:
    """A model that hides something, and how much of it is read from the model or what becomes of it."""

    name: str
    model: nn.Module
    holds: str
    errors: Callable[[nn.Module], float]


def low_bits(low: int, ciphered: bool, *, spare_dead: bool = False) -> Hidden:
    """In all weights; or in those alone that are trained, as no pixel at the border ever is."""
    model = clean(0)
    room = sum(weight.numel() for weight in model.parameters())
    bits = PIXELS.repeat(math.ceil(room * low / len(PIXELS)))[: room * low]
    bits = encoding.enciphered(bits, 1) if ciphered else bits
    hidden = encoding.hide_in_low_bits(model, bits, low=low)
    if spare_dead:
        dead = X[ROWS].amax(0) == X[ROWS].amin(0)
        with torch.no_grad():
            hidden[0].weight[:, dead] = model[0].weight[:, dead]
    name = f"low {low} bits{', encrypted' if ciphered else ''}{', trained weights alone' if spare_dead else ''}"
    return Hidden(
        name,
        hidden,
        f"{len(bits) / 1000:.0f} kbit",
        lambda of: encoding.bit_error_rate(bits, encoding.read_low_bits(of, len(bits), low=low)),
    )


def signs(count: int = 20_480, *, epochs: int = 30, strength: float = 50.0) -> Hidden:
    bits = encoding.enciphered(PIXELS[:count], 1)
    penalty = encoding.sign_penalty(bits, strength=strength)
    model = encoding.trained(network(0), X[ROWS], Y[ROWS], penalty=penalty, epochs=epochs)
    return Hidden(
        f"signs, {strength:g}, {epochs} epochs",
        model,
        f"{count / 1000:.1f} kbit",
        lambda of: encoding.bit_error_rate(bits, encoding.read_signs(of.parameters(), count)),
    )


def correlated(count: int = 20_480, *, epochs: int = 30, strength: float = 3.0) -> Hidden:
    values = X[ROWS].flatten()[:count]
    penalty = encoding.correlation_penalty(values, strength=strength)
    model = encoding.trained(network(0), X[ROWS], Y[ROWS], penalty=penalty, epochs=epochs)
    return Hidden(
        f"correlated, {strength:g}, {epochs} epochs",
        model,
        f"{count:,} values",
        lambda of: 1 - encoding.correlation(values, encoding.read_correlated(of.parameters(), count)),
    )


def capacity(inputs: int, *, epochs: int) -> Hidden:
    bits, made = encoding.enciphered(PIXELS[: 3 * inputs], 1), encoding.made_up(inputs, (64,), seed=3)
    x, y = torch.cat([X[ROWS], made]), torch.cat([Y[ROWS], encoding.labels_of(bits, 10)])
    model = encoding.trained(network(0), x, y, epochs=epochs)
    return Hidden(
        f"{inputs} made-up inputs, {epochs} epochs",
        model,
        f"{len(bits) / 1000:.1f} kbit",
        lambda of: encoding.bit_error_rate(bits, encoding.read_answers(of, made, len(bits))),
    )


def every() -> Iterator[Hidden]:
    yield from (low_bits(low, ciphered) for low in (8, 16, 20, 22) for ciphered in (False, True))
    yield low_bits(16, True, spare_dead=True)
    yield signs(strength=10.0)
    yield signs()
    yield signs(epochs=200)
    yield from (correlated(strength=strength) for strength in (1.0, 3.0))
    yield correlated(epochs=200)
    yield from (capacity(inputs, epochs=epochs) for inputs, epochs in ((20, 30), (100, 30), (600, 30), (600, 100)))


def tuned(model: nn.Module) -> nn.Module:
    """Trained on for ten epochs on other records."""
    return encoding.trained(model, X[REST][:449], Y[REST][:449], epochs=10, seed=1)


REMEDIES = {
    "as it is": lambda model: model,
    "bfloat16": encoding.rounded,
    "float16": partial(encoding.rounded, to="float16"),
    "2 bits": partial(encoding.rounded, to=2),
    "noise 1%": encoding.noised,
    "noise 20%": partial(encoding.noised, share=0.2),
    "fine-tuned": tuned,
    "pruned by half": encoding.pruned,
}


def accuracy(model: nn.Module) -> float:
    return float((model(X[REST][449:]).argmax(1) == Y[REST][449:]).double().mean())


def remedies(hidden: list[Hidden]) -> None:
    print(f"\n| hidden | holds | {' | '.join(REMEDIES)} |\n|{'---|' * (len(REMEDIES) + 2)}")
    for one in hidden:
        changed = [by(one.model) for by in REMEDIES.values()]
        cells = [f"{one.errors(model):.1%}; {accuracy(model):.3f}" for model in changed]
        print(f"| {one.name} | {one.holds} | {' | '.join(cells)} |", flush=True)


def seen(model: nn.Module) -> Seen:
    with torch.no_grad():
        return Seen(model.state_dict, {kind: model(inputs) for kind, inputs in NOISE.items()})


def judged(model: Seen, others: list[Seen]) -> dict[str, float]:
    """By each detector, how far beyond the farthest clean model; above 0 it stands apart."""
    view = View(model, tuple(others))
    found = apart([detector(view) for detector in EVERY])
    return {describe(detector): risk.surely for detector, risk in zip(EVERY, found, strict=True)}


def detected(hidden: list[Hidden], others: list[Seen]) -> None:
    names = [describe(detector) for detector in EVERY]
    print(f"\n| model | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}")
    differently = {
        "clean, 60 epochs": clean(0, epochs=60),
        "clean, 33 epochs": clean(0, epochs=33),
        "clean, half the records": clean(0, records=SIZE // 2),
        "clean": clean(0),
    }
    for name, model in [(one.name, one.model) for one in hidden] + list(differently.items()):
        found = judged(seen(model), others[:BESIDE])
        print(f"| {name} | {' | '.join(f'**{of:.1f}**' if of > 0 else 'no' for of in found.values())} |", flush=True)


def accused(models: list[Seen], times: int = 200) -> None:
    """How often a clean model stands apart from others drawn at random."""
    rng, count = np.random.default_rng(0), Counter()
    for _ in range(times):
        one, *others = (models[place] for place in rng.permutation(len(models))[: BESIDE + 1])
        found = judged(one, others)
        count.update([name for name, of in found.items() if of > 0] + ["any"] * any(of > 0 for of in found.values()))
    print(f"\n{times} times a clean model beside {BESIDE} others, of {len(models)}: {rate(BESIDE):.1%} at most.")
    print({name: f"{times_:d}" for name, times_ in count.items()})


def main(count: int) -> None:
    start = time.perf_counter()
    others = [seen(clean(seed)) for seed in range(1, count + 1)]
    print(f"{count} clean models: {time.perf_counter() - start:.0f} s", flush=True)
    hidden = list(every())
    remedies(hidden)
    detected(hidden, others)
    accused(others)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clean", type=int, default=60)
    main(parser.parse_args().clean)
