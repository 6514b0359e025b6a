"""Properties of clients: found where updates tell them, not found where there is none, with an honest interval."""

import json
from dataclasses import replace
from functools import partial
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
import torch
from rounds import data, network

from ml_privacy_meter import InputError, Scores, risk
from ml_privacy_meter.clients import infer_property
from ml_privacy_meter.clients.figures import clustered_auc
from ml_privacy_meter.federated import FEDAVG, central_dp, federate, fedsgd, local_dp, noisy_updates, pruned_updates
from ml_privacy_meter.federated.told import remade
from ml_privacy_meter.property import View, learned

RECIPE = replace(FEDAVG, batch_size=10)


def _moved(records, seed):
    """Records with a property that the labels do not tell: their first numbers are large. Labels are random, so that
    it pushes weights up as often as down."""
    x, y = data(records, seed)
    return x + 3.0 * (torch.arange(20) < 4), y


def _both(*parts):
    return tuple(torch.cat(part) for part in zip(*parts, strict=True))


HOLDS = {f"c{number}": number % 2 == 0 for number in range(12)}
ATTACKS = [partial(learned, simulations=16, sizes=True)]
OWN = {"having": _moved(200, 500), "lacking": data(200, 501), "records": 30, "rounds": 2}


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    clients = {
        name: _both(_moved(15, number), data(15, 50 + number)) if has else data(30, number)
        for number, (name, has) in enumerate(HOLDS.items())
    }
    to = tmp_path_factory.mktemp("property") / "t"
    return federate(network(), clients, to=to, rounds=3, recipe=RECIPE, device="cpu")


def test_a_property_is_read_off_updates(training):
    found = infer_property(network(), training, HOLDS, attacks=ATTACKS, **OWN)
    (auc,) = found.found[0].risks
    assert auc.low > auc.baseline == 0.5
    assert found.how["rounds"] == [0, 2]
    schema = json.loads(files("ml_privacy_meter.clients").joinpath("schema.json").read_text())
    jsonschema.validate(json.loads(json.dumps(found.document)), schema)


def test_where_no_client_has_it_nothing_is_found(tmp_path):
    clients = {name: data(30, number) for number, name in enumerate(HOLDS)}
    trace = federate(network(), clients, to=tmp_path / "t", rounds=2, recipe=RECIPE, device="cpu")
    (auc,) = infer_property(network(), trace, HOLDS, attacks=ATTACKS, **OWN).found[0].risks
    assert auc.low <= 0.5 <= auc.high


def test_the_same_audit_gives_the_same_document(training):
    said = [infer_property(network(seed), training, HOLDS, attacks=ATTACKS, **OWN).document for seed in (0, 5)]
    assert said[0] == said[1]


def test_an_attack_sees_no_truth_and_what_clients_sent(training):
    seen = []

    def attack(view: View) -> torch.Tensor:
        """Looks."""
        seen.append(view)
        return torch.arange(len(view.trials)).double()

    infer_property(network(), training, HOLDS, attacks=[attack], **OWN)
    assert set(vars(seen[0])) == {"trials", "simulate"}
    assert [(trial.round, trial.client) for trial in seen[0].trials[:2]] == [(0, "c0"), (0, "c1")]
    having, lacking = seen[0].simulate(seen[0].trials[0], 2, 0)
    assert len(having) == len(lacking) == 2
    assert having[0].keys() == training.rounds[0].update("c0").keys()


def test_a_property_may_be_there_in_some_rounds(training):
    holds = {name: {0} if has else np.bool_(False) for name, has in HOLDS.items()}
    found = infer_property(network(), training, holds, attacks=ATTACKS, **OWN)
    assert (found.how["with"], found.how["without"]) == (6, 18)


def _made_up(trace, place=0, **given):
    """The view of an attack, the update of one made-up client in the round of this trial, and the notes."""
    views = []

    def attack(view: View) -> torch.Tensor:
        """Looks."""
        views.append(view)
        return torch.arange(len(view.trials)).double()

    holds = {name: number == 0 for number, name in enumerate(trace.clients)}
    notes = infer_property(network(), trace, holds, attacks=[attack], **OWN | given).notes
    (update, *_), _ = views[0].simulate(views[0].trials[place], 2, 0)
    return views[0], update, notes[1:]


