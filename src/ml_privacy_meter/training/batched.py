"""Models of one architecture as one: their weights stacked, their batches computed together."""

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode

from ml_privacy_meter.training.pooling import max_pool2d, pool_first

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)

ATEN = torch.ops.aten
VIEWS = {ATEN.transpose.int, ATEN.permute.default, ATEN.view.default, ATEN.detach.default}

Loss = Callable[[Tensor, Tensor], Tensor]
Gradients = Callable[[Tensor, Tensor], list[Tensor | None]]  # of a batch of each model: of x and y, models first
Masked = tuple[torch.Size, torch.dtype, torch.device, float]  # what one dropout masks, and the share that it drops
Graphs = dict[torch.Size, tuple[Callable, list[Masked]]]
Drop = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class Stack:
    """Models of one architecture, with all their weights of one name in one tensor; its first axis is the models.

    Args:
        module: computes what each of them computes; its own weights are not used.
        weights: float32, and what the optimizer changes.
        lowered: bfloat16 copies of some of the weights, which the forward pass uses in their place.
        buffers: of the modules, and weights that are not to be trained.
        turned: names of the weights that lie as (models, inputs, outputs): so products read and make them fastest.
        generators: of each model's dropout.
    """

    module: nn.Module
    weights: dict[str, Tensor]
    lowered: dict[str, Tensor]
    buffers: dict[str, Tensor]
    turned: frozenset[str]
    generators: Sequence[Generator]

    @property
    def state(self) -> dict[str, Tensor]:
        """What the forward pass uses."""
        return self.weights | self.lowered | self.buffers

    @torch.no_grad()
    def learn(self, gradients: Sequence[Tensor | None]) -> None:
        """Sets the gradients of the weights from those of what the forward pass used in their place."""
        for weight, gradient in zip(self.weights.values(), gradients, strict=True):
            if gradient is None or gradient.dtype == weight.dtype or weight.grad is None:
                weight.grad = None if gradient is None else gradient.to(weight.dtype)
            else:
                weight.grad.copy_(gradient)

    @torch.no_grad()
    def lower(self) -> None:
        """Sets the lowered copies from the weights."""
        for name, low in self.lowered.items():
            low.copy_(self.weights[name])

    def states(self) -> list[dict[str, Tensor]]:
        """The state dict of each model, on the CPU."""
        held = {name: value.detach().cpu() for name, value in (self.weights | self.buffers).items()}
        held |= {name: held[name].transpose(1, 2) for name in self.turned}
        named = dict(self.module.named_parameters()) | dict(self.module.named_buffers())
        name_of = {id(value): name for name, value in named.items()}  # shared weights have several names in a state
        keys = {key: name_of[id(value)] for key, value in self.module.state_dict(keep_vars=True).items()}
        return [
            {key: held[name][j].clone(memory_format=torch.contiguous_format) for key, name in keys.items()}
            for j in range(len(self.generators))
        ]


def stack(modules: Sequence[nn.Module], generators: Sequence[Generator], *, device: torch.device, low: bool) -> Stack:
    """These modules, which are of one architecture, as one; ``low``: products in bfloat16."""
    first = modules[0].train()
    pool_first(first)
    turned = weights_of(first, (nn.Linear,), ("weight",)) if len(modules) > 1 else set()
    held: dict[str, list[Tensor]] = {}
    for module in modules:
        for name, value in (*module.named_parameters(), *module.named_buffers()):
            value = value.detach().to(device)
            held.setdefault(name, []).append(value.T if name in turned else value)
    stacked = {name: torch.stack(values) for name, values in held.items()}
    if len(modules) == 1:  # so that its convolutions run channels-last
        stacked = {name: channels_last(value.squeeze(0)).unsqueeze(0) for name, value in stacked.items()}
    trained = [name for name, weight in first.named_parameters() if weight.requires_grad]
    weights = {name: stacked.pop(name).requires_grad_() for name in trained}
    lowered = weights_of(first, (nn.Linear, *CONVOLUTIONS), ("weight", "bias")) if low else set()
    copies = {n: weight.detach().bfloat16().requires_grad_() for n, weight in weights.items() if n in lowered}
    return Stack(first, weights, copies, stacked, frozenset(turned & weights.keys()), generators)


