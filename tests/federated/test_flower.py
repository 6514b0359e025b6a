"""A trace of a Flower training holds what passed between server and clients, whatever the strategy."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import flower_apps
import pytest
import torch
from flower_apps import START, answer, client_app, honest, raised, server_app
from flwr.app import ArrayRecord, Error, Message, RecordDict
from flwr.serverapp.strategy import DifferentialPrivacyServerSideFixedClipping, FedAvg, FedProx

from ml_privacy_meter import InputError
from ml_privacy_meter.federated.flower import simulate, traced, watching
from ml_privacy_meter.traces import EVERYONE, Trace

W = "0.weight"


def run(strategy: Any, clients: int = 3, *, app: Any = None, rounds: int = 2, **of_server: Any) -> Any:
    server, results = server_app(strategy, rounds, **of_server)
    simulate(server, app or client_app(), clients=clients)
    return results[0]


def first(weights: Any, name: str = W) -> float:
    return float(weights[name].flatten()[0])


def test_what_went_out_and_what_came_back_is_kept(tmp_path):
    result = run(traced(FedAvg(), to=tmp_path / "t", says={"local_steps": 3}))
    trace = Trace.open(tmp_path / "t")
    assert trace.says == {"lr": 0.1, "made by": "Flower, FedAvg", "local_steps": 3}
    assert trace.clients == ("0", "1", "2")
    assert trace.rounds[0].shares == pytest.approx({"0": 1 / 6, "1": 2 / 6, "2": 3 / 6})
    mean = (1 * 10 + 2 * 20 + 3 * 30) / 60
    for number, one in enumerate(trace.rounds):
        assert one.before().keys() == START.keys()
        assert first(one.before()) == pytest.approx(number * mean)
        for client in range(3):
            assert one.update(str(client))[W] == pytest.approx(torch.full((2, 3), client + 1.0))
            assert one.update(str(client))["0.steps"].equal(torch.tensor(client + 1))
        assert first(trace.aggregated().rounds[number].update(EVERYONE)) == pytest.approx(mean)
    assert trace.final()[W].equal(result.arrays.to_torch_state_dict()[W])


def test_counters_stay_whole_as_a_module_takes_them(tmp_path):
    app = client_app(mods=[watching(to=tmp_path / "seen")])
    result = run(traced(FedAvg(), to=tmp_path / "t"), app=app, rounds=2)
    averaged = first(result.arrays.to_torch_state_dict(), "0.steps")
    assert averaged % 1 > 0.1
    for folder in ("t", "seen/0"):
        trace = Trace.open(tmp_path / folder)
        counters = [*(one.before()["0.steps"] for one in trace.rounds), trace.final()["0.steps"]]
        assert [counter.tolist() for counter in counters] == [5, 7, int(averaged)]
        assert {counter.dtype for counter in counters} == {torch.int64}


def test_clients_stand_in_the_order_of_their_names(tmp_path):
    run(traced(FedAvg(), to=tmp_path / "t"), clients=11, rounds=1)
    assert Trace.open(tmp_path / "t").clients == tuple(map(str, range(11)))


class Doubling(FedAvg):
    """Somebody's own strategy: it keeps a state, and makes more of what comes back."""

    seen = 0

    def aggregate_train(self, server_round, replies):
        replies = list(replies)
        self.seen += len(replies)
        arrays, metrics = super().aggregate_train(server_round, replies)
        return ArrayRecord({k: v * 2 for k, v in arrays.to_torch_state_dict().items()}), metrics


@pytest.mark.parametrize("kind", [FedAvg, FedProx, Doubling])
def test_a_strategy_trains_as_it_does_without_a_trace(tmp_path, kind):
    settings = {"proximal_mu": 0.1} if kind is FedProx else {}
    plain, watched = kind(**settings), traced(kind(**settings), to=tmp_path / "t")
    assert type(watched) is kind
    one, other = run(plain), run(watched)
    assert first(one.arrays.to_torch_state_dict()) == pytest.approx(first(other.arrays.to_torch_state_dict()))
    assert getattr(plain, "seen", None) == getattr(watched, "seen", None)
    assert first(Trace.open(tmp_path / "t").final()) == pytest.approx(first(one.arrays.to_torch_state_dict()))


