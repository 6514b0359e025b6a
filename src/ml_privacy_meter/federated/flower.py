"""Training with Flower, watched: what its server sees, and what each of its clients sees, each as a trace."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter.federated.flower_here import simulate
from ml_privacy_meter.traces import TraceWriter, Weights
from ml_privacy_meter.traces.trace import FINAL

__all__ = ["simulate", "traced", "watching"]

PARTITION = "partition-id"  # how Flower calls the number of a simulated client
STATE = "ml-privacy-meter"  # under this a client remembers that its trace was begun
Mod = Callable[[Any, Any, Callable[[Any, Any], Any]], Any]


def traced(
    strategy: Any,
    *,
    to: str | Path,
    name: str = PARTITION,
    arrays: str | None = None,
    changes: bool = False,
    says: Mapping[str, object] | None = None,
) -> Any:
    """The same strategy, which from now on writes into a folder what the server sees: a trace for `Trace.open`.

    Each round is on disk before its replies are averaged. Replies that are errors are left out, and so are rounds that
    nobody answered.

    Args:
        strategy: any `flwr.serverapp.strategy.Strategy`. It trains as before: its methods are called as they are.
        to: an empty folder. A relative one is looked for where the server's process stands.
        name: of the metric by which clients say who they are; those without it go by the number of their node.
        arrays: under which name the weights are sent, where there are several arrays; None: as the strategy says.
        changes: clients send what they changed, instead of their weights.
        says: what else is known of the training: "lr", "local_steps", "batch_size". What the server tells its clients
            in the configuration of the first round is kept without being named here.

    Raises:
        InputError: in training, where the folder holds something, or a reply does not fit what was sent.
    """
    if isinstance(getattr(strategy.start, "__self__", None), _Server):
        raise InputError("A strategy is traced once, found one that is traced already. Use it as it is.")
    server = _Server(strategy, Path(to), name, arrays or _setting(strategy, "arrayrecord_key", None), changes, says)
    strategy.configure_train, strategy.aggregate_train = server.configure_train, server.aggregate_train
    strategy.start = server.start
    return strategy


def watching(
    *,
    to: str | Path,
    name: str = PARTITION,
    arrays: str | None = None,
    changes: bool = False,
    says: Mapping[str, object] | None = None,
) -> Mod:
    """A mod for a `ClientApp`, which writes what each client is sent, and what it sends, into a trace of its own.

    The trace lies in a folder of ``to`` that is named after the client, and begins with its first training. Its last
    model is the one that the client was sent to evaluate, where no training came after. Mods that stand behind this one
    have worked on what it sees.

    Args:
        name: of the setting of a node that says who it is; nodes without it go by their number.

    The other settings are those of `traced`.
    """

    def mod(message: Any, context: Any, call_next: Callable[[Any, Any], Any]) -> Any:
        kind = message.metadata.message_type.split(".")[0]
        kept = kind == "train" or (kind == "evaluate" and STATE in context.state)
        if not kept or not message.content.array_records:
            return call_next(message, context)
        client = str(context.node_config.get(name, context.node_id))
        before = _weights(message.content, arrays, f"what client {client} was sent")
        reply = call_next(message, context)
        writer, whole = _continued(context, Path(to) / client, {"participant": client, **(says or {})})
        if kind == "evaluate":
            writer.finish(_cast(before, dict.fromkeys(whole, torch.int64)))
        elif not reply.has_error():
            got = _weights(reply.content, arrays, f"the reply of client {client}")
            before = _cast(before, kinds := {key: value.dtype for key, value in got.items()})
            writer.add(before, {client: _change(before, got, client, changes)})
            context.state[STATE]["whole"] = [key for key, kind in kinds.items() if not kind.is_floating_point]
        return reply

    return mod


class _Server:
    """What stands between Flower and a strategy, and keeps what passes."""

    def __init__(
        self, strategy: Any, to: Path, name: str, arrays: str | None, changes: bool, says: Mapping[str, object] | None
    ) -> None:
        self.to, self.name, self.arrays, self.changes = to, name, arrays, changes
        self.says = {"made by": f"Flower, {type(strategy).__name__}", **(says or {})}
        self.counted = _setting(strategy, "weighted_by_key", "num-examples")
        self._configure, self._aggregate = strategy.configure_train, strategy.aggregate_train
        self._start = strategy.start
        self.writer: TraceWriter | None = None
        self.kinds: dict[str, torch.dtype] = {}
        self.before: dict[str, Tensor] = {}
        self.sent: dict[int, dict[str, Tensor]] = {}
        self.last: Any = None

    def start(self, *given: Any, **named: Any) -> Any:
        if self.writer is not None:
            raise InputError(f"A traced strategy trains once, found {self.to} written. Trace a new one.")
        result = self._start(*given, **named)
        if self.writer is not None and self.last is not None:
            self.writer.finish(_cast(_tensors(self.last), self.kinds))
        return result

    def configure_train(self, server_round: int, arrays: Any, config: Any, grid: Any) -> Iterable[Any]:
        messages = list(self._configure(server_round, arrays, config, grid))
        held = _tensors(arrays)
        self.kinds = self.kinds or {key: value.dtype for key, value in held.items()}
        self.before, self.sent = _cast(held, self.kinds), {}
        for message in messages:
            node = message.metadata.dst_node_id
            if not any(record is arrays for record in message.content.array_records.values()):
                sent = _cast(_weights(message.content, self.arrays, f"what node {node} was sent"), self.kinds)
                if not _same(sent, self.before):
                    self.sent[node] = sent
        if self.writer is None:
            told = {key: value for key, value in config.items() if isinstance(value, bool | int | float | str)}
            told.pop("server-round", None)
            self.writer = TraceWriter(self.to, told | self.says)
        return messages

    def aggregate_train(self, server_round: int, replies: Iterable[Any]) -> Any:
        replies = list(replies)
        answers = [reply for reply in replies if not reply.has_error()]
        if answers:
            self._keep(answers)
        result = self._aggregate(server_round, replies)
        if result[0] is not None:
            self.last = result[0]
        return result

    def _keep(self, replies: list[Any]) -> None:
        updates: dict[str, Weights] = {}
        counts: dict[str, float] = {}
        sent: dict[str, Weights] = {}
        for reply in replies:
            node = reply.metadata.src_node_id
            client = _said(reply.content, self.name)
            client = str(node if client is None else int(client) if float(client).is_integer() else client)
            if client in updates:
                raise InputError(
                    f"Clients of a round must say different names, found two who say {self.name} {client}, one of them "
                    f'node {node}. Look at these clients, or trace with name="" to go by nodes.'
                )
            if node in self.sent:
                sent[client] = self.sent[node]
            got = _weights(reply.content, self.arrays, f"the reply of client {client}")
            updates[client] = _change(self.sent.get(node, self.before), got, client, self.changes)
            count = _said(reply.content, self.counted)
            counts |= {} if count is None else {client: count}
        assert self.writer is not None  # begun before anything was sent
        counted = counts if len(counts) == len(updates) else None
        self.writer.add(self.before, _in_order(updates), counts=counted, sent=_in_order(sent))


def _in_order(found: dict[str, Weights]) -> dict[str, Weights]:
    """By client, 2 before 10: replies come in an order that differs from run to run."""
    return dict(sorted(found.items(), key=lambda one: (len(one[0]), one[0])))


def _setting(strategy: Any, key: str, otherwise: Any) -> Any:
    """A strategy's attribute; of one that wraps another as `strategy`, that of the innermost."""
    while not hasattr(strategy, key) and hasattr(strategy, "strategy"):
        strategy = strategy.strategy
    return getattr(strategy, key, otherwise)


