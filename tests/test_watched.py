"""An audit of a model whose training was watched: by a trace, or by the models of some epochs."""

import copy
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import worlds
from torch import nn
from traces import fakes

import ml_privacy_meter as pm
from ml_privacy_meter import rounds, watched
from ml_privacy_meter.case import prepare
from ml_privacy_meter.membership import lira, snapshots, threshold, update_dot
from ml_privacy_meter.report.document import dump
from ml_privacy_meter.report.threats import level

ALL = [threshold, snapshots, update_dot]
CLIENTS = ("client-0", "client-1")


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """A model, its trace, its members with their clients, and others."""
    sides, model = fakes.clients(2), fakes.mlp()
    trace = fakes.fedavg(model, sides, tmp_path_factory.mktemp("trace") / "t")
    x, y = (torch.cat([sides[name][k] for name in CLIENTS]) for k in (0, 1))
    others = fakes.clients(2, seed=1)
    members = pm.Records(x, y, np.arange(80).astype(str), {"client": np.repeat(CLIENTS, 40)})
    return model, trace, members, tuple(torch.cat([others[name][k] for name in CLIENTS]) for k in (0, 1))


@pytest.fixture(scope="module")
def report(training):
    model, trace, members, others = training
    return pm.audit(model, members, others, trace=trace)


def test_a_trace_leaks_more_than_the_model_alone(report):
    """The attacks join those by default, and their risk is told by client."""
    assert {"snapshots", "update_dot", "update_cosine"} < set(report.risks)
    assert not report.failed
    assert report.risks["update_dot"]["AUC"].low > 0.6
    (finding,) = (one for one in report.findings if one.attack == "update_dot")
    by_client = {group.value: group for group in finding.groups if group.column == "client"}
    assert {name: group.members for name, group in by_client.items()} == {"client-0": 40, "client-1": 40}
    assert all(abs(group.non_members - 40) <= 3 for group in by_client.values())  # dealt class by class
    here = "Here that is the aggregator, who sees each update of each client."
    assert finding.sees.endswith(f"{here} The updates are each client's own.")
    assert next(one.sees for one in report.findings if one.attack == "snapshots").endswith(here)
    assert all(check.passed for check in report.checks)


def test_what_watching_gains_is_not_put_down_to_the_weights_of_the_model(training):
    model, trace, members, others = training
    assert pm.audit(model, members, others, trace=trace, attacks=ALL).added == ()


def test_the_risk_is_told_round_by_round(report, training):
    found = report.by_round
    assert [one.number for one in found.moments] == list(range(7))
    assert (found.unit, found.seen, found.quality) == ("round", 7, "accuracy")
    assert found.moments[-1].loss.value == report.risks["threshold"]["AUC"].value
    assert found.moments[-1].update is None
    assert found.moments[-1].member == report.about["member_accuracy"]
    model, trace, members, others = training
    early = copy.deepcopy(model)
    early.load_state_dict(trace.rounds[2].before())
    alone = pm.audit(early, replace(members, groups={}), others, attacks=[threshold])
    assert found.moments[2].loss.value == pytest.approx(alone.risks["threshold"]["AUC"].value, abs=1e-6)
    assert found.moments[2].member == alone.about["member_accuracy"]


def test_a_round_speaks_for_the_clients_that_sent_in_it(tmp_path):
    """Half of the clients in each round: those that are not asked about, and records of absent ones, stay out."""
    sides, model = fakes.clients(3), fakes.mlp()
    names = [name for name in sides if name != "nobody"]
    start = {name: value.clone() for name, value in model.state_dict().items()}
    change = {name: torch.randn_like(value) for name, value in start.items()}
    writer = pm.traces.TraceWriter(tmp_path / "t")
    for number in range(3):
        writer.add(start, {names[number]: change})
    trace = writer.finish(start)
    x, y = (torch.cat([sides[name][k] for name in names[:2]]) for k in (0, 1))
    other = fakes.clients(3, seed=1)
    members = pm.Records(x, y, np.arange(80), {"client": np.repeat(names[:2], 40)})
    outside = pm.Records(*(torch.cat([other[name][k] for name in names[:2]]) for k in (0, 1)), np.arange(80))
    outside = replace(outside, groups=members.groups)
    moments = pm.audit(model, members, outside, trace=trace, attacks=ALL).by_round.moments
    assert moments[2].update is None  # of a client that nobody asks about
    for number in (0, 1):
        of_one = [side.take(np.arange(40) + 40 * number) for side in (members, outside)]
        alone = pm.audit(model, *of_one, trace=trace, attacks=[update_dot])
        assert moments[number].update.value == pytest.approx(alone.risks["update_dot"]["AUC"].value, abs=1e-6)


