"""The loop trains as its formulas say, tells nothing to who should not see it, and goes on where it was killed."""

import copy
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from federated_clients import clients, close, files, linear, normalised, same
from torch import nn

import ml_privacy_meter as pm
from ml_privacy_meter import InputError, Recipe, defenses
from ml_privacy_meter.federated import FEDAVG, federate, fedsgd, noisy_updates, pruned_updates
from ml_privacy_meter.traces import EVERYONE, Trace


def descended(model: nn.Module, x: torch.Tensor, y: torch.Tensor, *, lr: float, steps: int) -> dict[str, torch.Tensor]:
    """The weights after plain gradient descent."""
    model = copy.deepcopy(model).train()
    for _ in range(steps):
        found = torch.autograd.grad(F.cross_entropy(model(x), y), [*model.parameters()])
        with torch.no_grad():
            for weight, gradient in zip(model.parameters(), found, strict=True):
                weight -= lr * gradient
    return model.state_dict()


def test_fedsgd_with_one_client_is_gradient_descent(tmp_path):
    given = clients(11)
    trace = federate(linear(), given, to=tmp_path / "t", rounds=5, recipe=fedsgd(lr=0.3))
    assert close(trace.final(), descended(linear(), *given["a"], lr=0.3, steps=5))
    assert trace.says["local_steps"] == 1


def test_fedsgd_with_several_clients_is_gradient_descent_on_all_their_records(tmp_path):
    given = clients(4, 9, 2)
    x, y = (torch.cat([pair[part] for pair in given.values()]) for part in (0, 1))
    trace = federate(linear(), given, to=tmp_path / "t", rounds=4, recipe=fedsgd(lr=0.3))
    assert close(trace.final(), descended(linear(), x, y, lr=0.3, steps=4))


def test_fedavg_is_the_average_of_what_clients_reach_by_themselves(tmp_path):
    given = clients(4, 12)
    trace = federate(linear(), given, to=tmp_path / "t", rounds=1, recipe=fedsgd(lr=0.3), local_epochs=3)
    own = {name: descended(linear(), *pair, lr=0.3, steps=3) for name, pair in given.items()}
    average = {n: own["a"][n] * 0.25 + own["b"][n] * 0.75 for n in own["a"]}
    assert close(trace.final(), average)
    seen = trace.rounds[0]
    assert seen.shares == {"a": 0.25, "b": 0.75}
    for name, weights in own.items():
        assert close({n: seen.before()[n] + u for n, u in seen.update(name).items()}, weights)


def test_batches_are_as_small_as_the_recipe_says(tmp_path):
    trace = federate(linear(), clients(20, 9), to=tmp_path / "t", rounds=1, recipe=replace(FEDAVG, batch_size=4))
    assert trace.says["local_steps"] == 5
    whole = federate(linear(), clients(20, 9), to=tmp_path / "u", rounds=1, recipe=fedsgd(lr=FEDAVG.lr))
    assert not close(trace.final(), whole.final(), atol=1e-3)


def test_buffers_of_batch_normalisation_are_averaged(tmp_path):
    given = clients(30, 10)
    trace = federate(normalised(), given, to=tmp_path / "t", rounds=1, recipe=fedsgd())
    mean = {}
    for name, (x, _) in given.items():
        alone = normalised().train()
        alone(x)
        mean[name] = alone[1].running_mean
    assert torch.allclose(trace.final()["1.running_mean"], mean["a"] * 0.75 + mean["b"] * 0.25, atol=1e-6)
    assert int(trace.final()["1.num_batches_tracked"]) == 1
    normalised().load_state_dict(trace.final())


def test_the_users_model_is_not_touched(tmp_path):
    model = normalised().eval()
    before = copy.deepcopy(model.state_dict())
    federate(model, clients(30, 10), to=tmp_path / "t", rounds=2)
    assert same(dict(before), dict(model.state_dict()))
    assert not model.training
    assert all(weight.grad is None for weight in model.parameters())


def test_two_runs_give_the_same_trace_and_another_seed_another(tmp_path):
    def run(to: str, seed: int) -> dict[str, bytes]:
        settings = {"rounds": 3, "participation": 0.6, "recipe": replace(FEDAVG, batch_size=4)}
        return files(federate(linear(), clients(20, 9, 9, 5), to=tmp_path / to, seed=seed, **settings))

    one = run("t", 0)
    torch.rand(7)  # what others draw makes no difference
    assert run("u", 0) == one
    other = run("v", 1)
    assert all(other[name] != one[name] for name in one)  # all rounds, and not what is said of them alone


