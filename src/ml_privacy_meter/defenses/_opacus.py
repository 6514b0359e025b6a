"""One model, trained by Opacus: every record's gradient is clipped, noise is added to their sum."""

import copy
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Generator, Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter.training import Recipe
from ml_privacy_meter.training.augment import augmented
from ml_privacy_meter.training.fit import State, seeded
from ml_privacy_meter.training.optimizing import optimizer_of, schedule

ROOM = 1 << 29  # bytes of gradients of single records that are held at once


@dataclass(frozen=True)
class Private:
    """What trainings of one call have in common.

    Args:
        noise: its deviation, in units of ``bound``.
        bound: the largest norm of one record's gradient.
    """

    recipe: Recipe
    build: Callable[[int], nn.Module]
    x: Tensor
    y: Tensor
    feed: Callable[[Tensor], Tensor]
    noise: float
    bound: float

    def turns(self, records: int) -> int:
        """Steps in an epoch, in each of which a record is with the probability 1 / turns."""
        return math.ceil(records / self.recipe.batch_size)


def sources(seed: int, device: torch.device) -> tuple[Generator, Generator, Generator]:
    """Of one model: who is in a batch, the noise, and augmentation."""
    first = Generator().manual_seed(seed)
    batches, noise, images = (int(torch.randint(2**62, (), generator=first)) for _ in range(3))
    return (Generator().manual_seed(batches), Generator(device).manual_seed(noise), Generator().manual_seed(images))


def record_losses(
    answer: Float[Tensor, "records *outputs"], y: Shaped[Tensor, "records *labels"]
) -> Float[Tensor, "records"]:
    """The loss of each record, in nats for labels; `training.fit.mean_loss` is their mean."""
    if y.is_floating_point():
        found = F.mse_loss(answer.reshape(y.shape), y, reduction="none")
    elif y.dtype == torch.bool or answer.shape[1:] == (1,):
        found = F.binary_cross_entropy_with_logits(answer.reshape(y.shape), y.float(), reduction="none")
    else:
        return F.cross_entropy(answer, y, reduction="none")
    return found.unsqueeze(1).flatten(1).mean(1)


def plain(module: nn.Module) -> bool:
    """Whether all its weights are in linear layers."""
    return all(type(part) is nn.Linear for part in module.modules() if [*part.parameters(recurse=False)])


def private_module(module: nn.Module) -> nn.Module:
    """The module, with other layers in place of those that mix records: group for batch normalisation."""
    if plain(module):
        return module
    fixed: nn.Module = opacus("validators").ModuleValidator.fix(module.train())
    return fixed


def check_apart(job: Private) -> None:
    """Raises `InputError` where what a module answers for a record hangs on others in its batch: nothing holds then."""
    module = copy.deepcopy(job.build(0)).to(job.x.device).train()
    answers = []
    for rows in ([0, 1, 2, 3], [0, 4, 5, 6]):
        rows = [row % len(job.x) for row in rows]
        with seeded(0, job.x.device), torch.no_grad():  # dropout is the same for the first record
            answers.append(module(job.feed(job.x[rows]))[0])
    one, other = answers
    if not torch.allclose(one, other, rtol=1e-4, atol=1e-5):
        raise InputError(
            f"Each record's gradient can be clipped where a module treats it by itself, and what this "
            f"{type(module).__name__} answers hangs on the other records of a batch. Leave such layers out of the "
            "recipe's `architecture`."
        )


def fit_alone(
    job: Private, rows: Int[Tensor, "size"], seed: int, report: Callable[[float], None], *, room: int = ROOM
) -> State:
    """The trained state of one model, on the CPU, with Poisson sampling.

    Large batches are computed in parts; an empty one is noise alone.
    """
    device = job.x.device
    with seeded(seed, device), _quiet():
        module = job.build(seed).to(device).train()
        batches, noise, images = sources(seed, device)
        model, optimizer, loss, sampler = _made_private(job, module, len(rows), batches, noise)
        parts = _parts(sampler, optimizer, module, room)
        steps, step = sampler.steps, 0
        for chosen in parts:
            schedule(job.recipe, optimizer.original_optimizer, step / steps)
            index = rows[torch.tensor(chosen, dtype=torch.int64, device=device)]
            _backward(job, model, optimizer, loss, index, images)
            optimizer.step()
            if not optimizer._is_last_step_skipped:
                step += 1
                report(step / steps)
    return {name: value.detach().cpu() for name, value in module.state_dict().items()}