def weights_of(module: nn.Module, kinds: tuple[type, ...], which: tuple[str, ...]) -> set[str]:
    """Names of the parameters ``which`` of all parts of these kinds."""
    parts = [(name, part) for name, part in module.named_modules() if type(part) in kinds]
    return {f"{name}.{what}".lstrip(".") for name, part in parts for what in which}


def channels_last(image: Tensor) -> Tensor:
    return image.contiguous(memory_format=torch.channels_last) if image.ndim == 4 else image


def alone(stack: Stack, loss: Loss) -> Gradients:
    """The gradients of a stack of one, in training mode."""

    def drop(x: Tensor, p: float) -> Tensor:
        return x * _mask(stack.generators, x.shape, x.dtype, x.device, p)[0]

    def gradients(x: Tensor, y: Tensor) -> list[Tensor | None]:
        state = {name: value.squeeze(0) for name, value in stack.state.items()}
        with _precision(stack, x):
            answer = answer_of(stack.module, state, channels_last(x.squeeze(0)), Layers(drop, ALONE))
        return _gradients(stack, stack.state, loss(answer.unsqueeze(0), y))

    return gradients


def together(stack: Stack, loss: Loss, graphs: Graphs) -> Gradients:
    """The gradients of all, in training mode.

    What vmap and autograd do is recorded once in ``graphs`` for each size of batch, and repeated from there: to find
    it out takes as long as small products do.
    """

    def gradients(x: Tensor, y: Tensor) -> list[Tensor | None]:
        if x.shape not in graphs:
            graphs[x.shape] = _record(stack, loss, x, y)
        graph, drops = graphs[x.shape]
        masks = [_mask(stack.generators, *drop) for drop in drops]
        with torch.no_grad():
            found: list[Tensor | None] = graph(stack.state, masks, x, y)
        return found

    return gradients


def batchable(stack: Stack, loss: Loss, x: Tensor, y: Tensor, graphs: Graphs) -> bool:
    """Whether the gradients of these models can be computed together: what cannot, torch refuses."""
    if x.shape not in graphs:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # what torch computes one by one within vmap, it warns of
                graphs[x.shape] = _record(stack, loss, x, y)
        except Exception:
            return False
    return True


def draws(stack: Stack, x: Tensor) -> bool:
    """Whether this one model draws random numbers other than dropout's, of which all threads have but one source."""
    device = [x.device] if x.is_cuda else []
    state = {name: value.squeeze(0) for name, value in _copies(stack).items()}
    with torch.random.fork_rng(devices=device), torch.no_grad(), _precision(stack, x):
        before = _sources(device)
        answer_of(copy.deepcopy(stack.module), state, channels_last(x.squeeze(0)), Layers(lambda x, p: x, ALONE))
        return any(not torch.equal(a, b) for a, b in zip(before, _sources(device), strict=True))


def _sources(devices: Sequence[torch.device]) -> list[Tensor]:
    return [torch.get_rng_state(), *map(torch.cuda.get_rng_state, devices)]


def _record(stack: Stack, loss: Loss, x: Tensor, y: Tensor) -> tuple[Callable, list[Masked]]:
    """The gradients as a graph of batched operations, and the masks that its dropout needs."""
    drops: list[Masked] = []

    def note(x: Tensor, p: float) -> Tensor:
        drops.append((x.shape, x.dtype, x.device, p))
        return x

    def of_all(drop: Drop | None, state: dict[str, Tensor], masks: list[Tensor], x: Tensor) -> Tensor:
        def of_one(state: dict[str, Tensor], masks: list[Tensor], x: Tensor) -> Tensor:
            left = iter(masks)
            layers = Layers(drop or (lambda x, p: x * next(left)), BATCHED)
            return answer_of(stack.module, state, x, layers)

        named = state | {name: state[name].transpose(1, 2) for name in stack.turned}
        with _precision(stack, x):
            return torch.func.vmap(of_one, randomness="error")(named, masks, x)

    def gradients(state: dict[str, Tensor], masks: list[Tensor], x: Tensor, y: Tensor) -> list[Tensor | None]:
        return _gradients(stack, state, loss(of_all(None, state, masks, x), y))

    with torch.no_grad():
        of_all(note, _copies(stack), [], x)
    masks = [torch.ones(len(x), *shape, dtype=dtype, device=device) for shape, dtype, device, _ in drops]
    return without_detours(make_fx(gradients)(_copies(stack), masks, x, y)), drops


