"""Many torch models of one architecture, trained at once, each as it would be alone."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from torch import Generator, Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.training.augment import augmented
from ml_privacy_meter.training.batched import (
    Gradients,
    Graphs,
    Loss,
    Stack,
    alone,
    batchable,
    draws,
    stack,
    together,
    weights_of,
)
from ml_privacy_meter.training.optimizing import optimizer_of, schedule
from ml_privacy_meter.training.recipe import Recipe
from ml_privacy_meter.training.side import side_by_side, sides

State = dict[str, Tensor]

AT = "epoch {}/"  # before the names of weights that were kept there
MOST = 64  # models at once: more gain nothing
LARGEST = 128 << 20  # bytes of weights and their updates, beyond which more models at once gain nothing
BYTES = 16  # a weight: itself, its gradient, two averages of the optimizer


def identity(batch: Tensor) -> Tensor:
    return batch


def ignore(share: float) -> None:
    pass


@dataclass(frozen=True)
class _Job:
    """What the models of one call have in common."""

    recipe: Recipe
    build: Callable[[int], nn.Module]
    x: Tensor
    y: Tensor
    feed: Callable[[Tensor], Tensor]
    low: bool
    losses: Sequence[Loss]
    graphs: Sequence[Graphs]
    snapshots: Sequence[int]

    def batch(self, index: Int[Tensor, "models batch"], generators: Sequence[Generator]) -> tuple[Tensor, Tensor]:
        """The records at these rows, as the module takes them, and their labels; the first axis is the models.

        Where models have labels of their own, row r of model j is j * records + r.
        """
        rows = self.x.index_select(0, index.flatten() % len(self.x))
        rows = augmented(rows.view(*index.shape, *rows.shape[1:]), self.recipe.augment, generators).flatten(0, 1)
        fed = self.feed(rows)
        return fed.view(*index.shape, *fed.shape[1:]), self.y[index % len(self.y)]


def fit_models(
    recipe: Recipe,
    build: Callable[[int], nn.Module],
    x: Tensor,
    y: Tensor,
    inside: Bool[Tensor, "records models"],
    seeds: Sequence[int],
    *,
    feed: Callable[[Tensor], Tensor] = identity,
    device: str | torch.device = "auto",
    progress: Callable[[float], None] = ignore,
    losses: Sequence[Loss] | None = None,
    own: Shaped[Tensor, "models records *labels"] | None = None,
    snapshots: Sequence[int] = (),
    _at_once: int = 0,
) -> list[State]:
    """The state dict of each model, on the CPU, trained on ``x[inside[:, j]]`` from the weights ``build(seeds[j])``.

    A model comes out, to rounding, as it would alone: its batches, augmentations and dropout follow from its own seed.

    Args:
        x: all records; bytes may stay bytes.
        y: int64 is a class, bool several labels at once, float a quantity.
        feed: casts a batch for the module.
        progress: is told the share that is done, in [0, 1].
        losses: each (answers (models, records, ...), labels) -> the sum over the models of their records' loss; they
            take turns, one an epoch. By default `mean_loss`.
        own: what each model is told of each record, in place of ``y``.
        snapshots: epochs after which weights are kept in the same dict, `AT` before their names.
    """
    on = device_of(device)
    losses = losses or (mean_loss,)
    y, apart = (y, 0) if own is None else (own.flatten(0, 1), len(x))
    job = _Job(recipe, build, x.to(on), y.to(on), feed, lowered(recipe, on), losses, [{} for _ in losses], snapshots)
    at_once = _at_once or models_at_once(recipe, build(seeds[0]), x, on, feed=feed)
    fitted: dict[int, State] = {}

    def report(share: float) -> None:
        progress((len(fitted) + share * len(group)) / len(seeds))

    for group in _groups(inside, at_once):
        rows = torch.stack([inside[:, j].nonzero()[:, 0] + j * apart for j in group])
        fitted |= dict(zip(group, _fit(job, rows, [seeds[j] for j in group], report), strict=True))
    return [fitted[j] for j in range(len(seeds))]


def models_at_once(
    recipe: Recipe,
    module: nn.Module,
    x: Tensor,
    device: str | torch.device = "auto",
    *,
    feed: Callable[[Tensor], Tensor] = identity,
) -> int:
    """How many models of this architecture train fastest together on the device.

    On a CPU: networks of linear layers, up to a size; of all others, one for each core.
    On a GPU: as many as half of its memory holds.
    """
    on, weights = device_of(device), sum(p.numel() for p in module.parameters())
    if on.type == "cpu":
        linear = weights_of(module, (nn.Linear,), ("weight", "bias"))
        together = all(name in linear for name, _ in module.named_parameters())
        return min(MOST, max(sides(on), LARGEST // (BYTES * weights))) if together else sides(on)
    room = torch.cuda.get_device_properties(on).total_memory // 2 - x.nbytes
    each = BYTES * weights + recipe.batch_size * _activations(module, feed(x[:4]))
    return int(min(MOST, max(1, room // each)))


def _activations(module: nn.Module, batch: Tensor) -> int:
    """Bytes that a record leaves behind for the backward pass."""
    held = [0, 0]

    def count(size: int, value: Tensor) -> Tensor:
        held[size] += value.nbytes
        return value

    runner = copy.deepcopy(module).train()
    with torch.random.fork_rng(devices=[]):
        for size, part in enumerate((batch[:2], batch)):
            with torch.autograd.graph.saved_tensors_hooks(partial(count, size), lambda value: value):
                runner(part)
    return (held[1] - held[0]) // (len(batch) - 2)


def device_of(device: str | torch.device) -> torch.device:
    """The device of this name; "auto": a GPU where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)


