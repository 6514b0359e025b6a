"""The target at earlier moments of its training, and what changed it on the way: from a trace, or from snapshots."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.beside import Later
from ml_privacy_meter.findings import Check
from ml_privacy_meter.membership import Update
from ml_privacy_meter.signals.layers import bare, chosen
from ml_privacy_meter.signals.update import Moved
from ml_privacy_meter.targets import Target
from ml_privacy_meter.targets.key import digest, of_files
from ml_privacy_meter.traces import EVERYONE, Trace, Weights
from ml_privacy_meter.types import Records

NEAR = 1e-4  # of weights that were saved twice
CLIENT = "client"  # the group that says which client a member lies with
ASKED = "Does a record's client tell whether it is a member?"


@dataclass(frozen=True)
class Moment:
    """The target as it stood at one moment.

    Args:
        key: of the content of its weights; empty where that cannot be known.
        weights: by the names that the owner of the module knows, read anew at every call.
    """

    number: int
    model: Later
    weights: Callable[[], Weights]

    @property
    def key(self) -> str:
        return self.model.key


@dataclass(frozen=True)
class Watched:
    """What was seen of a training: nothing, unless there is a trace or there are snapshots.

    Args:
        unit: of what is counted: "round" or "snapshot".
        viewer: who saw it, in words.
        ends: the number of the moment at which the target stands.
        checks: whether it is the target's own training.
        keys: of the content of what was given, as a report tells them; None where that cannot be known.
    """

    moments: tuple[Moment, ...] = ()
    updates: tuple[Update, ...] = ()
    unit: str = "round"
    viewer: str = ""
    ends: int = 0
    checks: tuple[Check, ...] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What is seen to change: "clients", each one's own weights; their "average"; "differences"; or "none"."""
        clients = {update.client for update in self.updates}
        if not clients:
            return "none"
        return "average" if clients == {EVERYONE} else "clients" if all(clients) else "differences"

    @property
    def seen(self) -> dict[str, str]:
        """Who saw it, and what was seen to change."""
        return {"viewer": self.viewer, "updates": self.kind}

    @property
    def snapshots(self) -> tuple[Later, ...]:
        return tuple(moment.model for moment in self.moments)


def watched(target: Target, trace: Trace | None, snapshots: Sequence[Later]) -> Watched:
    """What the trace or the snapshots show of the target's training.

    Raises:
        InputError: both were given, or the trace is not of a model of this architecture, or not of this model.
    """
    if trace is not None and snapshots:
        raise InputError("An audit takes a `trace` or `snapshots`, found both. Leave one out.")
    if trace is not None:
        return _of_trace(trace, target)
    if not snapshots:
        return Watched()
    moments = tuple(
        Moment(number, model, partial(_parameters, model.load, target)) for number, model in enumerate(snapshots)
    )
    alike = target.access == "parameters" and all(_alike(target, model) for model in snapshots)
    more = "and their weights" if alike else "and sees what they answer"
    viewer = f"somebody who has snapshots of the model from its training, {more}"
    seen, keys = _differences(moments, target) if alike else (), [one.key or None for one in snapshots]
    return Watched(moments, seen, "snapshot", viewer, len(moments), keys={"snapshots": keys})


