"""Low-rank adapters of a frozen model: those of several models side by side in one pass, or merged into its weights.

Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022. Tensors have the names of `peft`.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from ml_privacy_meter._checks import InputError

PEFT = "base_model.model."
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Adapter:
    """What is added to one layer, of each of several models: ``scale * up @ down``."""

    down: Float[Tensor, "models rank inputs"]
    up: Float[Tensor, "models outputs rank"]
    scale: float

    def of(self, model: int) -> "Adapter":
        """That of one model alone."""
        return Adapter(self.down[model : model + 1], self.up[model : model + 1], self.scale)


class Beside(nn.Module):
    """A layer with adapters beside it; a batch holds equally many rows for each model, those of the first one first."""

    def __init__(self, inner: nn.Module, adapter: Adapter) -> None:
        super().__init__()
        self.inner, self.adapter = inner, adapter

    @property
    def weight(self) -> Any:
        """The layer's own, which some models look at."""
        return self.inner.weight

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.inner(x)
        down, up = self.adapter.down, self.adapter.up
        added = x.reshape(len(down), -1, x.shape[-1]) @ down.mT @ up.mT
        return answer + self.adapter.scale * added.reshape(answer.shape)


def linear_layers(module: nn.Module, targets: Sequence[str] | None, vocabulary: int) -> dict[str, nn.Module]:
    """The layers that are adapted: those that ``targets`` name by their whole names or the last parts of these.

    Args:
        targets: None: every linear layer but the last, which answers with the vocabulary.

    Raises:
        InputError: there are none of these names, or no linear layers.
    """
    every = {name: part for name, part in module.named_modules() if _is_linear(part)}
    if targets is None:
        found = {name: part for name, part in every.items() if _sizes(part)[1] != vocabulary}
    else:
        ends = tuple(f".{target}" for target in targets)
        found = {name: part for name, part in every.items() if f".{name}".endswith(ends)}
        lost = [target for target in targets if not any(f".{name}".endswith(f".{target}") for name in every)]
        if lost:
            known = sorted({name.rpartition(".")[2] for name in every})
            raise InputError(
                f"`targets` must name linear layers of the model, found none called `{lost[0]}`. It has "
                f"{', '.join(f'`{name}`' for name in known[:12]) or 'none at all'}."
            )
    if not found:
        raise InputError(
            f"An adapter stands beside a linear layer, and this {type(module).__name__} has none but the one that "
            "answers. Say `rank=0`: all its weights are trained then."
        )
    return found


def begun(
    layers: Mapping[str, nn.Module], rank: int, alpha: float, draws: Sequence[Generator], device: torch.device
) -> dict[str, Adapter]:
    """New adapters of as many models as there are generators; they add nothing yet."""
    found = {}
    for name, layer in layers.items():
        inputs, outputs = _sizes(layer)
        bound = 1 / math.sqrt(inputs)
        down = torch.stack([(2 * torch.rand(rank, inputs, generator=draw) - 1) * bound for draw in draws])
        up = torch.zeros(len(draws), outputs, rank, device=device)
        found[name] = Adapter(down.to(device), up, alpha / rank)
    return found


def sharing(module: nn.Module) -> nn.Module:
    """A copy of the module with the same weights in the same memory, frozen: parts of it can be exchanged."""
    held = (*module.parameters(), *module.buffers())
    known = {id(one): nn.Parameter(one.detach(), False) if isinstance(one, nn.Parameter) else one for one in held}
    return copy.deepcopy(module, known).eval()


def adapted(module: nn.Module, adapters: Mapping[str, Adapter]) -> nn.Module:
    """A copy that shares the module's weights, with these adapters beside its layers."""
    found = sharing(module)
    for name, adapter in adapters.items():
        found.set_submodule(name, Beside(found.get_submodule(name), adapter))
    return found


def merged(module: nn.Module, weights: Weights, scale: float) -> nn.Module:
    """A copy with an adapter added to its weights; it shares all others with the module."""
    found = sharing(module)
    for name in names_of(weights):
        layer = found.get_submodule(name)
        added = scale * weights[_named(name, "B")] @ weights[_named(name, "A")]
        weight: Tensor = layer.weight  # type: ignore[assignment]
        whole = weight + (added.mT if _is_turned(layer) else added).to(weight)
        layer.weight = nn.Parameter(whole, requires_grad=False)
    return found


def weights_of(adapters: Mapping[str, Adapter], model: int) -> Weights:
    """The adapters of one model, by peft's names."""
    found = {}
    for name, adapter in adapters.items():
        for letter, value in (("A", adapter.down), ("B", adapter.up)):
            found[_named(name, letter)] = value[model].detach().cpu().clone()
    return found


def names_of(weights: Weights) -> list[str]:
    """The layers that these weights of adapters stand beside."""
    end = ".lora_A.weight"
    return [name.removeprefix(PEFT).removesuffix(end) for name in weights if name.endswith(end)]


def is_turned(layers: Mapping[str, nn.Module]) -> bool:
    """Whether these layers hold their weights as (inputs, outputs), as those of GPT-2 do."""
    return any(map(_is_turned, layers.values()))


def _named(layer: str, letter: str) -> str:
    return f"{PEFT}{layer}.lora_{letter}.weight"


def _is_linear(part: nn.Module) -> bool:
    # the type itself: the output layer of nn.MultiheadAttention is never called
    return type(part) is nn.Linear or _is_turned(part)


def _is_turned(part: nn.Module) -> bool:
    return type(part).__name__ == "Conv1D" and type(part).__module__.startswith("transformers.")


def _sizes(layer: nn.Module) -> tuple[int, int]:
    """How many numbers go in, and come out."""
    weight: Tensor = layer.weight  # type: ignore[assignment]
    first, last = weight.shape
    return (first, last) if _is_turned(layer) else (last, first)