def lowered(recipe: Recipe, device: torch.device) -> bool:
    """Whether products are computed in bfloat16."""
    if recipe.precision != "auto":
        return recipe.precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _groups(inside: Bool[Tensor, "records models"], at_once: int) -> Iterator[list[int]]:
    """Models to be trained together: with equally many records, so that their steps fall together."""
    sizes = inside.sum(0)
    for size in sorted(set(sizes.tolist())):
        alike = (sizes == size).nonzero()[:, 0]
        if size == 0:
            raise InputError(f"Each model needs records to train on, found none for model {int(alike[0])}.")
        for part in alike.tensor_split(math.ceil(len(alike) / at_once)):
            yield part.tolist()


@dataclass(frozen=True)
class _Training:
    """Models that are trained together, from their initial weights on.

    Args:
        seed: of a model that is by itself: whatever its module draws at random, beside dropout, follows from it.
    """

    job: _Job
    models: Stack
    rows: Int[Tensor, "models size"]
    generators: Sequence[Generator]
    seed: int | None

    def __call__(self, report: Callable[[float], None]) -> list[State]:
        """The trained state of each model."""
        gradients = [
            together(self.models, loss, graphs) if self.seed is None else alone(self.models, loss)
            for loss, graphs in zip(self.job.losses, self.job.graphs, strict=True)
        ]
        kept = _train(self.job, self.models, gradients, self.rows, self.generators, report)
        if not all(weight.isfinite().all() for weight in self.models.weights.values()):
            raise InputError("Training diverged: weights of a reference model are not finite. Choose a smaller `lr`.")
        return [last | earlier for last, earlier in zip(self.models.states(), kept, strict=True)]

    def draws(self) -> bool:
        """Whether it takes random numbers from the source that all threads share."""
        return self.seed is not None and draws(self.models, _first_batch(self.job, self.rows)[0])


