"""The layers of a model and their parameters, by the names and numbers that a user gives them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from ml_privacy_meter._checks import InputError

Of = str | int | tuple[str | int, ...]
_WHOLE = (nn.MultiheadAttention, nn.RNNBase)  # one layer each, whatever they hold
_SHOWN = 60


def layers(model: Any) -> dict[str, nn.Module]:
    """The modules that give outputs and hold no other such module, in the order and by the names of `named_modules`.

    Attention and recurrent modules count as one layer each. Names are those of the user's own module.
    """
    found: dict[str, nn.Module] = {}
    _collect(bare(model)[0], "", found)
    return found


def trainable(model: Any) -> dict[str, nn.Module]:
    """The layers that have parameters of their own."""
    return {name: part for name, part in layers(model).items() if any(map(torch.is_floating_point, part.parameters()))}


def layer(model: Any, which: str | int) -> nn.Module:
    """A module by its name in `named_modules`, or the layer of this number: the first is 1.

    A name may be given with a dot before it: ".last" and ".all" are modules of these names, where they would else be
    words for something else.

    Raises:
        InputError: there is none; the message lists the layers.
    """
    return _module(bare(model)[0], which, layers(model), "layer")


def chosen(model: Any, of: Of) -> dict[str, nn.Parameter]:
    """Parameters by their names in `named_parameters`, in its order.

    Args:
        of: "all" that are trained (all, where every one is frozen); "last": those of the last layer that has any; or
            names of parameters or modules, and numbers of layers that have parameters: the first is 1. ".last" and
            ".all" are modules of these names.

    Raises:
        InputError: the model is no module or has no parameters, or there is no such layer; the message lists them.
    """
    inner, prefix = bare(model)
    known = {name: p for name, p in inner.named_parameters() if p.is_floating_point()}
    if not known:
        raise InputError(f"Gradients need a model with parameters that are floats, found none in {_kind(inner)}.")
    names: set[str] = set()
    for one in of if isinstance(of, tuple) else (of,):
        names |= _names(inner, one, known)
    if not names:
        raise InputError(f"`of` must name something with parameters, found {of!r}. {_listed(trainable(model))}")
    return {prefix + name: p for name, p in known.items() if name in names}


def part_with_parameters(model: Any, which: str | int) -> nn.Module:
    """A module by its name, or the layer of this number among those that have parameters; "last": the last of them.

    Raises:
        InputError: there is none; the message lists the layers.
    """
    own = trainable(model)
    if which == "last" and own:
        return list(own.values())[-1]
    return _module(bare(model)[0], which, own, "layer with parameters")


def bare(model: Any) -> tuple[nn.Module, str]:
    """The module as its owner knows it, and the prefix of its names where the model under audit wraps it."""
    prefix = ""
    while isinstance(name := getattr(model, "wraps", None), str):
        model, prefix = getattr(model, name), f"{prefix}{name}."
    if not isinstance(model, nn.Module):
        raise InputError(
            f"White-box signals need the model itself, as a `torch.nn.Module`, found {_kind(model)}. Audit the "
            "module, not what it answers."
        )
    return model, prefix


@contextmanager
def uncompiled(model: Any) -> Iterator[None]:
    """Within, a compiled model takes its steps one by one, so that hooks see each of its layers."""
    parts = model.modules() if isinstance(model, nn.Module) else ()
    if any(hasattr(part, "_orig_mod") or getattr(part, "_compiled_call_impl", None) for part in parts):
        with torch.compiler.set_stance("force_eager"):
            yield
    else:
        yield


def _collect(part: nn.Module, name: str, found: dict[str, nn.Module]) -> bool:
    """Adds the layers of a part; whether anything in it gives outputs."""
    inside = False
    if not isinstance(part, _WHOLE) and not is_parametrized(part):
        for child, module in _children(part):
            inside |= _collect(module, f"{name}.{child}" if name else child, found)
    gives = type(part).forward is not nn.Module.forward
    if gives and not inside and not any(part is other for other in found.values()):
        found[name] = part
    return inside or gives


def _children(part: nn.Module) -> Iterable[tuple[str, nn.Module]]:
    """The modules in a part by their names. Keras keeps its layers from torch, which knows their weights alone."""
    if any(kind.__module__.startswith("keras.") for kind in type(part).__mro__):
        own = getattr(part, "layers", ())
        return [(layer.name, layer) for layer in own if type(layer).__name__ != "InputLayer"]
    return part.named_children()


def _names(inner: nn.Module, one: str | int, known: dict[str, nn.Parameter]) -> set[str]:
    if one == "all":
        return {name for name, p in known.items() if p.requires_grad} or set(known)
    if str(one).removeprefix(".") in known:
        return {str(one).removeprefix(".")}
    ids = {id(p) for p in part_with_parameters(inner, one).parameters()}
    return {name for name, p in known.items() if id(p) in ids}


def _module(inner: nn.Module, which: str | int, known: dict[str, nn.Module], what: str) -> nn.Module:
    if isinstance(which, int) and not isinstance(which, bool) and 1 <= which <= len(known):
        return list(known.values())[which - 1]
    everything: dict[str, nn.Module] = dict(inner.named_modules())
    if isinstance(which, str) and (found := everything.get(which.removeprefix("."))) is not None and which != ".":
        return found
    raise InputError(f"There is no {what} {which!r}. {_listed(known)}")


def _listed(known: dict[str, nn.Module]) -> str:
    shown = [f"{i} `{name}` ({type(part).__name__})" for i, (name, part) in enumerate(known.items(), 1)]
    more = f", and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return f"Choose from: {', '.join(shown[:_SHOWN])}{more}." if shown else "It has none."


def _kind(thing: Any) -> str:
    return f"a {type(thing).__name__}"