def dealt(trace: Trace, inside: Records, outside: Records, seed: int) -> tuple[Records, str]:
    """The non-members, each with a client that it is asked of, and how they came by it, in words.

    Their own client where they name one; else one at random, within each class as the members are. They stay as they
    are, and nothing is said, where members name no clients.

    Args:
        inside: the members; their labels, and those of the others, fitted to the model.

    Raises:
        InputError: a client took part in no round, whether this viewer saw it or not.
    """
    if CLIENT not in inside.groups:
        return outside, ""
    with_, own = (np.asarray(side.groups.get(CLIENT, ())).astype(str) for side in (inside, outside))
    _check_clients(trace, {*with_, *own})
    if len(own):
        return outside, "Non-members are asked of the clients that they name themselves."
    classes = outside.labels.dtype == torch.int64
    kinds = [side.labels.numpy() if classes else np.zeros(len(side)) for side in (inside, outside)]
    rng, asked = np.random.default_rng(seed), np.empty(len(outside), with_.dtype)
    for kind in np.unique(kinds[1]):
        rows = rng.permutation(np.flatnonzero(kinds[1] == kind))
        like = with_[kinds[0] == kind] if (kinds[0] == kind).any() else with_
        places = (np.arange(len(rows)) + rng.random()) / len(rows) * len(like)  # evenly, from a place at random
        asked[rows] = np.sort(like)[places.astype(int)]
    within = "within each class as the members are" if classes else "whatever their labels, which are no classes"
    says = f"Non-members name no client and were dealt out to the members' clients at random, {within}."
    return replace(outside, groups={**outside.groups, CLIENT: asked}), says


def by_client(how: str, shift: Check) -> tuple[Check, ...]:
    """Whether the client that a record is asked of tells if it is a member, where records are asked of clients.

    Args:
        how: non-members came by their clients; empty where no client is asked about.
        shift: what was made of the records and their clients without the model.
    """
    if not how:
        return ()
    says = f"{how} The classifier that never asks the model is shown each record's client, too: {shift.says}"
    if not shift.passed:
        says += " Where clients' records differ, give non-members of each client, and name it in their group `client`."
    return (Check(ASKED, shift.passed, says, risk=shift.risk),)


def _check_clients(trace: Trace, names: set[str]) -> None:
    part = {name for one in Trace.open(trace.folder).rounds for name in one.shares}
    if strange := sorted(names - part):
        raise InputError(
            f"The group `{CLIENT}` must name clients of the trace, found '{strange[0]}', which took part in no round. "
            f"It has {', '.join(sorted(part)):.300}."
        )


def _of_trace(trace: Trace, target: Target) -> Watched:
    if target.access != "parameters":
        raise InputError(
            "The weights of a trace go into the model, and this one cannot take any: it is known by its answers alone. "
            "Give the module itself, or a program that `torch.export` made of it."
        )
    if not trace.rounds:
        raise InputError("A trace must show rounds, found none that this viewer saw.")
    check = _final(trace, target)
    files = {one.number: of_files(one.file) for one in trace.rounds}

    def model(key: Sequence[str], weights: Callable[[], Weights]) -> Later:
        known = digest(target.key, *key) if target.key else ""
        return Later(known, partial(_filled, target, weights, known))

    moments, updates = [], []
    for one in trace.rounds:
        own = next(iter(one.only or ()), "")
        start = partial(one.sent, own) if own in one.apart else one.before
        said = (files[one.number], "sent", own) if own in one.apart else (files[one.number], "before")
        moments.append(Moment(one.number, model(said, start), start))
        for client in () if one.only is not None else one.clients:
            sent = model((files[one.number], "sent", client), partial(one.sent, client))
            if client not in one.apart:
                sent = moments[-1].model
            change = partial(_trained, partial(one.update, client), target)
            updates.append(_update(sent, change, (sent.key, files[one.number], client), one.number, client))
    to = None if trace.finished else -1  # of a killed training, nobody knows that it led to the target
    seen = tuple(updates) or _differences(moments, target)[:to]
    ends = Trace.open(trace.folder).rounds[-1].number + 1  # the last rounds may be ones that this viewer did not see
    keys = {"trace": digest("trace", *files.values())}
    return Watched(tuple(moments), seen, "round", trace.viewer, ends, (check,), keys)


def _differences(moments: Sequence[Moment], target: Target) -> tuple[Update, ...]:
    """What changed from one moment to the next, and from the last to the target: whoever sees both knows that."""
    last = Moment(-1, Later(target.key, lambda: target), partial(_parameters, lambda: target, target))
    return tuple(
        _update(one.model, partial(_less, one, after, target), (one.key, after.key), one.number)
        for one, after in pairwise([*moments, last])
    )