def _fit(
    job: _Job, rows: Int[Tensor, "models size"], seeds: Sequence[int], report: Callable[[float], None]
) -> list[State]:
    """The trained state of each model."""
    parts = torch.arange(len(seeds)).tensor_split(min(len(seeds), sides(job.x.device)))
    works = [work for part in parts for work in _trainings(job, rows[part], [seeds[j] for j in part])]
    if 1 < len(works) == len(parts) and not any(work.draws() for work in works):
        return [state for states in side_by_side(works, report) for state in states]
    found: list[State] = []
    for done, work in enumerate(works):
        with seeded(work.seed, job.x.device):
            found += work(partial(lambda done, share: report((done + share) / len(works)), done))
    return found


def _trainings(job: _Job, rows: Int[Tensor, "models size"], seeds: Sequence[int]) -> list[_Training]:
    """One for all models where they can be batched, else one for each."""
    generators = [Generator().manual_seed(seed) for seed in seeds]
    of_dropout = [Generator(job.x.device).manual_seed(int(torch.randint(2**62, (), generator=g))) for g in generators]
    models = stack([job.build(seed) for seed in seeds], of_dropout, device=job.x.device, low=job.low)
    rows = rows.to(job.x.device)
    if len(seeds) == 1:
        return [_Training(job, models, rows, generators, seeds[0])]
    first = _first_batch(job, rows)
    if all(batchable(models, loss, *first, graphs) for loss, graphs in zip(job.losses, job.graphs, strict=True)):
        return [_Training(job, models, rows, generators, None)]
    return [work for j, seed in enumerate(seeds) for work in _trainings(job, rows[[j]], [seed])]


def _first_batch(job: _Job, rows: Int[Tensor, "models size"]) -> tuple[Tensor, Tensor]:
    return job.batch(rows[:, : _batch_size(job.recipe, rows.shape[1])], [Generator() for _ in rows])


@contextmanager
def seeded(seed: int | None, device: torch.device) -> Iterator[None]:
    """Within, torch's random numbers follow from the seed, if there is one; after, they go on as they would have."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if seed is not None:
            torch.manual_seed(seed)
        yield


def _train(
    job: _Job,
    models: Stack,
    gradients: Sequence[Gradients],
    rows: Int[Tensor, "models size"],
    generators: Sequence[Generator],
    report: Callable[[float], None],
) -> list[State]:
    """What is kept of each model on the way."""
    kept: list[State] = [{} for _ in generators]
    recipe, size = job.recipe, rows.shape[1]
    optimizer = optimizer_of(recipe, list(models.weights.values()))
    batch = _batch_size(recipe, size)
    turns = size // batch
    steps = recipe.epochs * turns
    for step in range(steps):
        start = step % turns * batch
        if start == 0:
            order = torch.stack([torch.randperm(size, generator=g) for g in generators])
            order = rows.gather(1, order.to(rows.device))
        x, y = job.batch(order[:, start : start + batch], generators)
        models.learn(gradients[step // turns % len(gradients)](x, y))
        schedule(recipe, optimizer, step / steps)
        optimizer.step()
        models.lower()
        if (step + 1) % turns == 0 and (epoch := (step + 1) // turns) in job.snapshots:
            for held, state in zip(kept, models.states(), strict=True):
                held.update({AT.format(epoch) + name: weights for name, weights in state.items()})
        report((step + 1) / steps)
    return kept


def _batch_size(recipe: Recipe, records: int) -> int:
    """The same for every batch, so that none is too small; fewer records than batches are left over in an epoch."""
    return records // math.ceil(records / recipe.batch_size)


def mean_loss(answer: Float[Tensor, "models batch *outputs"], y: Shaped[Tensor, "models batch *labels"]) -> Tensor:
    """The sum over the models of the mean loss over their records, in nats for labels."""
    if y.is_floating_point():
        return F.mse_loss(answer.reshape(y.shape), y) * len(y)
    if y.dtype == torch.bool or answer.shape[2:] == (1,):  # one output for two classes: the logit of the second
        return F.binary_cross_entropy_with_logits(answer.reshape(y.shape), y.float()) * len(y)
    return F.cross_entropy(answer.flatten(0, 1), y.flatten()) * len(y)