def test_what_a_client_draws_does_not_hang_on_who_else_takes_part(tmp_path):
    settings = {"rounds": 1, "recipe": replace(FEDAVG, batch_size=4)}
    given = clients(20, 9)
    both = federate(linear(), given, to=tmp_path / "t", **settings)
    alone = federate(linear(), {"b": given["b"]}, to=tmp_path / "u", **settings)
    assert close(both.rounds[0].update("b"), alone.rounds[0].update("b"), atol=1e-6)


@pytest.mark.parametrize("killed_in", [1, 3])
def test_a_killed_training_goes_on_and_gives_the_same_trace(tmp_path, killed_in):
    given, settings = clients(20, 9, 9), {"rounds": 4, "remedies": [noisy_updates(deviation=0.1)], "participation": 0.8}

    def dies(number: int, name: str, weights: dict) -> None:
        if number == killed_in:
            raise KeyboardInterrupt

    settings["server"] = lambda number, name, weights: None
    whole = federate(normalised(), given, to=tmp_path / "whole", **settings)
    with pytest.raises(KeyboardInterrupt):
        federate(normalised(), given, to=tmp_path / "t", **settings | {"server": dies})
    assert len(list((tmp_path / "t").glob("round-*"))) == killed_in
    kept = (tmp_path / "t" / "round-00000.safetensors").stat().st_mtime_ns
    again = federate(normalised(), given, to=tmp_path / "t", **settings)
    assert files(again) == files(whole)
    assert (tmp_path / "t" / "round-00000.safetensors").stat().st_mtime_ns == kept


def test_a_finished_training_is_read_and_not_repeated(tmp_path):
    one = federate(linear(), clients(9, 9), to=tmp_path / "t", rounds=2)
    times = [file.stat().st_mtime_ns for file in sorted(one.folder.iterdir())]
    two = federate(linear(), clients(9, 9), to=tmp_path / "t", rounds=2)
    assert same(one.final(), two.final())
    assert [file.stat().st_mtime_ns for file in sorted(one.folder.iterdir())] == times


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"rounds": 3}, {"local_epochs": 2}, {"remedies": [pruned_updates(share=0.5)]}]
)
def test_another_training_is_not_mixed_with_the_one_that_is_there(tmp_path, other):
    federate(linear(), clients(9, 9), to=tmp_path / "t", rounds=2)
    with pytest.raises(InputError, match="another training"):
        federate(linear(), clients(9, 9), to=tmp_path / "t", **{"rounds": 2} | other)


def test_other_records_are_another_training(tmp_path):
    federate(linear(), clients(9, 9), to=tmp_path / "t", rounds=2)
    with pytest.raises(InputError, match="another training"):
        federate(linear(), clients(9, 9, seed=1), to=tmp_path / "t", rounds=2)


def _two_layers(kind: type[nn.Module] = nn.ReLU, **settings: float) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), kind(**settings), nn.Linear(4, 3))


def _frozen() -> nn.Module:
    model = _two_layers()
    model[0].requires_grad_(False)
    return model


class _Doubled(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_two_layers(), _two_layers(nn.Tanh)),
        (_two_layers(nn.Dropout, p=0.1), _two_layers(nn.Dropout, p=0.5)),
        (_two_layers(), _Doubled(*_two_layers())),
        (_two_layers(), _frozen()),
        (_two_layers(), nn.Sequential(OrderedDict(zip("abc", _two_layers(), strict=True)))),
    ],
)
def test_another_model_with_the_same_weights_is_another_training(tmp_path, one, other):
    federate(one, clients(9, 9), to=tmp_path / "t", rounds=2)
    with pytest.raises(InputError, match="another training"):
        federate(other, clients(9, 9), to=tmp_path / "t", rounds=2)
    federate(one, clients(9, 9), to=tmp_path / "t", rounds=2)


def test_a_model_that_cannot_be_compared_with_another_needs_an_empty_folder(tmp_path):
    model = linear()
    model[0].helper = object()  # whatever it does
    (tmp_path / "t").mkdir()
    federate(model, clients(9, 9), to=tmp_path / "t", rounds=1)
    with pytest.raises(InputError, match="Choose an empty folder"):
        federate(model, clients(9, 9), to=tmp_path / "t", rounds=1)


def test_the_trace_does_not_tell_the_seed(tmp_path):
    trace = federate(linear(), clients(9, 9), to=tmp_path / "t", rounds=1, seed=123456)
    assert "123456" not in str(trace.says)


def test_participation_is_the_chance_of_each_client_in_each_round(tmp_path):
    trace = federate(linear(), clients(*[2] * 8), to=tmp_path / "t", rounds=60, participation=0.3, recipe=fedsgd())
    taken = [len(one.clients) for one in trace.rounds]
    assert 0.2 < sum(taken) / (60 * 8) < 0.4
    assert len(set(taken)) > 2
    assert len(trace.clients) == 8


