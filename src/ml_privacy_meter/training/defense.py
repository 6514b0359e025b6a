"""What a defense is to those that train models: other settings, another module, other training, other answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn

from ml_privacy_meter.targets import Opened, key
from ml_privacy_meter.training.recipe import Recipe


@dataclass(frozen=True)
class PrivacySpent:
    """Differential privacy towards whoever has the trained model, for adding or taking away one training record.

    Args:
        epsilon: in nats, an upper bound; infinite where nothing is guaranteed.
        delta: the probability that epsilon need not hold.
        noise_multiplier: deviation of the noise of one step, in units of what one record can change in it.
        sample_rate: the probability that a record is in one step.
        steps: how often a record may be used.
    """

    epsilon: float
    delta: float
    noise_multiplier: float
    sample_rate: float
    steps: int


@dataclass(frozen=True)
class Defense:
    """A way to train a model, or to answer in its place, so that it leaks less.

    Args:
        name: what it is called.
        settings: that it was made with, in the words of its function.
        recipe: the user's recipe -> the one that is used.
        prepare: a module with initial weights -> the one that is trained, and has the weights then.
        fit: trains in place of `training.fit.fit_models`, with the same arguments.
        alone: ``fit`` trains models one by one, so that each is kept as soon as it is finished; or a function that
            tells of which modules this is so.
        wrap: (opened model, its training records, their labels, seed) -> the model that answers in its place.
        says: one sentence that a report can quote: what is done, and who is not kept from what.
        guarantee: (recipe, how many records a model is trained on) -> what is proven of it, where anything is.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: Callable[[Recipe], Recipe] | None = None
    prepare: Callable[[nn.Module], nn.Module] | None = None
    fit: Callable[..., list[dict[str, Tensor]]] | None = None
    alone: bool | Callable[[nn.Module], bool] = False
    wrap: Callable[[Opened, Any, Any, int], Opened] | None = None
    says: str = ""
    guarantee: Callable[[Recipe, int], PrivacySpent] | None = None

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.settings.items())})"

    @property
    def trains(self) -> bool:
        """Whether a model is trained in another way; else only its answers are others."""
        return any(part is not None for part in (self.recipe, self.prepare, self.fit))

    def one_by_one(self, module: nn.Module) -> bool:
        """Whether models like this one are trained one by one."""
        return self.alone(module) if callable(self.alone) else self.alone

    @property
    def key(self) -> str:
        """Of the content of how it trains; empty where that cannot be known."""
        return self._of(self.recipe, self.prepare, self.fit)

    @property
    def wrap_key(self) -> str:
        """Of the content of what answers; empty where that cannot be known."""
        return self._of(self.wrap)

    def _of(self, *parts: Callable[..., Any] | None) -> str:
        given = [part.func if isinstance(part, partial) else part for part in parts if part is not None]
        found = [key.of_function(part) for part in given]
        return key.digest(str(self), *found) if all(found) else ""