def test_around_a_wrapper_the_server_sees_what_came_and_not_what_it_made_of_it(tmp_path):
    inner = FedAvg(weighted_by_key="records", arrayrecord_key="weights", fraction_evaluate=0.0)
    outer = DifferentialPrivacyServerSideFixedClipping(
        inner, noise_multiplier=0.0, clipping_norm=0.5, num_sampled_clients=2
    )

    def train(message: Any, context: Any) -> Any:
        client = context.node_config["partition-id"]
        weights = raised(message.content["weights"].to_torch_state_dict(), client + 1)
        content = answer(message, weights, **{"records": client + 1, "partition-id": client}).content
        return Message(RecordDict({"weights": content["arrays"], "metrics": content["metrics"]}), reply_to=message)

    start = {W: START[W]}
    run(traced(outer, to=tmp_path / "t"), clients=2, rounds=1, app=client_app(train), start=start)
    trace = Trace.open(tmp_path / "t")
    assert first(trace.rounds[0].update("1")) == 2.0
    assert trace.rounds[0].shares["1"] == pytest.approx(2 / 3)
    assert 0 < first(trace.final()) <= 0.5


class Picking(FedAvg):
    """An active server: one client gets other weights than the rest."""

    def configure_train(self, server_round, arrays, config, grid):
        for message in super().configure_train(server_round, arrays, config, grid):
            own = raised(arrays.to_torch_state_dict(), 100 if message.metadata.dst_node_id == 3 else 0)
            content = RecordDict({"arrays": ArrayRecord(own), "config": config})
            yield Message(content, message.metadata.dst_node_id, "train")


def test_what_a_client_alone_was_sent_is_kept(tmp_path):
    run(traced(Picking(), to=tmp_path / "t"), rounds=1)
    (one,) = Trace.open(tmp_path / "t").rounds
    assert one.apart == {"1"}  # node 3 is the second client
    assert [first(one.sent(client)) for client in one.clients] == [0.0, 100.0, 0.0]
    assert [first(one.update(client)) for client in one.clients] == [1.0, 2.0, 3.0]


def test_errors_and_rounds_without_answer_are_left_out(tmp_path):
    asked = []

    def train(message: Any, context: Any) -> Any:
        asked.append(number := message.content["config"]["server-round"])
        if number == 1 or context.node_config["partition-id"] == 0:
            return Message(Error(code=1, reason="ill"), reply_to=message)
        return honest(message, context)

    run(traced(FedAvg(), to=tmp_path / "t"), app=client_app(train))
    trace = Trace.open(tmp_path / "t")
    assert len(asked) == 6
    assert [one.clients for one in trace.rounds] == [("1", "2")]
    assert trace.rounds[0].shares == pytest.approx({"1": 0.4, "2": 0.6})


def nameless(message: Any, context: Any) -> Any:
    return answer(message, raised(message.content["arrays"].to_torch_state_dict(), 1), **{"num-examples": 1})


def test_clients_without_a_name_go_by_their_node(tmp_path):
    run(traced(FedAvg(), to=tmp_path / "t"), app=client_app(nameless))
    assert Trace.open(tmp_path / "t").clients == ("2", "3", "4")


def test_a_number_that_comes_as_a_fraction_is_the_same_name(tmp_path):
    def train(message: Any, context: Any) -> Any:
        said = {"num-examples": 1.5, "partition-id": float(context.node_config["partition-id"])}
        return answer(message, START, **said)

    run(traced(FedAvg(), to=tmp_path / "t"), rounds=1, app=client_app(train))
    assert Trace.open(tmp_path / "t").clients == ("0", "1", "2")


def test_two_clients_of_one_name_are_refused(tmp_path):
    same = client_app(lambda message, context: answer(message, START, **{"num-examples": 1, "partition-id": 7}))
    with pytest.raises(InputError, match="different names, found two who say partition-id 7"):
        run(traced(FedAvg(), to=tmp_path / "t"), app=same)
    run(traced(FedAvg(), to=tmp_path / "nodes", name=""), app=same)
    assert len(Trace.open(tmp_path / "nodes").clients) == 3