def _same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def _length(update):
    return float(torch.cat([value.flatten() for value in update.values()]).norm())


CLIENTS = {name: data(30, number) for number, name in enumerate(("a", "b"))}


def test_made_up_clients_train_as_the_trace_says(tmp_path):
    recipe = replace(RECIPE, lr=0.03, batch_size=7, momentum=0.5)
    trace = federate(network(), CLIENTS, to=tmp_path / "t", rounds=2, recipe=recipe, local_epochs=3, device="cpu")
    _, own, notes = _made_up(trace)
    _, given, none = _made_up(trace, recipe=recipe, local_epochs=3)
    assert _same(own, given)
    assert notes == none == ()
    _, other, (note,) = _made_up(trace, recipe=replace(recipe, lr=0.1))
    assert not _same(own, other)
    assert "lr 0.1 in place of 0.03" in note
    _, _, (note,) = _made_up(trace, local_epochs=2)
    assert "local_epochs 2 in place of 3" in note


def test_whole_batches_stay_whole_whatever_made_up_clients_hold(tmp_path):
    trace = federate(network(), CLIENTS, to=tmp_path / "t", rounds=1, recipe=fedsgd(lr=0.2), device="cpu")
    _, own, notes = _made_up(trace, records=50)
    _, given, none = _made_up(trace, records=50, recipe=fedsgd(lr=0.2))
    assert _same(own, given)
    assert notes == none == ()


def test_a_trace_that_says_little_gives_notes(tmp_path):
    trace = federate(network(), CLIENTS, to=tmp_path / "t", rounds=1, recipe=RECIPE, device="cpu")
    found = _made_up(replace(trace, says={"lr": 0.5}))
    assert "does not say optimizer, momentum" in found[2][0]
    assert "local_epochs" in found[2][0]
    fixed = _made_up(trace, recipe=replace(FEDAVG, lr=0.5))
    assert _same(found[1], fixed[1])
    cosine = _made_up(replace(trace, says={"lr": 0.5, "schedule": "cosine"}))
    assert "how many rounds" in cosine[2][-1]
    with pytest.raises(InputError, match="`recipe` be given"):
        _made_up(replace(trace, says={"optimizer": "lion"}))
    _, _, notes = _made_up(replace(trace, says={"optimizer": "lion", "rounds": "few"}), recipe=RECIPE)
    assert "optimizer 'sgd' in place of 'lion'" in notes[0]


def test_the_schedule_runs_over_the_rounds_of_the_trace(tmp_path):
    recipe = replace(RECIPE, schedule="cosine", lr=0.02)
    trace = federate(network(), CLIENTS, to=tmp_path / "t", rounds=4, recipe=recipe, device="cpu")
    view, last, notes = _made_up(trace, place=-1, rounds=4)
    assert view.trials[-1].round == 3
    assert notes == ()
    _, constant, _ = _made_up(trace, place=-1, rounds=4, recipe=replace(recipe, schedule="constant"))
    assert 0 < _length(last) < 0.3 * _length(constant)


def test_made_up_clients_help_themselves_as_the_trace_says(tmp_path):
    remedies = [pruned_updates(share=0.9), central_dp(noise_multiplier=5.0)]
    trace = federate(network(), CLIENTS, to=tmp_path / "t", rounds=1, recipe=RECIPE, remedies=remedies, device="cpu")
    _, update, notes = _made_up(trace)
    flat = torch.cat([value.flatten() for value in update.values()])
    assert float((flat == 0).double().mean()) == pytest.approx(0.9, abs=0.01)
    assert notes == _made_up(trace, remedies=remedies)[2] == ()
    _, _, (note,) = _made_up(trace, remedies=[])
    assert "none in place of pruned_updates(share=0.9)" in note