def _continued(context: Any, folder: Path, says: Mapping[str, object]) -> tuple[TraceWriter, list[str]]:
    """The writer of a client's trace, and which of its arrays hold whole numbers.

    The client's own state remembers both, since its rounds may run in different processes.
    """
    app = extra("flwr.app", "flower", "A trace of a Flower client")
    writer = TraceWriter(folder, says, goes_on=STATE in context.state)
    (folder / FINAL).unlink(missing_ok=True)  # what it was sent to evaluate before is no longer the last
    return writer, context.state.setdefault(STATE, app.ConfigRecord({"whole": []}))["whole"]


def _said(content: Any, key: str) -> Any:
    found = [record[key] for record in content.metric_records.values() if key in record]
    return found[0] if found and not isinstance(found[0], list) else None


def _weights(content: Any, key: str | None, what: str) -> dict[str, Tensor]:
    records = dict(content.array_records)
    if key not in records and len(records) != 1:
        raise InputError(
            f"{what.capitalize()} must hold one record of arrays, or say which are the weights, "
            f"found {', '.join(records) or 'none'}. Name it: arrays=..."
        )
    return _tensors(records[key] if key in records else next(iter(records.values())))


def _tensors(record: Any) -> dict[str, Tensor]:
    return {name: torch.from_numpy(value.numpy()) for name, value in record.items()}


def _cast(weights: Weights, kinds: Mapping[str, torch.dtype]) -> dict[str, Tensor]:
    """As a module takes them: Flower makes fractions of averaged counters, such as those of batch normalisation."""
    return {name: value.to(kinds.get(name, value.dtype)) for name, value in weights.items()}


def _same(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in one.items())


def _change(before: Weights, got: Weights, client: str, changes: bool) -> dict[str, Tensor]:
    """What a client changed; what it did not send, it did not change."""
    for name, value in got.items():
        if name not in before or value.shape != before[name].shape:
            was = tuple(before[name].shape) if name in before else "nothing"
            raise InputError(
                f"A reply must hold arrays of the names and shapes that were sent, found `{name}` of shape "
                f"{tuple(value.shape)} from client {client}, sent was {was}. Such a training cannot be traced."
            )
    if changes:
        return {name: got.get(name, torch.zeros_like(was)) for name, was in before.items()}
    return {name: _minus(got.get(name, was), was) for name, was in before.items()}


def _minus(now: Tensor, was: Tensor) -> Tensor:
    return now.int() - was.int() if now.dtype == was.dtype == torch.bool else now - was