def test_more_moments_than_a_report_holds_are_spread_evenly(training, monkeypatch):
    monkeypatch.setattr(rounds, "MOST", 3)
    model, trace, members, others = training
    found = pm.audit(model, members, others, trace=trace, attacks=ALL).by_round
    assert ([one.number for one in found.moments], found.seen) == ([0, 3, 6], 7)


def test_two_audits_of_one_trace_give_one_report(training, report):
    model, trace, members, others = training
    again = pm.audit(model, members, others, trace=trace)
    one, other = (json.loads(dump(found._document)) | {"times": {}} for found in (report, again))
    assert one == other


@pytest.mark.parametrize(
    ("view", "numbers", "clients"),
    [
        (lambda trace: trace, range(6), {"client-0", "client-1"}),
        (lambda trace: trace.aggregated(), range(6), {"everyone"}),
        (lambda trace: trace.by_participant("client-1"), range(6), {""}),
        (lambda trace: trace.by_outsider(2), (0, 2, 4), {""}),
    ],
    ids=["aggregator", "secure aggregation", "participant", "outsider"],
)
def test_each_viewer_sees_what_it_saw_and_no_more(training, view, numbers, clients):
    """Who is sent the weights again and again knows what changed in them, but not by whom."""
    model, trace, members, others = training
    seen = view(trace)
    case = prepare(model, members, others, trace=seen)
    assert [moment.number for moment in case.watched.moments] == list(numbers)
    assert {update.client for update in case.watched.updates} == clients
    found = pm.audit(model, members, others, trace=seen, attacks=ALL)
    assert not found.failed
    assert found.by_round.viewer == seen.viewer
    assert found.by_round.moments[-1].number == 6
    kind = {"everyone": "average", "": "differences"}.get(min(clients), "clients")
    assert found.by_round.updates == kind
    sees = next(one.sees for one in found.findings if one.attack == "update_dot")
    assert {"clients": "each client's own", "average": "averages over", "differences": "how the whole"}[kind] in sees


def test_what_changed_between_snapshots_is_what_the_clients_changed_on_average(training):
    model, trace, members, others = training
    average, difference = (
        prepare(model, members, others, trace=seen).watched.updates
        for seen in (trace.aggregated(), trace.by_outsider())
    )
    for one, other in zip(average, difference, strict=True):
        for name, value in one.change().items():
            torch.testing.assert_close(other.change()[name], value, rtol=1e-4, atol=1e-6)


def test_rounds_and_clients_have_keys_of_their_own_and_of_content(training, tmp_path):
    model, trace, members, others = training
    seen = prepare(model, members, others, trace=trace).watched
    keys = [update.model.key for update in seen.updates] + [moment.key for moment in seen.moments]
    assert len(set(keys)) == len(keys) == 12 + 6
    again = fakes.fedavg(fakes.mlp(), fakes.clients(2), tmp_path / "t")
    elsewhere = prepare(model, members, others, trace=again).watched
    assert [update.model.key for update in elsewhere.updates] == keys[:12]