def test_a_round_without_anybody_changes_nothing(tmp_path):
    trace = federate(linear(), clients(5), to=tmp_path / "t", rounds=20, participation=0.2, recipe=fedsgd())
    place = next(i for i, one in enumerate(trace.rounds[:-1]) if not one.clients)
    assert same(trace.rounds[place].before(), trace.rounds[place + 1].before())
    assert trace.aggregated().rounds[place].clients == ()


def test_the_average_that_is_seen_is_what_changes_the_global_weights(tmp_path):
    trace = federate(normalised(), clients(20, 9, 9), to=tmp_path / "t", rounds=2)
    one, two = trace.aggregated().rounds
    change = one.update(EVERYONE)
    assert close({n: value + change[n] for n, value in one.before().items()}, two.before())


def test_an_active_server_reaches_only_the_client_that_it_names(tmp_path):
    given = clients(9, 9, 9)
    plain = federate(linear(), given, to=tmp_path / "t", rounds=1, recipe=fedsgd())

    def server(number: int, client: str, weights: dict) -> dict:
        return {name: value + (client == "b") for name, value in weights.items()}

    trace = federate(linear(), given, to=tmp_path / "u", rounds=1, recipe=fedsgd(), server=server)
    one, active = plain.rounds[0], trace.rounds[0]
    assert active.apart == {"b"}
    assert float((active.sent("b")["0.weight"] - active.before()["0.weight"]).mean()) == pytest.approx(1, abs=1e-6)
    for name in "ac":
        assert same(active.sent(name), one.before())
        assert close(active.update(name), one.update(name))
    moved = {n: value + 1 for n, value in linear().state_dict().items()}
    begun = linear()
    begun.load_state_dict(moved)
    after = descended(begun, *given["b"], lr=0.1, steps=1)
    assert close(active.update("b"), {n: after[n] - moved[n] for n in after})


def test_a_server_that_writes_into_what_it_is_shown_changes_no_global_weights(tmp_path):
    def server(number: int, client: str, weights: dict) -> None:
        for value in weights.values():
            value.zero_()

    trace = federate(linear(), clients(9, 9), to=tmp_path / "t", rounds=1, server=server)
    assert same(trace.rounds[0].before(), dict(linear().state_dict()))


def test_a_malicious_participant_sends_back_what_it_likes(tmp_path):
    seen = []

    def ascends(number: int, weights: dict) -> dict:
        seen.append((number, weights))
        return {name: value + 10 for name, value in weights.items()}

    given = clients(9, 9)
    trace = federate(
        linear(), given, to=tmp_path / "t", rounds=2, participants={"b": ascends}, remedies=[pruned_updates(share=0.9)]
    )
    for place, one in enumerate(trace.rounds):
        assert seen[place][0] == place
        assert same(seen[place][1], one.before())
        assert all(torch.allclose(value, torch.tensor(10.0)) for value in one.update("b").values())
        assert sum(int((value != 0).sum()) for value in one.update("a").values()) == 2  # of 18, by the honest alone
    assert trace.says["malicious"] == ["b"]


