"""Flower in this process: no ray, no network and no waiting, for tests and small trainings."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter._numbers import whole

RUN, SERVER = 1, 1  # as Flower numbers them
FIRST = 2  # the number of the first client's node


def simulate(
    server_app: Any, client_app: Any, *, clients: int, run_config: Mapping[str, bool | float | int | str] | None = None
) -> Any:
    """The server's context, after both Flower apps ran in this process, the clients one after the other.

    Nothing leaves the process. An error in a client ends the run and is shown as it is; Flower itself hides it in a
    reply.

    Args:
        server_app: a `flwr.serverapp.ServerApp`.
        client_app: a `flwr.clientapp.ClientApp`, called once for each message.
        clients: how many; they find "partition-id" and "num-partitions" in the settings of their node.
        run_config: the settings of the run, which both apps find in their context.

    Raises:
        InputError: Flower is not installed, or its inside is not as this needs it.
    """
    whole(1, clients=clients)
    app = extra("flwr.app", "flower", "Flower in this process")
    _identify()

    def context(node: int, **config: int) -> Any:
        return app.Context(RUN, node, config, app.RecordDict(), dict(run_config or {}))

    nodes = {
        FIRST + number: context(FIRST + number, **{"partition-id": number, "num-partitions": clients})
        for number in range(clients)
    }
    server = context(SERVER)
    server_app(_Here(client_app, nodes, app.Message), server)
    return server


def _identify() -> None:
    """Tells Flower whose messages are made in this process, without which it makes none."""
    try:
        from flwr.supercore.run import Run  # noqa: F401
        from flwr.supercore.task_identity import TaskIdentity
    except ImportError as problem:
        raise InputError(
            f"Flower in this process needs parts of Flower that are its own affair, found none: {problem}. "
            "Install the version that they are known of: pip install 'ml-privacy-meter[flower]'"
        ) from problem
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, RUN, SERVER


class _Here:
    """What Flower calls a grid: here, clients that are called where they stand."""

    def __init__(self, client_app: Any, nodes: Mapping[int, Any], message: Any) -> None:
        self.client_app, self.nodes, self.message = client_app, nodes, message
        self.waiting: dict[str, Any] = {}
        self.pushed = 0

    @property
    def run(self) -> Any:
        from flwr.supercore.run import Run

        return Run.create_empty(RUN)

    def set_run(self, run: Any) -> None:
        """Nothing to do: there is one run."""

    def create_message(
        self, content: Any, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Any:
        return self.message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        return list(self.nodes)

    def get_nodes(self) -> list[Any]:
        from flwr.proto.node_pb2 import NodeInfo

        return [NodeInfo(node_id=node) for node in self.nodes]

    def push_messages(self, messages: Iterable[Any]) -> list[str]:
        numbers = []
        for message in messages:
            self.pushed += 1
            numbers.append(str(self.pushed))
            message.metadata.__dict__["_message_id"] = numbers[-1]  # as Flower's own grid does it
            # a copy: what a client does to its message must not reach the server, nor other clients
            reply = self.client_app(copy.deepcopy(message), self.nodes[message.metadata.dst_node_id])
            self.waiting[numbers[-1]] = reply
        return numbers

    def pull_messages(self, message_ids: Iterable[str]) -> list[Any]:
        return [self.waiting.pop(number) for number in list(message_ids) if number in self.waiting]

    def send_and_receive(self, messages: Iterable[Any], *, timeout: float | None = None) -> list[Any]:
        return self.pull_messages(self.push_messages(messages))