def test_the_users_own_model_is_left_as_it_was(training):
    model, trace, members, others = training
    before = copy.deepcopy(model.state_dict())
    pm.audit(model, members, others, trace=trace, attacks=ALL)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_server_that_sent_a_client_something_else_is_followed(tmp_path):
    """An update belongs to the weights that this client was sent."""
    sides, model = fakes.clients(2), fakes.mlp()
    trace = fakes.fedavg(model, sides, tmp_path / "honest", rounds=1)
    (one,) = trace.rounds
    other = {name: value + 1 for name, value in one.before().items()}
    writer = pm.traces.TraceWriter(tmp_path / "active")
    writer.add(one.before(), {name: one.update(name) for name in CLIENTS}, sent={"client-1": other})
    active = writer.finish(model.state_dict())
    seen = prepare(model, sides["client-0"], sides["nobody"], trace=active).watched
    first, second = (dict(update.sent.load().named_parameters()) for update in seen.updates)
    torch.testing.assert_close(second["inner.0.weight"], first["inner.0.weight"] + 1)
    participant = prepare(model, sides["client-0"], sides["nobody"], trace=active.by_participant("client-1")).watched
    torch.testing.assert_close(participant.moments[0].weights()["0.weight"], other["0.weight"])


def test_clients_are_dealt_so_that_they_say_nothing_of_the_truth(tmp_path):
    """Client and class together: clients whose classes differ would tell members from others else."""
    rng = np.random.default_rng(0)
    y, y_others = (torch.from_numpy(rng.integers(0, 3, count)) for count in (300, 600))
    client = np.where(y.numpy() == 0, "a", rng.choice(["a", "b"], 300))
    inside = pm.Records(torch.zeros(300, 1), y, np.arange(300), {"client": client})
    outside = pm.Records(torch.zeros(600, 1), y_others, np.arange(600))
    writer = pm.traces.TraceWriter(tmp_path / "t")
    writer.add({"w": torch.zeros(1)}, {name: {"w": torch.zeros(1)} for name in "ab"})
    seen = writer.finish({"w": torch.zeros(1)})
    asked = watched.dealt(seen, inside, outside, 0)[0].groups["client"]
    assert set(asked[y_others.numpy() == 0]) == {"a"}
    for kind in (1, 2):
        shares = [np.mean(names[labels.numpy() == kind] == "a") for names, labels in ((client, y), (asked, y_others))]
        assert abs(shares[0] - shares[1]) < 0.01
    assert not np.array_equal(asked, watched.dealt(seen, inside, outside, 1)[0].groups["client"])


def test_records_are_asked_of_clients_whose_rounds_this_viewer_did_not_see(tmp_path):
    sides, model = fakes.clients(2), fakes.mlp()
    start = {name: value.clone() for name, value in model.state_dict().items()}
    writer = pm.traces.TraceWriter(tmp_path / "t")
    for name in CLIENTS:
        writer.add(start, {name: start})
    trace = writer.finish(start)
    members = pm.Records(*sides["client-1"], np.arange(40), {"client": np.repeat(CLIENTS[1:], 40)})
    for seen in (trace.by_outsider(every=2), trace.by_participant("client-0")):
        assert [one.number for one in seen.rounds] == [0]
        assert set(prepare(model, members, sides["nobody"], trace=seen).asked) == {"client-1"}


def test_a_report_holds_keys_of_what_was_watched(report, training, models, tmp_path):
    model, trace, members, others = training
    key = report.about["keys"]["trace"]
    again = fakes.fedavg(fakes.mlp(), fakes.clients(2), tmp_path / "t")
    assert prepare(model, members, others, trace=again).watched.keys == {"trace": key}
    assert prepare(model, members, others, trace=trace.by_outsider(2)).watched.keys != {"trace": key}
    (*earlier, last), sides = models
    found = pm.audit(last, *sides, snapshots=[*earlier, lambda x: last(x).detach()], attacks=[threshold])
    first, second, unknown = json.loads(dump(found._document))["about"]["keys"]["snapshots"]
    assert len(first) == len(second) > 10
    assert first != second
    assert unknown is None


ONE_HOT = np.eye(3, dtype=np.float32)


@pytest.mark.parametrize(
    "written",
    [lambda y: y.astype(np.float32), lambda y: y[:, None], lambda y: ONE_HOT[y]],
    ids=["floats", "a column", "one-hot rows"],
)
def test_clients_are_dealt_within_classes_however_these_are_written(training, written):
    model, trace, members, others = training
    y = members.y.numpy()
    named = pm.Records(members.x, torch.from_numpy(written(y)), members.id, {"client": np.where(y == 0, *CLIENTS)})
    outside = pm.Records(others[0], torch.from_numpy(written(others[1].numpy())), members.id)
    case = prepare(model, named, outside, trace=trace)
    np.testing.assert_array_equal(case.asked == CLIENTS[0], case.everyone.labels == 0)


