"""Active attacks on membership: who takes part in a federated training, and does not keep to it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ml_privacy_meter import targets as targets_room
from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.clients.seen import after, fill
from ml_privacy_meter.federated.loop import Participant, Server
from ml_privacy_meter.records import as_records
from ml_privacy_meter.signals.classifier import loss
from ml_privacy_meter.signals.layers import bare, chosen
from ml_privacy_meter.signals.reader import evaluating
from ml_privacy_meter.traces import Round, Trace, Weights
from ml_privacy_meter.types import Records

STEP = 30.0


@dataclass(frozen=True)
class Active:
    """An attack that takes part: `federate` is given its ``server`` and ``participants``; ``score`` reads the trace.

    Args:
        says: what is done, and what the score is.
        score: of each target, client by client and in the order given; higher says member. Of the trace of an honest
            training of as many rounds, it is what the same looks tell who keeps to the rules.
    """

    says: str
    score: Callable[[Trace], Tensor]
    server: Server | None = None
    participants: Mapping[str, Participant] = field(default_factory=dict)


def passive(model: nn.Module, targets: Mapping[str, Any]) -> Active:
    """Nothing is done; the score is minus the record's loss under its client's models, in nats, averaged over rounds.

    Args:
        targets: by client: the records of which it is asked whether this client holds them, as `as_records` takes them.
    """
    asked = {client: _Asked.of(model, data, client) for client, data in targets.items()}
    says = "The aggregator watches: minus the loss under the client's own models, averaged over all rounds."
    return Active(says, lambda trace: torch.cat([_over_rounds(trace, name, one) for name, one in asked.items()]))


def isolation(model: nn.Module, targets: Mapping[str, Any], *, to: str | Path) -> Active:
    """The server sends each client of ``targets`` its own model back, so that it learns from its own records alone.

    The score is that of `passive`.

    Source: Nasr, Shokri and Houmansadr, Comprehensive Privacy Analysis of Deep Learning, IEEE S&P 2019, section IV.

    Args:
        to: the folder that `federate` writes the trace into, where the server looks up what the client sent last.
    """

    def server(number: int, client: str, weights: Weights) -> Weights | None:
        if number == 0 or client not in targets:
            return None
        earlier = [one for one in Trace.open(to).rounds if client in one.shares and one.number < number]
        return after(earlier[-1], client) if earlier else None

    says = "The server isolates clients: each is sent its own model back. Minus the loss under it, over all rounds."
    return Active(says, passive(model, targets).score, server)


def aggregator_ascent(
    model: nn.Module,
    targets: Mapping[str, Any],
    *,
    to: str | Path,
    step: float = STEP,
    first: int = 0,
    at_once: int = 1,
) -> Active:
    """The server raises a target's loss in the weights that it sends to one client, and looks what comes back.

    A client that holds the record lowers its loss again as it trains. The score is minus the record's loss under the
    model that the client sent back, in nats. Each round serves one target of each client, or a few. All start from the
    global weights of round ``first``: what comes back of an ascent would ruin those of later rounds.

    Source: Nasr, Shokri and Houmansadr, Comprehensive Privacy Analysis of Deep Learning, IEEE S&P 2019, section IV.
    Departure: the gradient has a fixed length, and the aggregator sends each client weights of its own.

    Args:
        targets: by client: the records of which it is asked whether this client holds them.
        to: the folder that `federate` writes the trace into, where the server looks up the weights of round ``first``.
        step: the length of the ascent, over all weights.
        first: the first round in which it is done.
        at_once: how many targets of a client share a round.
    """
    asked = {client: _Asked.of(model, data, client) for client, data in targets.items()}
    _check(step, first, at_once)

    def server(number: int, client: str, weights: Weights) -> Weights | None:
        rows = asked[client].served(number - first, at_once) if client in asked else np.arange(0)
        if not len(rows):
            return None
        return asked[client].raised(weights if number == first else _before(to, first), rows, step)

    def score(trace: Trace) -> Float[Tensor, " targets"]:
        rounds, found = {one.number: one for one in trace.rounds}, []
        for client, one in asked.items():
            parts = []
            for turn in range(math.ceil(len(one) / at_once)):
                here = rounds.get(first + turn)
                if here is None or client not in here.clients:
                    raise InputError(_MISSED.format(client=client, number=first + turn))
                parts.append(-one.loss(after(here, client), one.served(turn, at_once)))
            found.append(one.as_given(parts))
        return torch.cat(found)

    says = f"The server raises the loss of {at_once} target(s) of each client a round by a step of {step:g}."
    return Active(says, score, server)


def participant_ascent(
    model: nn.Module,
    targets: Any,
    *,
    client: str,
    step: float = STEP,
    boost: float = 1.0,
    first: int = 0,
    at_once: int = 1,
) -> Active:
    """One client sends back weights in which a target's loss is raised, and looks at the next global models.

    Every second round serves a target, or a few: in one it sends the ascent, which the average hands to all; in the
    next it changes nothing. The score is minus the record's loss, in nats, under the global model after that.

    Source: Nasr, Shokri and Houmansadr, Comprehensive Privacy Analysis of Deep Learning, IEEE S&P 2019, section IV.
    Departure: the gradient has a fixed length.

    Args:
        targets: the records of which it is asked whether any other client holds them.
        client: who does it; it must take part in all of these rounds.
        step: the length of the ascent, over all weights, as it reaches the global model.
        boost: by which the ascent is multiplied before it is sent: one over the client's share in the average.
    """
    asked = _Asked.of(model, targets, client)
    _check(step, first, at_once)
    in_range(0, math.inf, boost=boost)

    def train(number: int, weights: Weights) -> Weights:
        turn, quiet = divmod(number - first, 2)
        rows = np.arange(0) if quiet else asked.served(turn, at_once)
        return asked.raised(weights, rows, step * boost) if len(rows) else weights

    def score(trace: Trace) -> Float[Tensor, " targets"]:
        rounds, found = {one.number: one for one in trace.rounds}, []
        for turn in range(math.ceil(len(asked) / at_once)):
            number = first + 2 * turn + 2
            if number not in rounds and number != trace.rounds[-1].number + 1:
                raise InputError(_MISSED.format(client=client, number=number - 1))
            seen = rounds[number].before() if number in rounds else trace.final()
            found.append(-asked.loss(seen, asked.served(turn, at_once)))
        return asked.as_given(found)

    says = f"Client {client} raises the loss of {at_once} target(s) every second round by a step of {step:g}."
    return Active(says, score, participants={client: train})


_MISSED = (
    "Each target needs its round, and the trace shows nothing of `{client}` in round {number}. Train for more rounds, "
    "with all clients in each, or ask about fewer targets."
)


@dataclass(frozen=True)
class _Asked:
    """Records that are asked about, beside a model that takes any weights.

    Args:
        turns: their rows as they are served: losses fall from round to round, so that the order must say nothing.
    """

    target: targets_room.Target
    records: Records
    turns: np.ndarray

    @staticmethod
    def of(model: nn.Module, data: Any, client: str) -> "_Asked":
        given = as_records(data, name=f"targets of {client}")
        target, records, _ = targets_room.fit(targets_room.open_model(model), given, given)
        turns = np.random.default_rng([len(records), *client.encode()]).permutation(len(records))
        return _Asked(target, records, turns)

    def __len__(self) -> int:
        return len(self.records)

    def served(self, turn: int, at_once: int) -> np.ndarray:
        """The rows of the targets whose turn it is."""
        return self.turns[turn * at_once : (turn + 1) * at_once] if turn >= 0 else self.turns[:0]

    def as_given(self, found: Sequence[Tensor]) -> Float[Tensor, " records"]:
        """What was found turn after turn, in the order of the records."""
        return torch.cat(list(found))[torch.from_numpy(self.turns.argsort())]

    def loss(self, weights: Weights, rows: np.ndarray) -> Float[Tensor, " records"]:
        """The loss of these records under these weights, in nats."""
        model = fill(self.target, weights)
        with evaluating(model), torch.no_grad():
            return loss.of(model(self.records.x[rows]), self.records.labels[rows])

    def raised(self, weights: Weights, rows: np.ndarray, step: float) -> Weights:
        """The weights after a step of this length up the gradient of these records' loss."""
        model = fill(self.target, weights)
        prefix, wanted = bare(model)[1], chosen(model, "all")
        with evaluating(model), torch.enable_grad():
            total = loss.of(model(self.records.x[rows]), self.records.labels[rows]).sum()
            found = torch.autograd.grad(total, list(wanted.values()))
        length = math.sqrt(sum(float(part.double().square().sum()) for part in found))
        if not 0 < length < math.inf:
            return weights  # a record that is fitted to the last digit has no direction
        up = {name.removeprefix(prefix): part * (step / length) for name, part in zip(wanted, found, strict=True)}
        return {name: value + up[name].to(value) if name in up else value for name, value in weights.items()}


def _over_rounds(trace: Trace, client: str, asked: _Asked) -> Float[Tensor, " targets"]:
    rounds: list[Round] = [one for one in trace.rounds if client in one.clients]
    if not rounds:
        raise InputError(f"The trace must show updates of each client that is asked about, found none of `{client}`.")
    return -torch.stack([asked.loss(after(one, client), np.arange(len(asked))) for one in rounds]).mean(0)


def _before(folder: str | Path, number: int) -> Weights:
    """The global weights of a round that lies in this folder."""
    return next(one for one in Trace.open(folder).rounds if one.number == number).before()


def _check(step: float, first: int, at_once: int) -> None:
    in_range(0, math.inf, step=step)
    whole(0, first=first)
    whole(1, at_once=at_once)
