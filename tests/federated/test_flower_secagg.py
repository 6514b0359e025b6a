"""Behind Flower's secure aggregation the server sees what `Trace.aggregated` shows of a training: averages alone."""

import warnings
from typing import Any

import flower_apps
import numpy as np
import pytest
from flower_apps import client_app, server_app

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from flwr.client import ClientApp, NumPyClient
    from flwr.client.mod import secaggplus_mod
    from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays
    from flwr.server import LegacyContext, ServerApp, ServerConfig
    from flwr.server import strategy as legacy
    from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow
from flwr.serverapp.strategy import FedAvg

from ml_privacy_meter.federated.flower import simulate, traced
from ml_privacy_meter.traces import EVERYONE, Trace

CLIENTS, ROUNDS = 4, 2
START = {"w": flower_apps.START["0.weight"]}


class Client(NumPyClient):
    """What `flower_apps.honest` is in the older interface, the only one with secure aggregation."""

    def __init__(self, number: int) -> None:
        self.number = number

    def fit(self, parameters: Any, config: Any) -> Any:
        return [value + self.number + 1 for value in parameters], 10 * (self.number + 1), {}


class Looking(legacy.FedAvg):
    """A server that looks at what it is given of each client."""

    def aggregate_fit(self, server_round, results, failures):
        self.seen = [*getattr(self, "seen", []), [parameters_to_ndarrays(fit.parameters)[0] for _, fit in results]]
        return super().aggregate_fit(server_round, results, failures)


def looked(workflow: Any, mods: list[Any]) -> list[list[np.ndarray]]:
    """What the server was given of each client, round by round."""
    app = ServerApp()
    strategy = Looking(
        initial_parameters=ndarrays_to_parameters([START["w"].numpy()]),
        fraction_evaluate=0.0,
        fit_metrics_aggregation_fn=lambda found: {},
    )

    @app.main()
    def main(grid: Any, context: Any) -> None:
        config = ServerConfig(num_rounds=ROUNDS)
        DefaultWorkflow(fit_workflow=workflow)(grid, LegacyContext(context, config, strategy))

    own = ClientApp(lambda context: Client(context.node_config["partition-id"]).to_client(), mods=mods)
    simulate(app, own, clients=CLIENTS)
    return strategy.seen


def test_behind_secure_aggregation_the_server_is_given_the_average_alone(tmp_path):
    server, _ = server_app(traced(FedAvg(), to=tmp_path / "t"), ROUNDS, START)
    simulate(server, client_app(), clients=CLIENTS)
    trace = Trace.open(tmp_path / "t")
    apart = [one.update("0")["w"] for one in trace.rounds]
    hidden = trace.aggregated()
    seen = looked(SecAggPlusWorkflow(num_shares=3, reconstruction_threshold=2), [secaggplus_mod])
    for one, given, alone in zip(hidden.rounds, seen, apart, strict=True):
        average = (one.before()["w"] + one.update(EVERYONE)["w"]).numpy()
        assert len(given) == CLIENTS
        assert all(np.array_equal(given[0], other) for other in given)
        assert given[0] == pytest.approx(average, abs=1e-3)  # rounded to whole numbers on the way
        assert abs(given[0] - (one.before()["w"] + alone).numpy()).min() > 0.5


def test_without_it_the_server_is_given_what_each_client_sent():
    (given, *_) = looked(None, [])
    assert sorted(float(value[0, 0]) for value in given) == [1, 2, 3, 4]