def test_of_labels_that_are_no_classes_none_are_said_to_be_matched(tmp_path):
    x, y = torch.randn(80, 4), torch.randn(80)
    model = nn.Linear(4, 1)
    writer = pm.traces.TraceWriter(tmp_path / "t")
    writer.add(model.state_dict(), {name: model.state_dict() for name in CLIENTS})
    members = pm.Records(x[:40], y[:40], np.arange(40), {"client": np.repeat(CLIENTS, 20)})
    trace = writer.finish(model.state_dict())
    report = pm.audit(model, members, (x[40:], y[40:]), trace=trace, attacks=[threshold])
    (check,) = (check for check in report.checks if check.name == watched.ASKED)
    assert "no classes" in check.says
    assert "within each class" not in check.says


def test_non_members_are_asked_of_the_clients_that_they_name(training):
    model, trace, members, others = training
    own = pm.Records(*others, np.arange(80).astype(str), {"client": np.repeat(CLIENTS[1:], 80)})
    case = prepare(model, members, own, trace=trace)
    assert set(case.asked[~case.member.numpy()]) == {CLIENTS[1]}
    assert "name themselves" in case.dealt


@pytest.mark.parametrize("width", [5, 200])
def test_clients_whose_records_differ_tell_members_and_that_is_measured(tmp_path, width):
    """Nothing is memorised: what tells members is that each is like the others of its client."""
    rng = np.random.default_rng(0)
    client = np.repeat(CLIENTS, 150)
    skew = np.where(client == CLIENTS[0], 1.5, -1.5)[:, None]
    x, x_others = (torch.from_numpy((rng.normal(size=(300, width)) + skew).astype(np.float32)) for _ in range(2))
    y, y_others = (torch.from_numpy(rng.integers(0, 2, 300)) for _ in range(2))
    model = nn.Linear(width, 2)
    writer = pm.traces.TraceWriter(tmp_path / "t")
    writer.add(model.state_dict(), {name: model.state_dict() for name in CLIENTS})
    trace = writer.finish(model.state_dict())
    members = pm.Records(x, y, np.arange(300), {"client": client})
    for groups, passed in (({}, False), ({"client": client}, True)):
        others = pm.Records(x_others, y_others, np.arange(300), groups)
        report = pm.audit(model, members, others, trace=trace, attacks=[threshold])
        (check,) = (check for check in report.checks if check.name == watched.ASKED)
        assert check.passed == passed
        assert (report.risks["threshold"]["AUC"].baseline > 0.6) != passed
        for moment in report.by_round.moments:
            assert moment.loss.baseline == report.risks["threshold"]["AUC"].baseline


def test_records_that_no_client_holds_are_not_told_from_others_of_their_kind(tmp_path):
    """A blank world: whatever is watched, there is nothing to see of them; more often than luck explains, it fails."""
    sides, model = fakes.clients(2), fakes.mlp()
    trace = fakes.fedavg(model, sides, tmp_path / "t")
    found = 0
    for seed in range(8):
        both = fakes.clients(2, records=100, seed=100 + seed)
        members = pm.Records(*both["client-0"], np.arange(100), {"client": np.array(CLIENTS)[np.arange(100) % 2]})
        case = prepare(model, members, both["client-1"], trace=trace)
        assert case.watched.updates
        report = pm.audit(model, members, both["client-1"], trace=trace, attacks=[snapshots, update_dot], seed=seed)
        found += sum(risks["AUC"].low > 0.5 for risks in report.risks.values())
    assert found <= 3  # of 16; half a one is expected


