"""A Flower training on digits, audited as its server could; the three lines that this adds are marked.

pip install "ml-privacy-meter[flower]"
python examples/flower_audit.py             # clients are called in this process
python examples/flower_audit.py simulation  # Flower's own simulation, with ray
"""

import os

os.environ |= {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0"}  # else both tell their makers

import sys
from dataclasses import replace

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from sklearn.datasets import load_digits

import ml_privacy_meter as pm  # the first

CLIENTS, EACH, ROUNDS, TO = 4, 150, 10, os.path.abspath("flower-trace")
x, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(x))
x, y = torch.from_numpy((x[order] / 16).astype(np.float32)), torch.from_numpy(y[order])


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))


client_app, server_app = ClientApp(), ServerApp()


@client_app.train()
def train(message: Message, context: Context) -> Message:
    config, number = message.content["config"], int(context.node_config["partition-id"])
    model, draws = network(), torch.Generator().manual_seed(1_000 * number + config["server-round"])
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"])
    for _ in range(5):
        for rows in (number * EACH + torch.randperm(EACH, generator=draws)).split(10):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    said = MetricRecord({"num-examples": EACH, "partition-id": number})
    return Message(RecordDict({"arrays": ArrayRecord(model.state_dict()), "metrics": said}), reply_to=message)


@server_app.main()
def serve(grid: Grid, context: Context) -> None:
    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=CLIENTS)
    strategy = pm.federated.flower.traced(strategy, to=TO, says={"local_steps": 75})  # the second
    start, told = ArrayRecord(network().state_dict()), ConfigRecord({"lr": 0.1})
    strategy.start(grid, start, num_rounds=ROUNDS, train_config=told)


def main(how: str = "here") -> None:
    if how == "simulation":
        run_simulation(server_app, client_app, num_supernodes=CLIENTS)
    else:
        pm.federated.flower.simulate(server_app, client_app, clients=CLIENTS)
    trace, model, count = pm.traces.Trace.open(TO), network(), CLIENTS * EACH
    model.load_state_dict(trace.final())
    of = {"client": np.repeat(np.arange(CLIENTS), EACH).astype(str)}  # whose training set is asked about
    members = replace(pm.as_records((x[:count], y[:count])), groups=of)
    report = pm.audit(model, members, (x[count : 2 * count], y[count : 2 * count]), trace=trace)  # the third
    for attack in ("threshold", "update_dot"):
        print(f"{attack}: {report.risks[attack]['AUC']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
