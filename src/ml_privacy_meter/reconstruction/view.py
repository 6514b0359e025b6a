"""What somebody holds who watches one client train: the model that was sent, and what came back."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn import functional

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter._numbers import whole

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class View:
    """All that the adversary sees. The client's records are not in it, and no statistics of their batch.

    The client is taken to lower the mean cross-entropy by plain gradient descent; layers of batch norm in the model
    are fed with the statistics of the very records that an attack tries, since those of the client's are secret.

    Args:
        model: as the client was sent it; only copies are used.
        change: by parameter: the gradient of the mean loss, or, where ``lr`` is given, what the client's steps changed.
            What else it names, such as running means, is not looked at.
        count: how many records the client holds.
        public: images that are not the client's, of the same kind; one record a row.
        lr: the client's learning rate; None: ``change`` is a gradient.
        local_steps: how many steps the client made.
        batch_size: records a step, taken in turn; None: all.
        labels: of the client's records, in its order, where the adversary knows them; None: they are inferred.
        span: the least and the largest value that a record can hold.
        seed: of what attacks draw at random.
    """

    model: nn.Module
    change: Weights
    count: int
    public: Tensor
    lr: float | None = None
    local_steps: int = 1
    batch_size: int | None = None
    labels: Int[Tensor, " count"] | None = None
    span: tuple[float, float] = (0.0, 1.0)
    seed: int = 0
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        whole(1, count=self.count, local_steps=self.local_steps, batch_size=self.batch_size or 1)
        if self.lr is not None:
            in_range(0, float("inf"), lr=self.lr)
        elif self.local_steps > 1:
            raise InputError("What several local steps changed is read with their learning rate: give `lr`.")
        if not self.span[0] < self.span[1]:
            raise InputError(f"`span` must be the least and the largest value of a record, found {self.span}.")
        if self.public.ndim < 2 or not len(self.public):
            raise InputError(f"`public` must hold at least one record a row, found shape {tuple(self.public.shape)}.")
        if self.labels is not None and len(self.labels) != self.count:
            raise InputError(f"There must be a label for each of {self.count} records, found {len(self.labels)}.")
        weights = {name: weight.shape for name, weight in self.model.named_parameters() if weight.requires_grad}
        for name, shape in weights.items():
            if name not in self.change or self.change[name].shape != shape:
                found = tuple(self.change[name].shape) if name in self.change else "nothing"
                raise InputError(f"`change` must hold `{name}` of shape {tuple(shape)}, found {found}.")
            if not self.change[name].isfinite().all():
                raise InputError(f"What a client sends back must be finite, and `{name}` is not.")
        object.__setattr__(self, "names", tuple(weights))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one record."""
        return tuple(self.public.shape[1:])

    def gradients(self) -> dict[str, Tensor]:
        """The gradients of the client's steps, added up, in float64."""
        scale = -1 / self.lr if self.lr is not None else 1.0
        return {name: self.change[name].double() * scale for name in self.names}

    def module(self) -> nn.Module:
        """A copy of the model in float64, as it is while it trains, but that nothing in it draws at random."""
        module = copy.deepcopy(self.model).double().train()
        torch.func.replace_all_batch_norm_modules_(module)  # of statistics of their own: a batch's serve
        for part in module.modules():
            if isinstance(part, nn.modules.dropout._DropoutNd):
                part.eval()
        return module

    def mean_image(self) -> Tensor:
        """The mean of the public records."""
        return self.public.double().mean(0)


Attack = Callable[[View], Tensor]  # candidate records, at most as many as the client holds


class DoesNotApplyError(InputError):
    """An attack that this model, or this change, gives no hold."""


def client(
    module: nn.Module, weights: Weights, x: Tensor, y: Tensor, *, lr: float, steps: int, batch_size: int | None
) -> dict[str, Tensor]:
    """The gradients of a client's steps on these records, added up, so that they can be derived by the records.

    Its batches are taken in turn, in the order of the records, and begin anew when all have been taken.
    """
    size = min(batch_size or len(x), len(x))
    buffers = dict(module.named_buffers())

    def loss(now: dict[str, Tensor], rows: Tensor) -> Tensor:
        out = torch.func.functional_call(module, {**now, **buffers}, (x[rows],))
        return functional.cross_entropy(out, y[rows])

    batches = torch.split(torch.arange(len(x), device=x.device), size)
    now, total = dict(weights), {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for step in range(steps):
        gradient = torch.func.grad(loss)(now, batches[step % len(batches)])
        total = {name: total[name] + gradient[name] for name in total}
        now = {name: now[name] - lr * gradient[name] for name in now}
    return total
