"""Noise on the answers that misleads a network which tells members from others."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ml_privacy_meter._checks import in_range
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.defenses._public import Pair, public_pair
from ml_privacy_meter.defenses.answers import SERVED
from ml_privacy_meter.records import as_records
from ml_privacy_meter.targets import Opened, fit, key
from ml_privacy_meter.training import Defense

WIDTHS = (256, 128, 64)
LABEL, DISTANCE = 10.0, (0.1, 1.0, 10.0)  # weights of the losses, the paper's c2 and c3
STEP = 0.3  # of the logits


def memguard(*, public: tuple[Any, Any], budget: float = 1.0, steps: int = 100, epochs: int = 200) -> Defense:
    """A defense that moves probabilities until the defender's own network takes none for a member's, labels unchanged.

    The network learns to tell the training records' answers from those of ``public`` ones. An attacker who needs labels
    alone, who knows the record's difficulty from reference models with the same defense, or who has the weights, is
    not kept from anything: hold it against `label_only`, which gives away less.

    Source: Jia et al., MemGuard: Defending against Black-Box Membership Inference Attacks via Adversarial Examples, CCS
    2019, algorithm 1. Departures: all records are moved at once; the weight of the distance is .1, 1 or 10; whether
    noise is added is drawn from what the answer contains, so that to ask again tells nothing.

    Args:
        public: records and labels that the model was not trained on; a pair of arrays, as the module takes records.
        budget: the most that probabilities move on average, as the sum of absolute changes, in (0, 2].
        steps: of the search for noise.
        epochs: of the defender's network.
    """
    in_range(0, 2 + 1e-9, budget=budget)
    whole(1, steps=steps, epochs=epochs)
    others, content = public_pair(public, "memguard")
    settings = {"public": content, "budget": budget, "steps": steps, "epochs": epochs}
    return Defense(
        "memguard",
        settings,
        wrap=partial(_wrap, public=others, budget=budget, steps=steps, epochs=epochs),
        says=f"Probabilities move by {budget:g} at most on average, and mislead one attack network. {SERVED}",
    )


def _wrap(opened: Opened, x: Any, y: Any, seed: int, *, public: Pair, budget: float, steps: int, epochs: int) -> Opened:
    inside, outside = as_records((x, y), name="training records"), as_records(public, name="public records")
    target, inside, outside = fit(replace(opened, before=None), inside, outside)  # both come as the module takes them
    target.eval()
    with torch.no_grad():
        found = [
            torch.cat([target(side.x[rows : rows + 1024]).double().softmax(1) for rows in range(0, len(side), 1024)])
            for side in (inside, outside)
        ]
    network = _trained(found, seed, epochs)
    content = key.digest(key.of_weights(network), str(budget), str(steps))
    says = f"memguard(budget={budget:g})"
    after = partial(_guarded, network=network, budget=budget, steps=steps)
    return replace(opened, after=after, after_key=content, after_says=says)


def _trained(sides: Sequence[Float[Tensor, "records classes"]], seed: int, epochs: int) -> nn.Module:
    """The defender's network: the logit of "member" by the probabilities in falling order."""
    many = min(map(len, sides))
    x = torch.cat([side[:many] for side in sides]).float().sort(1, descending=True).values
    member = torch.arange(2 * many) < many
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = (x.shape[1], *WIDTHS)
        layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
        network = nn.Sequential(*layers, nn.Linear(WIDTHS[-1], 1))
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        for _ in range(epochs):
            for rows in torch.randperm(len(x)).split(256):  # type: ignore[no-untyped-call]
                optimizer.zero_grad()
                loss = nn.functional.binary_cross_entropy_with_logits(network(x[rows])[:, 0], member[rows].float())
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
    return network.requires_grad_(False).eval()


def _guarded(
    probabilities: Float[Tensor, "records classes"], *, network: nn.Module, budget: float, steps: int
) -> Float[Tensor, "records classes"]:
    given = probabilities.detach().cpu().double()
    moved = _misleading(given, network, steps)
    distance = (moved - given).abs().sum(1)
    content = pd.util.hash_pandas_object(pd.DataFrame(given.round(decimals=4).numpy()), index=False).to_numpy()
    drawn = torch.from_numpy(content / np.float64(2**64))
    chosen = (drawn * distance < budget).unsqueeze(1)  # so that the mean distance is within the budget
    return moved.where(chosen, given).to(probabilities)


@torch.enable_grad()
def _misleading(given: Float[Tensor, "records classes"], network: nn.Module, steps: int) -> Tensor:
    """The probabilities nearest to these, of those found, that the network takes for the other kind's; else these."""

    def asked(probabilities: Tensor) -> Float[Tensor, " records"]:
        answer: Tensor = network(probabilities.float().sort(1, descending=True).values)
        return answer[:, 0].double()

    best, left = given.clone(), torch.arange(len(given))
    for weight in DISTANCE:  # the dearer the distance, the nearer what is found; with what is not found, so it ends
        found, misled = _search(given[left], asked, weight, steps)
        left = left[misled]
        best[left] = found[misled]
    return best


def _search(
    given: Float[Tensor, "records classes"], asked: Callable[[Tensor], Tensor], weight: float, steps: int
) -> tuple[Float[Tensor, "records classes"], Bool[Tensor, " records"]]:
    """The first probabilities on the way that mislead, and for which records there are such."""
    found, misled = given.clone(), torch.zeros(len(given), dtype=torch.bool)
    before, label = asked(given), given.argmax(1)
    logits, left = given.clamp(min=1e-6).log(), torch.arange(len(given))
    for _ in range(steps):
        at = logits.detach().requires_grad_()
        moved = at.softmax(1)
        told = asked(moved)
        now = (moved.argmax(1) == label[left]) & (told * before[left] <= 0)
        found[left[now]], misled[left[now]] = moved[now].detach(), True
        if now.all():
            break
        own = at.gather(1, label[left, None])[:, 0]
        over = at.scatter(1, label[left, None], -torch.inf).amax(1) - own
        loss = told.abs() + LABEL * over.relu() + weight * (moved - given[left]).abs().sum(1)
        (gradient,) = torch.autograd.grad(loss.sum(), [at])
        logits = (logits - STEP * nn.functional.normalize(gradient, dim=1))[~now]
        left = left[~now]
    return found, misled
