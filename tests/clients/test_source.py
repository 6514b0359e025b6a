"""Source inference: it names the client that holds a record, finds nothing of records that none holds, and says so."""

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
import torch
from rounds import data, network, trace

from ml_privacy_meter import InputError, Records
from ml_privacy_meter.clients import infer_source
from ml_privacy_meter.clients.figures import above, by_client, by_label, top_1
from ml_privacy_meter.risk.intervals import clopper_pearson
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.source import Guesses, Part, View
from ml_privacy_meter.traces import TraceWriter

CLIENTS = {name: data(60, seed) for seed, name in enumerate("abc")}


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    return trace(tmp_path_factory.mktemp("source") / "t", CLIENTS)


def test_records_are_traced_to_the_client_that_holds_them(training):
    found = infer_source(network(), training, CLIENTS)
    for one in found.found[:2]:
        accuracy, gained = one.risks
        assert accuracy.low > accuracy.baseline == pytest.approx(1 / 3)
        assert gained.low > 0
        assert all(group.risks[0].low > group.risks[0].baseline for group in one.clients)


def test_records_that_no_client_holds_are_traced_to_none(training):
    blank = {name: data(200, seed + 50) for seed, name in enumerate("abc")}
    found = infer_source(network(), training, blank)
    for one in found.found[:2]:
        assert one.risks[0].low <= one.risks[0].baseline <= one.risks[0].high


def test_the_models_own_weights_do_not_matter(training):
    assert infer_source(network(7), training, CLIENTS).document == infer_source(network(), training, CLIENTS).document


def test_the_order_in_which_records_are_shown_does_not_matter(training):
    assert str(infer_source(network(), training, CLIENTS, seed=1)) == str(infer_source(network(), training, CLIENTS))


def test_an_attack_sees_neither_names_nor_groups_nor_the_order_of_clients(training):
    seen = []

    def attack(view: View) -> torch.Tensor:
        """Looks."""
        seen.append(view)
        return torch.zeros(len(view.records), len(view.clients))

    (found, _) = infer_source(network(), training, CLIENTS, attacks=[attack]).found
    (view,) = seen
    assert list(view.records.id) == list(range(180))
    assert not view.records.groups
    assert view.records.base is None
    assert not torch.equal(view.records.x[:60], CLIENTS["a"][0])
    assert found.risks[0].value == pytest.approx(1 / 3)  # ties share a guess
    assert found.says == "Looks."


def test_a_client_that_sat_rounds_out_is_judged_by_those_it_was_in(tmp_path):
    some = trace(tmp_path / "t", CLIENTS, absent={0: "a", 1: "a"})
    found = infer_source(network(), some, CLIENTS).found[0]
    assert found.clients[0].risks[0].low > found.clients[0].risks[0].baseline


def test_a_record_that_two_clients_hold_is_left_out(training):
    x, y = CLIENTS["b"]
    both = CLIENTS | {"b": (torch.cat([CLIENTS["a"][0][:5], x[5:]]), torch.cat([CLIENTS["a"][1][:5], y[5:]]))}
    found = infer_source(network(), training, both)
    assert found.how["records"] == {"a": 55, "b": 55, "c": 60}
    assert "10 records that several clients hold" in found.notes[1]


def test_who_sees_no_updates_by_client_is_refused(training):
    for view in (training.aggregated(), training.by_outsider(), training.by_participant("a")):
        with pytest.raises(InputError, match="two of them at least"):
            infer_source(network(), view, CLIENTS)


def test_a_client_without_records_is_refused(training):
    with pytest.raises(InputError, match="no records of `c`"):
        infer_source(network(), training, {name: CLIENTS[name] for name in "ab"})


def test_a_trace_of_another_architecture_is_refused(training):
    with pytest.raises(InputError, match="this architecture"):
        infer_source(network(classes=9), training, CLIENTS)


def test_an_attack_that_forgets_a_client_is_refused(training):
    with pytest.raises(InputError, match="each of 180 records a score for each of 3 clients"):
        infer_source(network(), training, CLIENTS, attacks=[lambda view: torch.zeros(180)])


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="at record 1"):
        Guesses(torch.tensor([[0.0, 1.0], [0.0, float("nan")]]), torch.tensor([0, 1]))


def test_the_document_is_as_its_schema_says_and_is_not_written_over(training, tmp_path):
    found = infer_source(network(), training, CLIENTS)
    file = found.save(tmp_path / "new" / "source.json")
    schema = json.loads(files("ml_privacy_meter.clients").joinpath("schema.json").read_text())
    jsonschema.validate(json.loads(file.read_text()), schema)
    with pytest.raises(InputError, match="new file"):
        found.save(file)
    assert found.table().row_count == 5
    assert found.table(clients=True).row_count == 5 + 3 * 3


