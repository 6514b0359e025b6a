"""The models of a trace, as they are asked about records: each is read from disk when it is asked."""

import copy

from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.beside import Later
from ml_privacy_meter.signals.layers import bare
from ml_privacy_meter.signals.update import Moved
from ml_privacy_meter.source import Part
from ml_privacy_meter.targets import Target
from ml_privacy_meter.traces import EVERYONE, Round, Trace, Weights


def parts(trace: Trace, target: Target) -> tuple[Part, ...]:
    """What each client did in each round.

    Raises:
        InputError: who saw the trace saw no updates of two clients at least, or it is of another architecture.
    """
    if len(seen := set(trace.clients) - {EVERYONE}) < 2:
        raise InputError(
            f"Clients can be told apart by who sees the updates of two of them at least, found {len(seen)} seen by "
            f"{trace.viewer}. Give the aggregator's trace."
        )
    check_fits(target, trace.rounds[0].before())
    return tuple(_part(target, one, client) for one in trace.rounds for client in one.clients)


def after(one: Round, client: str) -> dict[str, Tensor]:
    """The weights that a client sent back."""
    change = one.update(client)
    return {name: value + change[name] if name in change else value for name, value in one.sent(client).items()}


def fill(target: Target, weights: Weights) -> Target:
    """A copy of the target with these weights."""
    twin = copy.deepcopy(target)
    bare(twin)[0].load_state_dict(dict(weights))
    return twin


def _part(target: Target, one: Round, client: str) -> Part:
    def moved() -> nn.Module:
        return Moved(fill(target, one.sent(client)), one.update(client))

    return Part(one.number, client, Later("", lambda: fill(target, after(one, client))), Later("", moved))


def check_fits(target: Target, weights: Weights) -> None:
    """Raises `InputError` unless the model takes these weights."""
    try:
        copy.deepcopy(bare(target)[0]).load_state_dict(dict(weights))
    except RuntimeError as problem:
        raise InputError(f"The trace must be of a model of this architecture: {problem!s:.300}.") from problem