def _made_private(job: Private, module: nn.Module, records: int, batches: Generator, noise: Generator) -> Sequence[Any]:
    """The module, its optimizer, a loss and a sampler, as Opacus makes them."""
    turns = job.turns(records)
    sampled = DataLoader(TensorDataset(torch.arange(records)), batch_size=job.recipe.batch_size, generator=batches)
    ghost = _ghost(module)
    try:
        made = (
            opacus("privacy_engine")
            .PrivacyEngine(accountant="rdp")
            .make_private(
                module=module,
                optimizer=optimizer_of(job.recipe, [weight for weight in module.parameters() if weight.requires_grad]),
                criterion=partial(record_losses),
                data_loader=sampled,
                noise_multiplier=job.noise,
                max_grad_norm=job.bound,
                noise_generator=noise,
                grad_sample_mode="ghost" if ghost else "hooks",
            )
        )
    except (NotImplementedError, ValueError) as error:
        raise InputError(
            f"DP-SGD needs a module that Opacus can train, and of this {type(module).__name__} it says: "
            f"{error!s:.300}. Change the recipe's `architecture`."
        ) from error
    sampler, optimizer = made[-1].batch_sampler, made[1]
    sampler.steps = job.recipe.epochs * turns  # its own count of an epoch is 1 too low for some sizes
    optimizer.expected_batch_size = records / turns
    return made[0], optimizer, made[2] if ghost else _sum_losses, sampler


def _sum_losses(answer: Tensor, y: Tensor) -> Tensor:
    return record_losses(answer, y).mean()


def _parts(sampler: Any, optimizer: Any, module: nn.Module, room: int) -> Iterator[list[int]]:
    """The records of each batch, in parts whose single gradients fit in the room."""
    weights = sum(weight.numel() for weight in module.parameters() if weight.requires_grad)
    split = opacus("utils.batch_memory_manager").BatchSplittingSampler
    return iter(split(sampler=sampler, max_batch_size=max(1, room // (4 * weights)), optimizer=optimizer))


def _backward(
    job: Private, model: nn.Module, optimizer: Any, loss: Callable, index: Int[Tensor, "part"], images: Generator
) -> None:
    """Leaves the records' gradients with the weights: of none, zeros."""
    optimizer.zero_grad(set_to_none=True)
    for weight in optimizer.params:
        weight.grad_sample = None  # of an empty batch before: ghost clipping leaves it
    if len(index):
        x = augmented(job.x[index].unsqueeze(0), job.recipe.augment, [images]).squeeze(0)
        loss(model(job.feed(x)), job.y[index]).backward()
        return
    for weight in optimizer.params:
        weight.grad, weight.grad_sample = torch.zeros_like(weight), torch.zeros(0, *weight.shape, device=weight.device)


def _ghost(module: nn.Module) -> bool:
    """Whether norms are better had without single gradients: where most weights are in layers with a rule for them."""
    known = opacus("grad_sample").GradSampleModuleFastGradientClipping.NORM_SAMPLERS
    owners = [
        (weight, type(part))
        for part in module.modules()
        for weight in part.parameters(recurse=False)
        if weight.requires_grad
    ]
    tied = len({id(weight) for weight, _ in owners}) < len(owners)
    ruled = sum(weight.numel() for weight, kind in owners if kind in known)
    return not tied and 2 * ruled > sum(weight.numel() for weight, _ in owners)


@contextmanager
def _quiet() -> Iterator[None]:
    """Within, Opacus does not warn of its random numbers, which are meant to follow from a seed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Secure RNG turned off")
        warnings.filterwarnings("ignore", message="Full backward hook is firing")
        yield


def opacus(part: str) -> ModuleType:
    """A module of Opacus."""
    before = logging.root.handlers[:]
    found = extra(f"opacus.{part}", "dp", "DP-SGD")
    logging.root.handlers[:] = before  # it may have set the log of all up
    return found