def test_accuracy_has_the_exact_interval_and_ties_count_in_parts():
    truth = torch.arange(40) % 2
    score = torch.nn.functional.one_hot(truth, 2).double()
    score[:10] = 0
    risk = top_1(Guesses(score, truth))
    assert risk.value == pytest.approx(35 / 40)
    assert (risk.low, risk.high) == pytest.approx(clopper_pearson(35, 40))
    assert risk.baseline == 0.5


def test_the_largest_client_is_what_a_guess_without_the_model_names():
    truth = torch.tensor([0] * 30 + [1] * 10)
    assert top_1(Guesses(torch.zeros(40, 2), truth)).baseline == 0.75
    recall = by_client(Guesses(torch.tensor([[1.0, 0.0]]).repeat(40, 1), truth), ("a", "b"))
    assert [(group.risks[0].value, group.risks[0].baseline) for group in recall] == [(1, 1), (0, 0)]


def test_labels_alone_tell_clients_apart_where_their_classes_differ():
    truth, labels = torch.arange(90) % 3, torch.arange(90) % 3
    assert top_1(by_label(truth, labels, 3)).value == 1
    assert top_1(by_label(truth, labels.double(), 3)).value == pytest.approx(1 / 3)


def test_the_gain_over_labels_covers_the_true_one_in_simulations():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(300):
        blind = torch.from_numpy(rng.random(200) < 0.3)
        better = blind | torch.from_numpy(rng.random(200) < 0.1)
        ours, theirs = (
            Guesses(torch.stack([hit, ~hit], 1).double(), torch.zeros(200).long()) for hit in (better, blind)
        )
        risk = above(ours, theirs)
        covered += risk.low <= 0.7 * 0.1 <= risk.high
    assert covered >= 0.93 * 300


def test_one_client_alone_is_refused(tmp_path):
    writer = TraceWriter(tmp_path / "t", {})
    weights = network().state_dict()
    writer.add(weights, {"a": weights})
    with pytest.raises(InputError, match="found 1 seen"):
        infer_source(network(), writer.finish(weights), {"a": CLIENTS["a"]})


def test_what_a_client_sent_back_follows_from_what_it_was_sent(tmp_path):
    """An isolating server sends one client weights of its own: these, and not the global ones, it trained from."""
    writer, first, own = TraceWriter(tmp_path / "t", {}), network().state_dict(), network(3).state_dict()
    change = {name: torch.ones_like(value) for name, value in first.items()}
    writer.add(first, {"a": change, "b": change, "c": change}, sent={"b": own})
    models = []

    def attack(view: View) -> torch.Tensor:
        """Looks."""
        models.extend(part.after.load().inner.state_dict() for part in view.parts)
        return torch.zeros(len(view.records), len(view.clients))

    infer_source(network(), writer.finish(first), CLIENTS, attacks=[attack])
    for found, sent in zip(models, (first, own, first), strict=True):
        assert all(torch.equal(found[name], sent[name] + 1) for name in sent)


def test_groups_are_not_shown(training):
    grouped = {
        name: Records(x, y, np.array([f"{name}{i}" for i in range(60)]), {"from": np.array([name] * 60)})
        for name, (x, y) in CLIENTS.items()
    }
    groups = []

    def attack(view: View) -> torch.Tensor:
        """Looks."""
        groups.append(view.records.groups)
        return torch.zeros(len(view.records), len(view.clients))

    infer_source(network(), training, grouped, attacks=[attack])
    assert groups == [{}]


def test_rounds_are_compared_within_themselves_and_averaged():
    model = network()
    parts = tuple(Part(number, client, model, model) for number, client in [(0, "a"), (0, "b"), (1, "a"), (2, "c")])
    one = Records(torch.zeros(1, 20), torch.zeros(1).long(), np.arange(1))
    view = View(one, Reader(Store()), ("a", "b", "c"), parts)
    said = {(0, "a"): 3.0, (0, "b"): 1.0, (1, "a"): 9.0, (2, "c"): 5.0}
    found = view.compared(lambda part: torch.tensor([said[part.round, part.client]], dtype=torch.float64))
    assert found.tolist() == [[0.5, -1.0, 0.0]]


def test_a_client_that_never_sent_an_update_is_refused(training):
    with pytest.raises(InputError, match="found none of `d`"):
        infer_source(network(), training, CLIENTS | {"d": data(20, 9)})
