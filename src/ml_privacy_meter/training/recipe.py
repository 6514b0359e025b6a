"""How the reference models of a torch model are trained, said in a few words."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import fx, nn

from ml_privacy_meter._checks import InputError, in_range, one_of
from ml_privacy_meter._numbers import whole

OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("cosine", "constant")
AUGMENTS = ("flip", "crop")
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True)
class Recipe:
    """How a torch model is trained.

    Args:
        architecture: "like-target" (the target's own), a module, either of them copied and initialised anew; a callable
            that builds a module; or where one is found, "package.module:factory".
        optimizer: "sgd", "adam" or "adamw".
        momentum: of "sgd" alone.
        schedule: of the learning rate: "cosine" falls to 0 over all steps.
        augment: "flip" (left to right, one time in two), "crop" (4 pixels of padding, cut back at random), for images.
        precision: "fp32", "bf16" (products in bfloat16, weights and their updates in float32), or "auto": bf16 where
            the device computes in it.
    """

    architecture: nn.Module | Callable[[], nn.Module] | str = "like-target"
    optimizer: str = "adam"
    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    epochs: int = 50
    batch_size: int = 128
    schedule: str = "cosine"
    augment: Sequence[str] = ()
    precision: str = "auto"

    def __post_init__(self) -> None:
        one_of(self.optimizer, OPTIMIZERS, "optimizer")
        one_of(self.schedule, SCHEDULES, "schedule")
        one_of(self.precision, PRECISIONS, "precision")
        if isinstance(self.augment, str):
            raise InputError(f'`augment` must be a list, found "{self.augment}". Write ["{self.augment}"].')
        for word in self.augment:
            one_of(word, AUGMENTS, "augmentation")
        in_range(0, float("inf"), lr=self.lr)
        whole(1, epochs=self.epochs, batch_size=self.batch_size)
        for name, most, value in (("momentum", 1, self.momentum), ("weight_decay", float("inf"), self.weight_decay)):
            if not 0 <= value < most:
                raise InputError(f"`{name}` must be at least 0 and below {most:g}, found {value!r}.")
        if isinstance(self.architecture, str) and self.architecture != "like-target" and ":" not in self.architecture:
            raise InputError(
                f'`architecture` must be "like-target" or "package.module:factory", found "{self.architecture}".'
            )


def fresh(module: nn.Module, seed: int) -> nn.Module:
    """A copy of the module with new initial weights, which follow from the seed alone.

    Raises:
        InputError: some part of the module does not say how it is initialised.
    """
    programs = [part for part in module.modules() if isinstance(part, torch.jit.ScriptModule | fx.GraphModule)]
    if programs:
        raise InputError(
            f"A {type(programs[0]).__name__} does not say how its weights were initialised, so no reference model can "
            "be made from it. Give the recipe a function that builds the model, as `architecture`."
        )
    for where, part in module.named_modules():
        held = [*part.parameters(recurse=False), *part.buffers(recurse=False)]
        if held and _initialiser(part) is None:
            raise InputError(
                f"Every part with weights must have `reset_parameters`, so that it can be initialised anew; "
                f"{f'`{where}`, ' if where else ''}a {type(part).__name__}, has none. "
                "Give the recipe a function that builds the model, as `architecture`."
            )
    frozen = [name for name, weight in module.named_parameters() if not weight.requires_grad]
    if 0 < len(frozen) < len([*module.parameters()]):
        raise InputError(
            f"Frozen weights were not trained on these records, and a copy initialised anew would lack what they hold;"
            f" found: {', '.join(frozen)[:200]}. Give the recipe a function that builds it, as `architecture`."
        )
    return from_factory(lambda: _anew(copy.deepcopy(module).requires_grad_(True)), seed)


def from_factory(factory: Callable[[], nn.Module], seed: int) -> nn.Module:
    """The module that a factory makes where torch's random numbers begin with the seed."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        return factory()


def _anew(module: nn.Module) -> nn.Module:
    for part in reversed(list(module.modules())):  # a part may set what its own parts hold
        initialise = _initialiser(part)
        if initialise is not None:
            initialise()
    return module


def _initialiser(part: nn.Module) -> Callable[[], None] | None:
    return getattr(part, "reset_parameters", getattr(part, "_reset_parameters", None))