def test_no_attack_on_a_trace_is_shown_who_is_a_member(training):
    """Whatever can be reached from the view by its fields: no array that follows the truth."""
    model, trace, members, others = training
    views = []

    def look(view):
        """Nothing.

        Sees: all of its view.
        """
        views.append(view)
        return torch.rand(len(view.records), generator=torch.Generator().manual_seed(0))

    report = pm.audit(model, members, others, trace=trace, attacks=[look])
    (view, *_) = views
    truth = report.records["member"].to_numpy()
    assert view.records.groups == {}
    assert len(view.client) == len(truth)
    for name in CLIENTS:
        assert truth[view.client == name].mean() == pytest.approx(0.5, abs=0.03)
    for update in view.updates:
        assert set(update.client) <= set("client-01")


def epochs(x, y, after, seed=0):
    """A model as it stood after so many steps each."""
    torch.manual_seed(seed)
    model, found = nn.Linear(x.shape[1], 3), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for step in range(max(after)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        if step + 1 in after:
            found.append(copy.deepcopy(model))
    return found


@pytest.fixture(scope="module")
def models():
    x, y, member = worlds.draw(0, width=100)
    sides = (x[member], y[member]), (x[~member], y[~member])
    return epochs(*sides[0], after=(5, 15, 40)), sides


def test_models_over_epochs_are_read_as_snapshots(models):
    (*earlier, model), (members, others) = models
    report = pm.audit(model, members, others, snapshots=earlier)
    assert not report.failed
    assert report.risks["update_dot"]["AUC"].low > 0.6
    assert report.by_round.unit == "snapshot"
    assert [one.number for one in report.by_round.moments] == [0, 1, 2]
    assert [one.update is None for one in report.by_round.moments] == [False, False, True]
    assert "and their weights" in report.by_round.viewer


def test_of_models_that_only_answer_no_update_is_seen(models):
    (first, *_, model), (members, others) = models
    report = pm.audit(lambda x: model(x).detach(), members, others, snapshots=[lambda x: first(x).detach()])
    assert "snapshots" in report.risks
    assert "update_dot" not in report.risks
    assert "what they answer" in report.by_round.viewer


@pytest.fixture(scope="module")
def kept(models):
    """Reference models that were kept at the same moments."""
    _, (members, others) = models
    x, y = (torch.cat(both) for both in zip(members, others, strict=True))
    inside = worlds.halves(len(y), 4, 0)
    trained = [epochs(x[here], y[here], after=(5, 15, 40)) for here in inside.T]
    rows = inside.tensor_split([len(members[1])])
    return pm.own_references([last for *_, last in trained], *rows, snapshots=[before for *before, _ in trained])


def test_reference_models_of_the_same_moments_stand_beside_snapshots(models, kept):
    (*earlier, model), (members, others) = models
    watching = partial(lira, snapshots=2)
    report = pm.audit(model, members, others, references=kept, snapshots=earlier, attacks=[snapshots, lira, watching])
    assert not report.failed
    found = {one.attack: one for one in report.findings}
    assert found["lira(snapshots=2)"].risks[0].low > 0.6
    assert {name: len(one.rehearsed) for name, one in found.items()} == dict.fromkeys(found, 4)
    assert found["lira(snapshots=2)"].sees.startswith(
        "the target model, and the same model at earlier moments of its training (snapshots). At each, it sees the "
        "target model's output for each record, the record's true label, and reference models with the records that "
        "each was trained on. Here that is somebody who has snapshots of the model from its training"
    )
    assert level(found["lira(snapshots=2)"].sees) == level(found["snapshots"].sees)
    assert level(found["lira"].sees) != level(found["snapshots"].sees)


def test_reference_models_must_be_kept_at_as_many_moments_as_the_target(models, kept):
    (*earlier, model), (members, others) = models
    with pytest.raises(pm.InputError, match="1 of them, found 2 snapshots of reference model 0"):
        prepare(model, members, others, references=kept, snapshots=earlier[1:])


def test_a_snapshot_of_a_reference_model_that_cannot_be_read_is_refused_first(models, kept):
    (*earlier, model), (members, others) = models
    broken = replace(kept, snapshots=(*kept.snapshots[:3], (earlier[0], nn.Linear(100, 5))))
    with pytest.raises(
        pm.InputError, match=r"Snapshot 1 of reference model 3 \(the first is 0\).*3 columns.*5 columns"
    ):
        pm.audit(model, members, others, references=broken, snapshots=earlier, attacks=[threshold])


def test_a_snapshot_of_another_architecture_is_asked_but_not_subtracted(models):
    (_, _, model), (members, others) = models
    other = nn.Sequential(nn.Linear(100, 4), nn.Linear(4, 3))
    report = pm.audit(model, members, others, snapshots=[other], attacks=[snapshots, update_dot])
    assert [finding.attack for finding in report.failed] == ["update_dot"]
    assert report.by_round.moments[0].update is None


def test_a_snapshot_that_cannot_be_read_is_refused_before_an_attack_is_played(models):
    (first, *_, model), sides = models
    broken, played = copy.deepcopy(first), []
    with torch.no_grad():
        broken.weight.fill_(float("nan"))

    def trains(view):
        """Whatever takes hours.

        Sees: nothing.
        """
        played.append(view)
        return torch.zeros(len(view.records))

    with pytest.raises(pm.InputError, match="finite"):
        pm.audit(model, *sides, snapshots=[first, broken], attacks=[trains])
    assert not played
    with pytest.raises(pm.InputError, match=r"Snapshot 0 .*3 columns.*5 columns"):
        prepare(model, *sides, snapshots=[nn.Linear(100, 5)])


def test_what_does_not_fit_is_refused(training, models, tmp_path):
    model, trace, members, others = training
    (*_, last), sides = models

    def refused(match, *given, **settings):
        with pytest.raises(pm.InputError, match=match):
            pm.audit(*given, **settings)

    refused("found both", model, members, others, trace=trace, snapshots=[model])
    changed = copy.deepcopy(model)
    with torch.no_grad():
        changed[0].weight[0, 0] += 0.1
    refused("the one that the trace ends with, found that `0.weight`", changed, members, others, trace=trace)
    refused("of this architecture", nn.Sequential(nn.Linear(60, 5), nn.Linear(5, 3)), members, others, trace=trace)
    refused("known by its answers alone", lambda x: model(x).detach(), members, others, trace=trace)
    strange = replace(members, groups={"client": np.full(80, "stranger")})
    refused("found 'stranger'", model, strange, others, trace=trace)
    refused("Snapshot 0 .*3 columns.*5 columns", last, *sides, snapshots=[nn.Linear(100, 5)])


@pytest.mark.parametrize("strange", [-float("inf"), float("nan")])
def test_a_buffer_that_is_not_finite_hides_no_other_model(tmp_path, strange):
    """As masks of attention hold them."""

    def masked(seed, mask):
        torch.manual_seed(seed)
        model = nn.Linear(4, 2)
        model.register_buffer("mask", torch.tensor(mask))
        return model

    model = masked(0, [0.0, strange])
    writer = pm.traces.TraceWriter(tmp_path / "t")
    writer.add(model.state_dict(), {})
    trace = writer.finish(model.state_dict())
    sides = [(torch.randn(40, 4), torch.arange(40) % 2) for _ in range(2)]
    assert prepare(model, *sides, trace=trace).watched.checks[0].passed
    for other in (
        masked(1, [0.0, strange]),
        masked(0, [strange, 0.0]),
        masked(0, [0.0, 0.0]),
        masked(0, [1.0, strange]),
    ):
        with pytest.raises(pm.InputError, match="the one that the trace ends with"):
            prepare(other, *sides, trace=trace)


def test_a_training_that_was_killed_is_said_to_be_that(training):
    model, trace, members, others = training
    final = trace.folder / "final.safetensors"
    aside = final.rename(final.with_suffix(".aside"))
    try:
        report = pm.audit(model, members, others, trace=trace, attacks=ALL)
        outside = prepare(model, members, others, trace=trace.by_outsider()).watched
        assert [update.round for update in outside.updates] == [0, 1, 2, 3, 4]  # none from the last round to the model
    finally:
        aside.rename(final)
    (check,) = (check for check in report.checks if check.name.startswith("Is the model the one"))
    assert not check.passed
    assert "killed" in check.says