class Plain(FedAvg):
    """All clients count alike."""

    def __init__(self) -> None:
        super().__init__(fraction_evaluate=0.0)
        del self.weighted_by_key

    def summary(self) -> None:  # would tell by what clients are weighted
        pass

    def aggregate_train(self, server_round, replies):
        return next(iter(replies)).content["arrays"], None


def test_without_counts_all_count_alike(tmp_path):
    bare = client_app(lambda message, context: answer(message, START, partition=context.node_config["partition-id"]))
    run(traced(Plain(), to=tmp_path / "t", name="partition"), rounds=1, app=bare)
    assert Trace.open(tmp_path / "t").rounds[0].shares == pytest.approx({"0": 1 / 3, "1": 1 / 3, "2": 1 / 3})


def test_clients_may_send_what_they_changed(tmp_path):
    change = {W: torch.full((2, 3), 0.25)}
    app = client_app(lambda message, context: answer(message, change, **{"num-examples": 1}))
    run(traced(FedAvg(), to=tmp_path / "t", changes=True), rounds=1, app=app)
    update = Trace.open(tmp_path / "t").rounds[0].update("2")
    assert first(update) == 0.25
    assert first(update, "0.steps") == 0.0


def test_of_arrays_that_did_not_come_back_nothing_changed(tmp_path):
    start = {W: torch.ones(2, 3), "mask": torch.tensor([True, False])}

    def train(message: Any, context: Any) -> Any:
        client = context.node_config["partition-id"]
        return answer(message, {"mask": torch.tensor([False, True])} | ({W: start[W] * 3} if client else {}), n=1)

    run(traced(Plain(), to=tmp_path / "t"), clients=2, rounds=1, app=client_app(train), start=start)
    (one,) = Trace.open(tmp_path / "t").rounds
    assert [first(one.update(client)) for client in one.clients] == [0.0, 2.0]
    assert one.update("2")["mask"].tolist() == [-1, 1]


@pytest.mark.parametrize("weights", [{W: torch.zeros(3, 3)}, {"1.weight": torch.zeros(2, 3)}])
def test_weights_of_another_model_are_refused(tmp_path, weights):
    app = client_app(lambda message, context: answer(message, weights, **{"num-examples": 1}))
    with pytest.raises(InputError, match=r"from client [234], sent was (\(2, 3\)|nothing)\. Such"):
        run(traced(FedAvg(), to=tmp_path / "t"), app=app)


def test_of_two_records_of_arrays_one_is_named(tmp_path):
    def train(message: Any, context: Any) -> Any:
        reply = honest(message, context)
        control = ArrayRecord({"c": torch.zeros(1)})
        return Message(RecordDict({**reply.content, "control": control}), reply_to=message)

    strategy = traced(Plain(), to=tmp_path / "t")
    run(strategy, rounds=1, app=client_app(train))  # the strategy knows the name
    assert first(Trace.open(tmp_path / "t").rounds[0].update("0")) == 1.0
    with pytest.raises(InputError, match=r"must hold one record of arrays.*found arrays, control"):
        run(traced(Plain(), to=tmp_path / "u", arrays="weights"), rounds=1, app=client_app(train))


def test_nothing_is_written_over_and_nothing_traced_twice(tmp_path):
    strategy = traced(FedAvg(), to=tmp_path / "t")
    run(strategy, rounds=1)
    with pytest.raises(InputError, match="trains once"):
        run(strategy, rounds=1)
    with pytest.raises(InputError, match="traced already"):
        traced(strategy, to=tmp_path / "u")
    with pytest.raises(InputError, match="empty folder"):
        run(traced(FedAvg(), to=tmp_path / "t"))


