"""Which way each parameter's gradients are taken: found by trying a few records, and held to single passes."""

import math
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals import passes
from ml_privacy_meter.signals.ghost import FACTORED, Use, Whole, added, folded, room, taken, use_of, whole
from ml_privacy_meter.signals.passes import Call, Weights

TRIED = 3
_NEAR = {torch.float64: 1e-6, torch.float32: 2e-3}
_LOW = 0.1  # of bfloat16 and its like

Axes = tuple[tuple[str, int], ...]  # of each call in its turn: the layer, and which axis is the records
Take = Callable[[slice, str, Use], None]


@dataclass(frozen=True)
class Plan:
    """How the gradients of one model's parameters are taken.

    Args:
        factored: from what goes into a layer and the gradient by what comes out.
        vectorised: by `torch.func`; what is in none of these, by a backward pass for each record.
        unused: by which no gradient is other than zero.
        axes: of the calls of layers with factored parameters.
        room: bytes that a record takes on the way.
    """

    factored: frozenset[str]
    vectorised: frozenset[str]
    unused: frozenset[str]
    axes: Axes
    room: int


@dataclass(frozen=True)
class Trace:
    """One pass of some records: the calls of layers, and the gradient by what came out of each."""

    calls: Sequence[Call]
    found: Sequence[Tensor]
    axes: Axes
    layers: Mapping[str, nn.Module]
    records: int

    def use(self, weight: nn.Parameter) -> Use:
        """What all calls add to the gradient of this parameter."""
        uses = []
        for call, by, (_, axis) in zip(self.calls, self.found, self.axes, strict=True):
            part = self.layers[call.layer]
            for local, own in part.named_parameters(recurse=False):
                if own is weight:
                    use = use_of(part, local, call.a.movedim(axis, 0), by.movedim(axis, 0))
                    uses.append(folded(use, self.records))
        return added(uses)


_plans: weakref.WeakKeyDictionary[nn.Module, dict[Any, Plan]] = weakref.WeakKeyDictionary()


def plan_of(model: Any, wanted: Weights, x: Any) -> Plan:
    """The plan for this model, these parameters and records of this shape: made once, forgotten with the model."""
    parts = tuple((name, type(part)) for name, part in model.named_modules())
    weights = tuple((name, p.shape, p.dtype, p.device) for name, p in wanted.items())
    key = (parts, weights, type(x), tuple(getattr(x, "shape", ())[1:]), getattr(x, "dtype", None))
    known = _plans.setdefault(model, {})
    if key in known:
        return known[key]
    return known.setdefault(key, _made(model, wanted, x))


def take_gradients(model: Any, wanted: Weights, plan: Plan, x: Any, y: Tensor, take: Take) -> Tensor:
    """Hands ``take`` the gradients of the records, scaled; what they were divided by for that.

    Args:
        take: is called with rows, the name of a parameter, and its gradients for these rows.
    """
    trace, directions, scale = _traced(model, _some(wanted, plan.factored | plan.unused), plan.axes, x, y)
    done: frozenset[str] = frozenset()
    if trace is not None:
        done = plan.factored | plan.unused
        for name in plan.factored:
            take(slice(None), name, trace.use(wanted[name]))
    if some := _some(wanted, plan.vectorised):
        done |= plan.vectorised
        with passes.asking(model, some):
            for name, of in passes.vectorised(model, some, x, directions).items():
                take(slice(None), name, Whole(of))
    if some := _some(wanted, wanted.keys() - done):
        with passes.asking(model, some):
            for i, gradients in enumerate(passes.one_by_one(model, some, x, directions)):
                for name, of in gradients.items():
                    take(slice(i, i + 1), name, Whole(of[None]))
    return scale


def _traced(model: Any, factored: Weights, axes: Axes, x: Any, y: Tensor) -> tuple[Trace | None, Tensor, Tensor]:
    """A pass of all records, if the model goes the way that it went when it was tried; their directions, and scale."""
    layers = _layers(model, factored)
    with passes.asking(model, factored):
        if factored:
            outputs, calls = passes.recorded(model, layers, x)
            if _as_planned(axes, calls, len(y)) and passes.uses(outputs, factored) == _known(calls, layers, factored):
                directions, scale = passes.towards(outputs, y)
                found = passes.backward(outputs, calls, directions)
                return Trace(calls, found, axes, layers, len(y)), directions, scale
        with torch.no_grad():
            outputs = torch.cat([model(x[i : i + 1]) for i in range(len(y))])
        return None, *passes.towards(outputs, y)