def without_detours(module: fx.GraphModule) -> fx.GraphModule:
    """The graph without its views that lead back to where they came from: they are most of what it would call."""
    for node in module.graph.nodes:
        source = node
        while source.target in VIEWS:
            source = source.args[0]
            if _layout(source) == _layout(node):
                node.replace_all_uses_with(source)
                break
    module.graph.eliminate_dead_code()
    module.recompile()
    return module


def _layout(node: fx.Node) -> tuple[Any, ...] | None:
    found = node.meta.get("tensor_meta")
    return found and (found.shape, found.stride, found.dtype)


def _gradients(stack: Stack, state: dict[str, Tensor], loss: Tensor) -> list[Tensor | None]:
    return list(torch.autograd.grad(loss, [state[name] for name in stack.weights], allow_unused=True))


def _copies(stack: Stack) -> dict[str, Tensor]:
    return {name: value.detach().clone().requires_grad_(value.requires_grad) for name, value in stack.state.items()}


def _precision(stack: Stack, batch: Tensor) -> AbstractContextManager:
    return torch.autocast(batch.device.type, torch.bfloat16) if stack.lowered else nullcontext()


def answer_of(module: nn.Module, state: dict[str, Tensor], batch: Tensor, layers: TorchFunctionMode) -> Tensor:
    with layers:
        answer: Tensor = torch.func.functional_call(module, state, (batch,))
    return answer.float()


def _mask(generators: Sequence[Generator], shape: torch.Size, dtype: torch.dtype, device: Any, p: float) -> Tensor:
    """For each model, which values dropout keeps, scaled up to keep their mean."""
    masks = torch.empty(len(generators), *shape, dtype=dtype, device=device)
    for mask, generator in zip(masks, generators, strict=True):
        mask.bernoulli_(1 - p, generator=generator)
    return masks.mul_(1 / (1 - p) if p < 1 else 0)


class Layers(TorchFunctionMode):
    """While it holds, dropout and other functions are computed by these, wherever a module calls for them."""

    def __init__(self, drop: Drop, others: Mapping[Callable, Callable] = MappingProxyType({})) -> None:
        super().__init__()
        self.drop, self.others = drop, others

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is F.dropout:
            return self._dropout(*args, **kwargs)
        return self.others.get(function, function)(*args, **kwargs)

    def _dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        return self.drop(x, p) if training and p > 0 else x


class Together(torch.autograd.Function):
    """A function of tensors whose first axis is the models, to be called where vmap shows those of one model."""

    @staticmethod
    def forward(function: Callable, *tensors: Tensor) -> Tensor:
        raise NotImplementedError("only within vmap")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        raise NotImplementedError("only within vmap")

    @staticmethod
    def vmap(info: Any, axes: tuple[Any, ...], function: Callable, *tensors: Tensor | None) -> tuple[Tensor, int]:
        whole = [
            t if t is None else t.expand(info.batch_size, *t.shape) if axis is None else t.movedim(axis, 0)
            for axis, t in zip(axes[1:], tensors, strict=True)
        ]
        return function(*whole), 0


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A linear layer of each model; one product, where vmap would take a product and a sum."""
    rows, matrix = x.flatten(1, -2).to(weight.dtype), weight.transpose(1, 2)
    out = rows.bmm(matrix) if bias is None else torch.baddbmm(bias.unsqueeze(1), rows, matrix)
    return out.view(*x.shape[:-1], -1)


def _batch_norm(x: Tensor, *rest: Any, **named: Any) -> Tensor:
    """Batch normalisation, whose rule under vmap takes no bfloat16 beside float32."""
    return F.batch_norm(x.float(), *rest, **named).to(x.dtype)


ALONE: dict[Callable, Callable] = {F.max_pool2d: max_pool2d}
BATCHED: dict[Callable, Callable] = {F.linear: partial(Together.apply, linear), F.batch_norm: _batch_norm}