@pytest.mark.parametrize(
    ("back", "match"),
    [
        (lambda weights: {}, "names and shapes"),
        (lambda weights: {n: value * float("nan") for n, value in weights.items()}, "finite weights"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(tmp_path, back, match):
    with pytest.raises(InputError, match=match):
        federate(*(linear(), clients(9, 9)), to=tmp_path / "t", rounds=1, participants={"b": lambda number, w: back(w)})
    with pytest.raises(InputError, match=match):
        federate(linear(), clients(9, 9), to=tmp_path / "u", rounds=1, server=lambda number, name, w: back(w))


def test_a_schedule_runs_over_the_rounds(tmp_path):
    given = clients(11)
    trace = federate(linear(), given, to=tmp_path / "t", rounds=2, recipe=replace(fedsgd(lr=0.4), schedule="cosine"))
    one = descended(linear(), *given["a"], lr=0.4, steps=1)
    begun = linear()
    begun.load_state_dict(one)
    assert close(trace.rounds[1].before(), one)
    assert close(trace.final(), descended(begun, *given["a"], lr=0.2, steps=1))


def test_a_defense_trains_in_the_place_of_clients(tmp_path):
    given = clients(12, 12)
    plain = federate(linear(), given, to=tmp_path / "t", rounds=1, recipe=fedsgd())
    tight = federate(
        linear(), given, to=tmp_path / "u", rounds=1, recipe=fedsgd(), remedies=[defenses.l2(strength=1.0)]
    )
    assert not close(plain.final(), tight.final(), atol=1e-3)


def test_a_defense_that_trains_other_models_beside_a_client_is_refused(tmp_path):
    with pytest.raises(InputError, match="single model"):
        federate(
            linear(), clients(30, 30), to=tmp_path / "t", rounds=1, remedies=[defenses.selena(models=3, without=1)]
        )


def test_tied_weights_stay_tied(tmp_path):
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.last = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 3)
            self.second.weight = self.first.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.second(self.first(x)))

    noise = noisy_updates(deviation=1.0)
    trace = federate(Tied(), clients(9, 9), to=tmp_path / "t", rounds=1, remedies=[noise])
    assert torch.equal(trace.final()["first.weight"], trace.final()["second.weight"])


def test_records_may_come_in_any_form(tmp_path):
    (x, y), other = clients(9, 9).values()
    np.savez(tmp_path / "a.npz", x=x.numpy(), y=y.numpy())
    frame = pd.DataFrame(x.numpy(), columns=list("vwxyz")).assign(label=y.numpy())
    forms = {
        "tensors": (x, y),
        "file": tmp_path / "a.npz",
        "records": pm.as_records(frame, label="label"),
        "dataset": torch.utils.data.TensorDataset(x, y),
    }
    found = {
        form: federate(linear(), {"a": data}, to=tmp_path / form, rounds=1, recipe=fedsgd()).final()
        for form, data in forms.items()
    }
    assert all(close(found["tensors"], weights, atol=1e-7) for weights in found.values())
    both = federate(linear(), {"a": tmp_path / "a.npz", "b": other}, to=tmp_path / "both", rounds=1, recipe=fedsgd())
    same_again = federate(linear(), {"a": (x, y), "b": other}, to=tmp_path / "again", rounds=1, recipe=fedsgd())
    assert close(both.final(), same_again.final(), atol=1e-7)


def test_a_quantity_and_one_logit_of_two_classes_are_learned_too(tmp_path):
    x = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    for name, y in (("quantity", x[:, 0] * 3), ("two classes", (x[:, 0] > 0).long())):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 1))
        trace = federate(model, {"a": (x, y)}, to=tmp_path / name, rounds=60, recipe=fedsgd(lr=0.3))
        model.load_state_dict(trace.final())
        answer = model(x)[:, 0].detach()
        assert float(((answer - y) ** 2).mean()) < 0.1 if name == "quantity" else ((answer > 0) == y).all()


def test_a_client_may_hold_a_single_record(tmp_path):
    given = clients(1)
    trace = federate(linear(), given, to=tmp_path / "t", rounds=1, recipe=fedsgd(lr=0.3))
    assert close(trace.final(), descended(linear(), *given["a"], lr=0.3, steps=1))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"rounds": 0}, "`rounds`"),
        ({"local_epochs": 0}, "`local_epochs`"),
        ({"participation": 0.0}, "`participation`"),
        ({"participation": 1.5}, "`participation`"),
        ({"seed": -1}, "`seed`"),
        ({"clients": {}}, "needs clients"),
        ({"clients": {EVERYONE: (torch.randn(9, 5), torch.zeros(9).long())}}, "client's name"),
        ({"clients": {"a/b": (torch.randn(9, 5), torch.zeros(9).long())}}, "client's name"),
        ({"clients": {"a": (torch.full((9, 5), torch.nan), torch.zeros(9).long())}}, "finite"),
        ({"participants": {"nobody": lambda number, weights: weights}}, "one of `clients`"),
        ({"remedies": [defenses.l2]}, "`remedies`"),
        ({"remedies": [defenses.rounding(digits=1)]}, "must change how they train"),
        ({"remedies": [defenses.l2(), defenses.l2()]}, "At most one"),
        ({"recipe": Recipe(optimizer="sgd", lr=3e38, schedule="constant"), "local_epochs": 20}, "diverged"),
        ({"model": nn.Sequential(nn.Linear(5, 3), nn.Softmax(1))}, "gives probabilities"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, change, match):
    given = {"model": linear(), "clients": clients(9, 9), "rounds": 1} | change
    with pytest.raises(InputError, match=match):
        federate(given.pop("model"), given.pop("clients"), to=tmp_path / "t", **given)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_program_is_not_a_module_that_can_be_trained(tmp_path):
    with pytest.raises(InputError, match="Give the module itself"):
        federate(torch.jit.script(linear()), clients(9), to=tmp_path / "t", rounds=1)


def test_a_trace_can_be_opened_while_it_is_made(tmp_path):
    def looks(number: int, client: str, weights: dict) -> None:
        if number:
            assert len(Trace.open(tmp_path / "t")) == number

    federate(linear(), clients(9), to=tmp_path / "t", rounds=3, server=looks)


def test_a_finished_training_is_not_read_in_place_of_another_attack(tmp_path):
    federate(linear(), clients(9), to=tmp_path / "t", rounds=1, server=lambda number, client, weights: None)
    with pytest.raises(InputError, match="run once"):
        federate(linear(), clients(9), to=tmp_path / "t", rounds=1, server=lambda number, client, weights: weights)