def test_a_participant_keeps_what_it_was_sent_and_what_it_sent(tmp_path):
    app = client_app(mods=[watching(to=tmp_path / "seen", says={"lr": 0.1})])
    run(traced(FedAvg(), to=tmp_path / "t"), app=app, rounds=3)
    server = Trace.open(tmp_path / "t")
    assert {folder.name for folder in (tmp_path / "seen").iterdir()} == {"0", "1", "2"}
    for client in server.clients:
        own, there = Trace.open(tmp_path / "seen" / client), server.by_participant(client)
        assert own.clients == (client,)
        assert own.says["lr"] == 0.1
        assert own.viewer == there.viewer
        assert len(own) == len(there) == 3
        for mine, its in zip(own.rounds, there.rounds, strict=True):
            assert mine.only == its.only == {client}
            assert mine.before()[W].equal(its.before()[W])
            assert mine.update(client)[W].equal(its.update(client)[W])
        assert own.final()[W].equal(server.final()[W])  # it was sent to be evaluated


def test_a_participant_who_is_not_asked_to_evaluate_does_not_know_the_last_model(tmp_path):
    class LastUnseen(FedAvg):
        def configure_evaluate(self, server_round, arrays, config, grid):
            return super().configure_evaluate(server_round, arrays, config, grid) if server_round == 1 else []

    run(LastUnseen(), app=client_app(mods=[watching(to=tmp_path)]))
    with pytest.raises(InputError, match="did not end"):
        Trace.open(tmp_path / "0").final()


def test_a_client_that_evaluates_before_it_trains_has_a_trace_from_its_first_training(tmp_path):
    class LateComer(FedAvg):
        def configure_train(self, server_round, arrays, config, grid):
            messages = super().configure_train(server_round, arrays, config, grid)
            return [one for one in messages if server_round > 1 or one.metadata.dst_node_id != 2]

    run(LateComer(), app=client_app(mods=[watching(to=tmp_path)]))
    assert [len(Trace.open(tmp_path / client)) for client in "012"] == [1, 2, 2]


def test_a_participants_trace_is_not_continued_by_another_training(tmp_path):
    app = client_app(mods=[watching(to=tmp_path)])
    run(FedAvg(), app=app, rounds=1)
    with pytest.raises(InputError, match="empty folder"):
        run(FedAvg(), app=app, rounds=1)


def doubling(message: Any, context: Any, call_next: Any) -> Any:
    reply = call_next(message, context)
    weights = reply.content["arrays"].to_torch_state_dict()
    reply.content["arrays"] = ArrayRecord({name: value * 2 for name, value in weights.items()})
    return reply


@pytest.mark.parametrize(("first_is_ours", "seen"), [(True, 2.0), (False, 1.0)])
def test_the_first_of_the_mods_sees_what_leaves_the_client(tmp_path, first_is_ours, seen):
    mods = [watching(to=tmp_path), doubling]
    run(FedAvg(fraction_evaluate=0.0), app=client_app(mods=mods[:: 1 if first_is_ours else -1]), rounds=1)
    assert first(Trace.open(tmp_path / "0").rounds[0].update("0")) == seen


SIMULATION = """
import sys, flower_apps
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from ml_privacy_meter.federated.flower import traced, watching
server, _ = flower_apps.server_app(traced(FedAvg(min_train_nodes=3), to=sys.argv[1] + "/t"))
client = flower_apps.client_app(mods=[watching(to=sys.argv[1] + "/seen")])
run_simulation(server, client, num_supernodes=3, backend_config={"client_resources": {"num_cpus": 1}})
"""


def test_a_simulation_of_flower_gives_the_trace_that_one_process_gives(tmp_path):
    pytest.importorskip("ray", reason="needs pip install 'ml-privacy-meter[flower]'")
    paths = [str(Path(flower_apps.__file__).parent), *filter(None, sys.path)]
    quiet = {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", SIMULATION, str(tmp_path)], env=os.environ | quiet, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    run(traced(FedAvg(), to=tmp_path / "here"))
    here, there = Trace.open(tmp_path / "here"), Trace.open(tmp_path / "t")
    assert there.clients == here.clients
    for one, other in zip(here.rounds, there.rounds, strict=True):
        assert one.shares == pytest.approx(other.shares)
        for client in here.clients:
            assert one.update(client)[W] == pytest.approx(other.update(client)[W])
    assert first(here.final()) == pytest.approx(first(there.final()))
    for client in here.clients:  # its rounds ran in whichever process was free
        seen = Trace.open(tmp_path / "seen" / client)
        assert [first(one.before()) for one in seen.rounds] == [first(one.before()) for one in there.rounds]
