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
from ml_privacy_meter.federated import FEDAVG, federate
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
OWN = {"having": _moved(200, 500), "lacking": data(200, 501), "records": 30, "recipe": RECIPE, "rounds": 2}


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
    having, lacking = seen[0].simulate(seen[0].trials[0].sent(), 2, 0)
    assert len(having) == len(lacking) == 2
    assert having[0].keys() == training.rounds[0].update("c0").keys()


def test_a_property_may_be_there_in_some_rounds(training):
    holds = {name: {0} if has else () for name, has in HOLDS.items()}
    found = infer_property(network(), training, holds, attacks=ATTACKS, **OWN)
    assert (found.how["with"], found.how["without"]) == (6, 18)


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
