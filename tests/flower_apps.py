"""Small Flower apps whose clients change weights by rule, so that a test knows what a trace must hold."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the typer that Flower holds back is warned about by click
    pytest.importorskip("flwr", reason="needs pip install 'ml-privacy-meter[flower]'")
    from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
    from flwr.clientapp import ClientApp
    from flwr.serverapp import ServerApp

START = {"0.weight": torch.zeros(2, 3), "0.steps": torch.tensor(5)}
KINDS = {"0.steps": torch.int64}  # as a module would hold them
Answer = Callable[[Any, Any], Any]


def raised(weights: dict[str, torch.Tensor], by: int) -> dict[str, torch.Tensor]:
    return {name: value + by for name, value in weights.items()}


def answer(message: Any, weights: dict[str, torch.Tensor], **metrics: float) -> Any:
    return Message(RecordDict({"arrays": ArrayRecord(weights), "metrics": MetricRecord(metrics)}), reply_to=message)


def honest(message: Any, context: Any) -> Any:
    """Client k raises each weight by k + 1, and says that it has 10 (k + 1) records."""
    client = context.node_config["partition-id"]
    sent = message.content["arrays"].to_torch_state_dict()
    weights = {name: value.to(KINDS.get(name, value.dtype)) for name, value in sent.items()}
    counts = {"num-examples": 10 * (client + 1), "partition-id": client}
    return answer(message, raised(weights, client + 1), **counts)


def client_app(train: Answer = honest, **settings: Any) -> Any:
    app = ClientApp(**settings)
    app.train()(train)

    @app.evaluate()
    def evaluate(message: Any, context: Any) -> Any:
        return Message(RecordDict({"metrics": MetricRecord({"num-examples": 1})}), reply_to=message)

    return app


def server_app(strategy: Any, rounds: int = 2, start: dict[str, torch.Tensor] = START) -> tuple[Any, list[Any]]:
    """The app, and where its result will stand."""
    app, results = ServerApp(), []

    @app.main()
    def main(grid: Any, context: Any) -> None:
        told = ConfigRecord({"lr": 0.1, "secret": b"key"})
        results.append(strategy.start(grid, ArrayRecord(start), num_rounds=rounds, train_config=told))

    return app, results