def test_what_cannot_be_imitated_is_said(tmp_path):
    trace = federate(network(), CLIENTS, to=tmp_path / "t", rounds=1, recipe=RECIPE, device="cpu")
    says = {**trace.says, "remedies": ["dp_sgd(noise_multiplier=1.0)", "clipped_updates(clip=0.001)"]}
    _, update, (note,) = _made_up(replace(trace, says=says))
    assert "do without dp_sgd(noise_multiplier=1.0)" in note
    assert _length(update) == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize("text", ["open('x')", "clipped_updates(clip=-1)", "clipped_updates(norm=1)", "a b", "3", ""])
def test_no_other_code_runs_by_the_name_of_a_remedy(text):
    assert remade(text) is None


@pytest.mark.parametrize("remedy", [noisy_updates(deviation=0.25), local_dp(noise_multiplier=2.0, clip=0.5)])
def test_a_remedy_is_made_from_its_name(remedy):
    assert str(remade(str(remedy))) == str(remedy)


def test_a_client_that_was_sent_weights_of_its_own_is_judged_by_these(tmp_path):
    def server(number, client, weights):
        return {name: value + 1 for name, value in weights.items()} if client == "b" else None

    held = {**CLIENTS, "c": data(30, 2)}
    trace = federate(network(), held, to=tmp_path / "t", rounds=1, recipe=RECIPE, server=server, device="cpu")
    view, common, _ = _made_up(trace)
    _, own, _ = _made_up(trace, place=1)
    assert not _same(common, own)
    assert [trial.apart for trial in view.trials] == [False, True, False]
    asked = []

    def simulate(trial, simulations, seed):
        asked.append(trial.client)
        return view.simulate(trial, simulations, seed)

    learned(replace(view, simulate=simulate), simulations=4)
    assert asked == ["a", "b"]


def test_what_cannot_be_asked_is_refused(training):
    with pytest.raises(InputError, match="none seen by"):
        infer_property(network(), training.by_outsider(), HOLDS, **OWN)
    with pytest.raises(InputError, match="nothing of `c0`"):
        infer_property(network(), training, {"c1": True}, **OWN)
    with pytest.raises(InputError, match="this architecture"):
        infer_property(network(classes=9), training, HOLDS, **OWN)
    with pytest.raises(InputError, match="`share`"):
        infer_property(network(), training, HOLDS, share=1.5, **OWN)


def test_an_auc_of_one_trial_a_client_is_delongs():
    rng = torch.Generator().manual_seed(0)
    truth = torch.arange(400) % 2 == 0
    scores = Scores(torch.randn(400, generator=rng).double() + truth, truth)
    ours, known = clustered_auc(scores, np.arange(400)), risk.auc(scores)
    assert (ours.value, ours.low, ours.high) == pytest.approx((known.value, known.low, known.high), abs=2e-3)


def test_trials_of_a_client_go_together():
    """Twenty rounds that say the same are no more than one."""
    rng = torch.Generator().manual_seed(0)
    truth = torch.arange(40) % 2 == 0
    score = torch.randn(40, generator=rng).double() + truth
    once = clustered_auc(Scores(score, truth), np.arange(40))
    often = clustered_auc(Scores(score.repeat(20), truth.repeat(20)), np.tile(np.arange(40), 20))
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=5e-3)


def test_the_interval_covers_the_true_auc_in_simulations():
    rng, covered, truth = np.random.default_rng(0), 0, np.repeat(np.arange(24) % 2 == 0, 5)
    client = np.repeat(np.arange(24), 5)
    for _ in range(300):
        score = truth * 1.0 + np.repeat(rng.normal(size=24), 5) + rng.normal(size=120)
        found = clustered_auc(Scores(torch.from_numpy(score), torch.from_numpy(truth)), client)
        covered += found.low <= 0.6915 <= found.high  # of normal scores: Phi(1 / sqrt(2 * 2))
    assert covered >= 0.93 * 300


def test_few_clients_give_no_interval():
    truth = torch.arange(8) % 2 == 0
    found = clustered_auc(Scores(torch.arange(8).double(), truth), np.arange(8))
    assert found.value is None
    assert "found 4 with the property" in found.note
