"""Active attacks: what they send, what they score, and that a client's own records are found by them."""

from dataclasses import replace

import pytest
import torch
from rounds import data, network

from ml_privacy_meter import InputError, Scores, risk
from ml_privacy_meter.clients import aggregator_ascent, isolation, participant_ascent, passive
from ml_privacy_meter.federated import FEDAVG, federate
from ml_privacy_meter.signals import loss

CLIENTS = {name: data(40, seed) for seed, name in enumerate("abc")}
RECIPE = replace(FEDAVG, batch_size=10)


def _targets(count):
    """Half of them held by the client, half by nobody, in turn; and which are held."""
    asked, member = {}, torch.arange(count).repeat(len(CLIENTS)) % 2 == 0
    for number, (client, (x, y)) in enumerate(CLIENTS.items()):
        other_x, other_y = data(count, 90 + number)
        own = torch.arange(count) % 2 == 0
        asked[client] = (torch.where(own[:, None], x[:count], other_x), torch.where(own, y[:count], other_y))
    return asked, member


def _trained(to, rounds=3, **hooks):
    return federate(network(), CLIENTS, to=to, rounds=rounds, recipe=RECIPE, local_epochs=4, device="cpu", **hooks)


def _loss(weights, x, y):
    model = network()
    model.load_state_dict(weights)
    with torch.no_grad():
        return loss(model, x, y)


def _length(one, other):
    return float(sum((one[name] - other[name]).square().sum() for name in one).sqrt())


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    return _trained(tmp_path_factory.mktemp("honest") / "t", rounds=12)


def test_the_server_sends_each_client_an_ascent_on_its_own_target(tmp_path):
    asked, _ = _targets(2)
    attack = aggregator_ascent(network(), asked, to=tmp_path / "t", step=0.5, first=1)
    trace = _trained(tmp_path / "t", rounds=4, server=attack.server)
    assert [sorted(one.apart) for one in trace.rounds] == [[], ["a", "b", "c"], ["a", "b", "c"], []]
    base = trace.rounds[1].before()
    for client, (x, y) in asked.items():
        sent = [trace.rounds[1 + turn].sent(client) for turn in (0, 1)]
        assert [_length(one, base) for one in sent] == pytest.approx([0.5, 0.5], rel=1e-4)
        rises = torch.stack([_loss(one, x, y) - _loss(base, x, y) for one in sent])
        assert sorted(rises.argmax(1).tolist()) == [0, 1]  # each has its turn
        assert (rises.max(1).values > 0).all()


def test_members_that_are_given_first_are_not_served_first(tmp_path):
    asked = {"b": CLIENTS["b"]}
    attack = aggregator_ascent(network(), asked, to=tmp_path / "t", step=0.5)
    trace = _trained(tmp_path / "t", rounds=6, server=attack.server)
    base, (x, y) = trace.rounds[0].before(), asked["b"]
    served = [int((_loss(one.sent("b"), x, y) - _loss(base, x, y)).argmax()) for one in trace.rounds]
    assert max(served) >= 6


def test_the_score_is_the_loss_after_the_client_trained(tmp_path):
    asked, _ = _targets(4)
    attack = aggregator_ascent(network(), asked, to=tmp_path / "t", first=1, at_once=2)
    trace = _trained(tmp_path / "t", server=attack.server)
    found = attack.score(trace)
    one, (x, y) = trace.rounds[2], asked["b"]
    after = {name: value + one.update("b")[name] for name, value in one.sent("b").items()}
    would = -_loss(after, x, y)
    same = [row for row in range(4) if found[4 + row].item() == pytest.approx(would[row].item())]
    assert found.shape == (12,)
    assert len(same) == 2  # those whose turn was the second round


def test_ascent_and_passive_looks_find_members(tmp_path, honest):
    asked, member = _targets(16)
    attack = aggregator_ascent(network(), asked, to=tmp_path / "t", step=3.0, at_once=2)
    trace = _trained(tmp_path / "t", rounds=8, server=attack.server)
    for score in (attack.score(trace), passive(network(), asked).score(honest)):
        assert risk.auc(Scores(score, member)).low > 0.5


def test_in_a_blank_world_ascent_finds_nothing(tmp_path):
    """Targets that no client holds; which of them are called members is arbitrary."""
    asked = {name: data(40, 300 + seed) for seed, name in enumerate("abc")}
    attack = aggregator_ascent(network(), asked, to=tmp_path / "t", at_once=10)
    score = attack.score(_trained(tmp_path / "t", rounds=4, server=attack.server))
    found = risk.auc(Scores(score, torch.arange(120) % 2 == 0))
    assert found.low <= 0.5 <= found.high


def test_an_isolated_client_is_sent_its_own_model(tmp_path):
    attack = isolation(network(), {"b": CLIENTS["b"]}, to=tmp_path / "t")
    trace = _trained(tmp_path / "t", server=attack.server)
    first, second = trace.rounds[:2]
    assert [sorted(one.apart) for one in trace.rounds] == [[], ["b"], ["b"]]
    own = {name: value + first.update("b")[name] for name, value in first.before().items()}
    assert all(torch.equal(value, own[name]) for name, value in second.sent("b").items())
    assert attack.score(trace).shape == (40,)


def test_a_participants_ascent_reaches_the_global_model(tmp_path):
    x, y = data(2, 200)
    attack = participant_ascent(network(), (x, y), client="a", step=1.0, boost=3.0)
    trace = _trained(tmp_path / "t", rounds=4, participants=attack.participants)
    lengths = [_length(one.update("a"), {name: torch.zeros(()) for name in one.before()}) for one in trace.rounds]
    assert lengths == pytest.approx([3, 0, 3, 0], rel=1e-4)
    seen = [trace.rounds[2].before(), trace.final()]
    expected = [-float(_loss(weights, x[at : at + 1], y[at : at + 1])) for at, weights in enumerate(seen)]
    assert attack.score(trace).tolist() == pytest.approx(expected)
    assert attack.score(trace.by_participant("a")).tolist() == pytest.approx(expected)


def test_passive_averages_over_rounds(honest):
    x, y = CLIENTS["c"]
    looked = [
        -_loss({name: value + one.update("c")[name] for name, value in one.before().items()}, x, y)
        for one in honest.rounds
    ]
    found = passive(network(), {"c": (x, y)}).score(honest)
    assert found.tolist() == pytest.approx(torch.stack(looked).mean(0).tolist())


def test_too_few_rounds_for_the_targets_are_refused(tmp_path, honest):
    with pytest.raises(InputError, match="nothing of `a` in round 12"):
        aggregator_ascent(network(), _targets(13)[0], to=tmp_path).score(honest)
    with pytest.raises(InputError, match="Train for more rounds"):
        participant_ascent(network(), data(7, 0), client="a").score(honest)
    with pytest.raises(InputError, match="updates of each client"):
        passive(network(), {"b": CLIENTS["b"]}).score(honest.by_participant("a"))


@pytest.mark.parametrize("wrong", [{"step": 0.0}, {"first": -1}, {"at_once": 0}])
def test_settings_that_cannot_be_are_refused(tmp_path, wrong):
    with pytest.raises(InputError):
        aggregator_ascent(network(), _targets(2)[0], to=tmp_path, **wrong)
