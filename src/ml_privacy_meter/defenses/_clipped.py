"""Many networks of linear layers, trained by DP-SGD at once, each as Opacus would train it alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from ml_privacy_meter.defenses._opacus import Private, record_losses, sources
from ml_privacy_meter.training.batched import (
    BATCHED,
    Layers,
    Stack,
    Together,
    answer_of,
    linear,
    stack,
    without_detours,
)
from ml_privacy_meter.training.fit import State
from ml_privacy_meter.training.optimizing import optimizer_of, schedule

PADDED = 16  # batches are filled up to a multiple of this, so that few sizes occur
WIDEST = 512  # records of a batch that are computed at once
Sums = Callable[[dict[str, Tensor], Tensor, Tensor, Tensor], list[Tensor]]


def clippable(job: Private, module: nn.Module) -> bool:
    """Whether it is one of linear layers alone, each used once on one vector a record, and without chance."""
    layers = [part for part in module.modules() if type(part) is nn.Linear]
    owned = {id(weight) for part in layers for weight in part.parameters()}
    weights = [*module.parameters(), *(w for part in layers for w in part.parameters(recurse=False))]
    if any(id(weight) not in owned or not weight.requires_grad for weight in weights) or [*module.buffers()]:
        return False
    chance = any(isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0 for part in module.modules())
    if not layers or chance or job.recipe.augment or len(owned) < sum(len([*part.parameters()]) for part in layers):
        return False
    try:
        return len(_order(module, job.feed(job.x[:2]))) == len(layers)
    except ValueError:
        return False


def _order(module: nn.Module, batch: Tensor) -> list[str]:
    """Names of the linear layers as they are called; a `ValueError` where one is not given one vector a record."""
    called: list[str] = []

    def note(name: str, part: nn.Module, given: tuple[Any, ...]) -> None:
        if given[0].ndim != 2 or name in called:
            raise ValueError(name)
        called.append(name)

    parts = {name: part for name, part in module.named_modules() if type(part) is nn.Linear}
    handles = [part.register_forward_pre_hook(partial(note, name)) for name, part in parts.items()]
    try:
        with torch.no_grad():
            module(batch)
    finally:
        for handle in handles:
            handle.remove()
    return called


def fit_together(
    job: Private, rows: Int[Tensor, "models size"], seeds: Sequence[int], report: Callable[[float], None]
) -> list[State]:
    """The trained state of each model, on the CPU."""
    device, size = job.x.device, rows.shape[1]
    drawn = [sources(seed, device) for seed in seeds]
    models = stack([job.build(seed) for seed in seeds], [noise for _, noise, _ in drawn], device=device, low=False)
    order = _order(models.module, job.feed(job.x[:2]))
    weights = [models.weights[name] for name in models.weights]
    optimizer = optimizer_of(job.recipe, weights)
    turns = job.turns(size)
    steps = job.recipe.epochs * turns
    graphs: dict[torch.Size, Sums] = {}
    noisy = _Noise(models, job.noise * job.bound)
    for step in range(steps):
        chosen = [(torch.rand(size, generator=batches) < 1 / turns).nonzero()[:, 0] for batches, _, _ in drawn]
        sums = [torch.zeros_like(weight) for weight in weights]
        for index, real in _padded(rows, chosen):
            x = job.feed(job.x[index.flatten()])
            x = x.view(*index.shape, *x.shape[1:])
            batch = (models.state, x, job.y[index], real)
            if x.shape not in graphs:
                graphs[x.shape] = _recorded(partial(_clipped_sums, models, order, job.bound), *batch)
            with torch.no_grad():
                for total, found in zip(sums, graphs[x.shape](*batch), strict=True):
                    total += found
        noisy.add(sums)
        models.learn([total.mul_(turns / size) for total in sums])
        schedule(job.recipe, optimizer, step / steps)
        optimizer.step()
        report((step + 1) / steps)
    return models.states()


@dataclass(frozen=True)
class _Noise:
    models: Stack
    deviation: float

    def add(self, sums: list[Tensor]) -> None:
        """Adds to the sums of each model the numbers that Opacus would draw for it."""
        if self.deviation == 0:
            return
        for name, total in zip(self.models.weights, sums, strict=True):
            each = total.transpose(1, 2) if name in self.models.turned else total
            for one, generator in zip(each, self.models.generators, strict=True):
                one += torch.empty(one.shape, device=one.device).normal_(0, self.deviation, generator=generator)


def _padded(rows: Int[Tensor, "models size"], chosen: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Rows of a batch of each model, filled up to the same size, and which of them are real; in parts."""
    most = max(map(len, chosen))
    width = -(-most // PADDED) * PADDED
    index = torch.zeros(len(chosen), width, dtype=torch.int64)
    real = torch.zeros(len(chosen), width)
    for j, mine in enumerate(chosen):
        index[j, : len(mine)], real[j, : len(mine)] = mine, 1.0
    index, real = rows.gather(1, index.to(rows.device)), real.to(rows.device)
    return [(index[:, at : at + WIDEST], real[:, at : at + WIDEST]) for at in range(0, width, WIDEST)]


def _clipped_sums(
    models: Stack,
    order: list[str],
    bound: float,
    state: dict[str, Tensor],
    x: Float[Tensor, "models batch *features"],
    y: Tensor,
    real: Float[Tensor, "models batch"],
) -> list[Tensor]:
    """For each weight, the sum of the real records' gradients, each scaled down to the bound over all weights.

    A linear layer's gradient for one record is the product of what goes in and what comes back, and so is its norm:
    no gradient of a single record is ever made.

    Source: Goodfellow, Efficient per-example gradient computations, 2015; Li et al., Large language models can be
    strong differentially private learners, ICLR 2022, section 4.
    """
    seen: list[tuple[Tensor, Tensor]] = []

    def watched(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        out = linear(x, weight, bias)
        seen.append((x, out))
        return out

    def of_one(state: dict[str, Tensor], x: Tensor) -> Tensor:
        layers = Layers(lambda x, p: x, BATCHED | {F.linear: partial(Together.apply, watched)})
        return answer_of(models.module, state, x, layers)

    named = state | {name: state[name].transpose(1, 2) for name in models.turned}
    answer = torch.func.vmap(of_one)(named, x)
    losses = record_losses(answer.flatten(0, 1), y.flatten(0, 1))
    back = torch.autograd.grad(losses.sum(), [out for _, out in seen])
    return _weighed(models, order, bound, [into.detach() for into, _ in seen], back, real)


def _weighed(
    models: Stack, order: list[str], bound: float, into: Sequence[Tensor], back: Sequence[Tensor], real: Tensor
) -> list[Tensor]:
    """The sums of clipped gradients, in the order of the weights, from what goes into each layer and comes back."""
    squares = torch.zeros_like(real)
    for name, a, g in zip(order, into, back, strict=True):
        squares = squares + (a.square().sum(2) + (f"{name}.bias".lstrip(".") in models.weights)) * g.square().sum(2)
    scale = (real * (bound / (squares.sqrt() + 1e-6)).clamp(max=1.0)).unsqueeze(2)
    sums: dict[str, Tensor] = {}
    for name, a, g in zip(order, into, back, strict=True):
        weight, scaled = f"{name}.weight".lstrip("."), g * scale
        sums[weight] = a.mT.bmm(scaled) if weight in models.turned else scaled.mT.bmm(a)
        sums[f"{name}.bias".lstrip(".")] = scaled.sum(1)
    return [sums[name] for name in models.weights]


def _recorded(function: Callable[..., list[Tensor]], *given: Any) -> Sums:
    """The function as a graph of its operations, which skips the work of finding them out."""
    copies = {name: value.detach().clone().requires_grad_(value.requires_grad) for name, value in given[0].items()}
    graph: Sums = without_detours(make_fx(function)(copies, *given[1:]))
    return graph
