"""Flower in one process calls clients as Flower would, and nothing leaves it."""

import socket
import sys
from typing import Any

import pytest
from flower_apps import START, client_app, honest, raised, server_app
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

from ml_privacy_meter import InputError
from ml_privacy_meter.federated.flower import simulate

W = "0.weight"


def test_nothing_leaves_the_process(monkeypatch):
    def connect(*given: Any) -> None:
        raise AssertionError(f"connected to {given}")

    monkeypatch.setattr(socket.socket, "connect", connect)
    app, results = server_app(FedAvg())
    simulate(app, client_app(), clients=2)
    assert results[0].arrays.to_torch_state_dict()[W][0, 0] == pytest.approx(2 * (10 * 1 + 20 * 2) / 30)


def test_a_client_keeps_its_state_and_knows_its_number_and_the_settings_of_the_run():
    seen = []

    def train(message: Any, context: Any) -> Any:
        rounds = context.state.setdefault("mine", MetricRecord({"rounds": 0}))
        rounds["rounds"] += 1
        seen.append((context.node_config["partition-id"], rounds["rounds"], context.run_config["epochs"]))
        return honest(message, context)

    app, _ = server_app(FedAvg())
    context = simulate(app, client_app(train), clients=2, run_config={"epochs": 4})
    assert sorted(seen) == [(0, 1, 4), (0, 2, 4), (1, 1, 4), (1, 2, 4)]
    assert context.run_config == {"epochs": 4}


def test_what_a_client_does_to_its_message_stays_with_it():
    def train(message: Any, context: Any) -> Any:
        assert message.content["arrays"].to_torch_state_dict()[W].equal(START[W])
        message.content["arrays"] = ArrayRecord(raised(START, 9))
        message.content["config"]["server-round"] = 9
        return Message(RecordDict({"arrays": ArrayRecord(START), "metrics": MetricRecord({"num-examples": 1})}),
                       reply_to=message)  # fmt: skip

    app, _ = server_app(FedAvg(), rounds=1)
    simulate(app, client_app(train), clients=3)


def test_an_error_of_a_client_is_shown_as_it_is():
    def train(message: Any, context: Any) -> Any:
        raise ZeroDivisionError("its own")

    app, _ = server_app(FedAvg())
    with pytest.raises(ZeroDivisionError, match="its own"):
        simulate(app, client_app(train), clients=2)


def test_messages_may_be_pushed_and_pulled():
    app, told = ServerApp(), []

    @app.main()
    def main(grid: Any, context: Any) -> None:
        content = RecordDict({"arrays": ArrayRecord(START)})
        numbers = grid.push_messages(
            [grid.create_message(content, "train", node.node_id, "1") for node in grid.get_nodes()]
        )
        replies = grid.pull_messages(numbers)
        assert [reply.metadata.reply_to_message_id for reply in replies] == numbers
        assert [reply.metadata.src_node_id for reply in replies] == list(grid.get_node_ids())
        assert grid.pull_messages(numbers) == []
        told.append(grid.run.run_id)

    simulate(app, client_app(), clients=2)
    assert told == [1]


def test_another_inside_of_flower_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "flwr.supercore.task_identity", None)
    with pytest.raises(InputError, match=r"pip install 'ml-privacy-meter\[flower\]'"):
        simulate(server_app(FedAvg())[0], client_app(), clients=2)


def test_there_must_be_clients():
    with pytest.raises(InputError, match="clients"):
        simulate(server_app(FedAvg())[0], client_app(), clients=0)