def _made(model: Any, wanted: Weights, x: Any) -> Plan:
    """The plan that three records show: single passes say what is right, for directions that hang on no label."""
    _check_alone(model)
    some = x[:: len(x) // TRIED][:TRIED]
    with passes.asking(model, wanted):
        layers = _layers(model, wanted)
        with passes.measured() as less:
            _, fewer = passes.recorded(model, layers, some[: TRIED - 1])
        with passes.measured() as kept:
            outputs, calls = passes.recorded(model, layers, some)
        directions = torch.arange(1, outputs.numel() + 1, device=outputs.device).cos().to(outputs.dtype)
        directions = directions.reshape(outputs.shape)
        near = _NEAR.get(next(iter(wanted.values())).dtype, _LOW)
        alone = torch.cat([passes.answer(model, some[i : i + 1]) for i in range(TRIED)])
        if not torch.allclose(alone, outputs, rtol=near, atol=near):  # then each is asked alone
            return Plan(frozenset(), frozenset(), frozenset(), (), 0)
        axes = _axes(calls, fewer)
        clear = {call.layer for call in calls} - {name for name, axis in axes if axis < 0}
        known = _known(calls, {name: layers[name] for name in clear}, wanted)
        counts = passes.uses(outputs, wanted)
        trace = Trace(calls, passes.backward(outputs, calls, directions), axes, layers, TRIED)
        shown = {name: trace.use(p) for name, p in wanted.items() if known[name] == counts[name] > 0}
        rooms = [room(use) for use in shown.values()]
        unused = frozenset(name for name, count in counts.items() if count == 0)
        factored = _right(shown, model, wanted, some, directions)
        left = _some(wanted, wanted.keys() - factored - unused)
        vectorised = _vectorisable(model, left, some, directions)
    size = (
        2 * (sum(kept.values()) - sum(less.values()))
        + 4 * max(rooms, default=0)
        + 8 * sum(left[name].numel() for name in vectorised)
    )
    called = _layers(model, _some(wanted, factored))
    return Plan(factored, vectorised, unused, tuple(part for part in axes if part[0] in called), size)


def _check_alone(model: Any) -> None:
    """Raises `InputError` where the answer for a record hangs on the others that are asked with it."""
    for name, part in model.named_modules():
        if isinstance(part, _BatchNorm) and part.running_mean is None:
            raise InputError(
                f"A record has a gradient of its own only if it is answered alone, and `{name}` "
                f"({type(part).__name__}) mixes the records of a batch. Give it running statistics."
            )


def _vectorisable(model: Any, left: Weights, x: Any, directions: Tensor) -> frozenset[str]:
    if not left or not isinstance(x, Tensor):
        return frozenset()
    try:
        with passes.asking(model, left):
            found = passes.vectorised(model, left, x, directions)
    except Exception:  # what it cannot do, torch.func refuses in many ways
        return frozenset()
    with passes.asking(model, left):
        return _right({name: Whole(of) for name, of in found.items()}, model, left, x, directions)


def _right(shown: Mapping[str, Use], model: Any, wanted: Weights, x: Any, directions: Tensor) -> frozenset[str]:
    """Those parameters of which the gradients shown are those of single passes, but for rounding."""
    right = set(shown)
    for i, single in enumerate(passes.one_by_one(model, wanted, x, directions)):
        norms = {name: float(of.double().norm()) for name, of in single.items()}
        little = 1e-3 * math.hypot(*norms.values())  # what cancels in all but rounding errors is right, too
        for name in list(right):
            of = whole(taken(shown[name], slice(i, i + 1))).flatten().double()
            apart = float((of - single[name].flatten()).norm())
            if not apart <= _NEAR.get(wanted[name].dtype, _LOW) * (norms[name] + little):
                right.remove(name)
    return frozenset(right)


def _layers(model: Any, wanted: Weights) -> dict[str, nn.Module]:
    """The layers of known kinds that own one of these parameters."""
    ids = {id(p) for p in wanted.values()}
    return {
        name: part
        for name, part in model.named_modules()
        if type(part) in FACTORED and any(id(p) in ids for p in part.parameters(recurse=False))
    }


def _known(calls: Sequence[Call], layers: Mapping[str, nn.Module], wanted: Weights) -> dict[str, int]:
    """How often these calls use each parameter."""
    owned = [id(p) for call in calls if call.layer in layers for p in layers[call.layer].parameters(recurse=False)]
    counts = Counter(owned)
    return {name: counts[id(p)] for name, p in wanted.items()}


def _axes(calls: Sequence[Call], fewer: Sequence[Call]) -> Axes:
    """Which axis of each call's input and output grows with the records; -1 where that is not clear."""
    if [call.layer for call in calls] != [call.layer for call in fewer]:
        return tuple((call.layer, -1) for call in calls)
    return tuple((one.layer, _axis(one, other)) for one, other in zip(calls, fewer, strict=True))


def _axis(one: Call, other: Call) -> int:
    grown = []
    for sizes, less in ((one.a.shape, other.a.shape), (one.shape, other.shape)):
        if len(sizes) != len(less):
            return -1
        grown.append([i for i, (n, m) in enumerate(zip(sizes, less, strict=True)) if n != m])
    if len(grown[0]) != 1 or grown[0] != grown[1]:
        return -1
    axis: int = grown[0][0]
    return axis if all(c.a.shape[axis] % n == 0 for c, n in ((one, TRIED), (other, TRIED - 1))) else -1


def _as_planned(axes: Axes, calls: Sequence[Call], records: int) -> bool:
    """Whether the model called the same layers as when it was tried, and nothing changed what went in since."""
    return tuple(call.layer for call in calls) == tuple(name for name, _ in axes) and all(
        call.a.shape[axis] % records == 0 and call.a._version == call.version
        for call, (_, axis) in zip(calls, axes, strict=True)
    )


def _some(wanted: Weights, names: Any) -> Weights:
    return {name: p for name, p in wanted.items() if name in names}