def _update(sent: Later, change: Callable[[], Weights], keys: Sequence[str], number: int, client: str = "") -> Update:
    key = digest("update", *keys) if all(keys) else ""
    return Update(Later(key, lambda: Moved(sent.load(), change())), sent, change, number, client)


def _less(one: Moment, after: Moment, target: Target) -> Weights:
    before = _trained(one.weights, target)
    return {name: value - before[name] for name, value in _trained(after.weights, target).items()}


def _filled(target: Target, weights: Callable[[], Weights], key: str) -> Target:
    """A copy of the target with these weights."""
    twin = copy.deepcopy(target)
    twin.key = key
    inner, found = bare(twin)[0], weights()
    inner.load_state_dict({name: found[name] for name in inner.state_dict() if name in found}, strict=False)
    return twin


def _trained(weights: Callable[[], Weights], target: Target) -> Weights:
    """Those of the parameters that are trained, in float64 and where the others are."""
    found, prefix = weights(), bare(target)[1]
    names = [name.removeprefix(prefix) for name in chosen(target, "all")]
    return {name: found[name].detach().cpu().double() for name in names}


def _parameters(load: Callable[[], Any], target: Target) -> Weights:
    return dict(bare(load())[0].named_parameters())


def _alike(target: Target, model: Later) -> bool:
    """Whether the snapshot's parameters are reached, and have the names and shapes of the target's."""
    found = model.load()
    if getattr(found, "access", "") != "parameters":
        return False
    return _shapes(dict(bare(found)[0].named_parameters())) == _shapes(dict(bare(target)[0].named_parameters()))


def _final(trace: Trace, target: Target) -> Check:
    """Whether the target is what the training in the trace ended with.

    Raises:
        InputError: it is not.
    """
    name = "Is the model the one that the trace ends with?"
    own = {name: value for name, value in bare(target)[0].state_dict().items() if isinstance(value, Tensor)}
    first = trace.rounds[0].before()
    _check_alike(own, first)
    try:
        final = trace.final()
    except InputError as problem:
        says = "It could not be told: the trace holds no final weights, as its training was killed. What is said of "
        return Check(name, False, f"{says}rounds is said of that training. {problem}")
    apart = {name: _apart(own[name], value) for name, value in final.items() if name in own}
    worst = max(apart, key=lambda name: apart[name])
    if not apart[worst] <= NEAR:
        raise InputError(
            f"The model must be the one that the trace ends with, found that `{worst}` differs from the final weights "
            f"in {trace.folder} by up to {apart[worst]:.2g} of their largest. Give the model with the weights of "
            "`trace.final()`, or the trace of this model."
        )
    return Check(name, True, f"Yes: all {len(apart)} weights and buffers are the same.")


def _check_alike(own: Weights, first: Weights) -> None:
    floats = {name: value for name, value in first.items() if value.is_floating_point()}
    ours = {name: value for name, value in own.items() if value.is_floating_point()}
    if (a := _shapes(floats)) != (b := _shapes(ours)):
        wrong = next(name for name in [*a, *b] if a.get(name) != b.get(name))
        sizes = [str(found.get(wrong, "missing")) for found in (a, b)]
        raise InputError(
            f"The trace must be of a model of this architecture, found `{wrong}` of shape {sizes[0]} in the trace and "
            f"{sizes[1]} in the model. Give the model that was trained there."
        )


def _shapes(weights: Weights) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in weights.items()}


def _apart(one: Tensor, other: Tensor) -> float:
    """How far they differ by the largest of the other; infinite numbers, and those that are none, must be the same."""
    a, b = one.detach().cpu().double(), other.double()
    finite = b.isfinite()
    if not torch.equal(a.masked_fill(a.isfinite(), 0).nan_to_num(1.5), b.masked_fill(finite, 0).nan_to_num(1.5)):
        return float("inf")
    a, b = a[finite], b[finite]
    return float((a - b).abs().max() / b.abs().max().clamp(min=1e-12)) if b.numel() else 0.0
