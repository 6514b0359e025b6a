"""A trace holds what was sent and what came back, and shows each viewer no more than that viewer saw."""

import pytest
import torch

from ml_privacy_meter import InputError
from ml_privacy_meter.traces import EVERYONE, Trace, TraceWriter


def _weights(value: float) -> dict[str, torch.Tensor]:
    return {"0.weight": torch.full((2, 3), value), "steps": torch.tensor(7)}


@pytest.fixture
def trace(tmp_path) -> Trace:
    writer = TraceWriter(tmp_path / "t", {"lr": 0.1})
    writer.add(_weights(0.0), {"a": _weights(1.0), "b": _weights(4.0)}, counts={"a": 1, "b": 3})
    writer.add(_weights(3.0), {"b": _weights(2.0)}, sent={"b": _weights(-1.0)})
    return writer.finish(_weights(5.0))


def test_what_was_written_is_read(trace):
    assert [one.clients for one in trace.rounds] == [("a", "b"), ("b",)]
    assert trace.says == {"lr": 0.1}
    assert trace.rounds[0].shares == {"a": 0.25, "b": 0.75}
    assert float(trace.rounds[0].update("b")["0.weight"][0, 0]) == 4.0
    assert float(trace.rounds[1].sent("b")["0.weight"][0, 0]) == -1.0
    assert float(trace.rounds[0].sent("a")["0.weight"][0, 0]) == 0.0
    assert float(trace.final()["0.weight"][0, 0]) == 5.0


def test_behind_secure_aggregation_only_the_average_is_seen(trace):
    seen = trace.aggregated()
    assert seen.clients == (EVERYONE,)
    assert float(seen.rounds[0].update(EVERYONE)["0.weight"][0, 0]) == pytest.approx(0.25 * 1 + 0.75 * 4)
    with pytest.raises(InputError, match="asked for"):
        seen.rounds[0].update("a")


def test_a_participant_sees_its_own_rounds_and_no_update_of_others(trace):
    seen = trace.by_participant("a")
    assert [one.number for one in seen.rounds] == [0]
    assert seen.clients == ("a",)
    with pytest.raises(InputError, match="asked for"):
        seen.rounds[0].update("b")
    with pytest.raises(InputError, match="taken part"):
        trace.by_participant("nobody")


def test_an_outsider_sees_snapshots_alone(trace):
    seen = trace.by_outsider(every=2)
    assert seen.clients == ()
    assert [one.number for one in seen.rounds] == [0]
    assert trace.aggregated().by_outsider().clients == ()
    with pytest.raises(InputError, match="found that of an outsider"):
        seen.aggregated()


def test_a_participants_trace_shows_no_other_view(trace):
    seen = trace.by_participant("b")
    assert seen.by_participant("b").clients == ("b",)
    for view in (seen.aggregated, seen.by_outsider, lambda: seen.by_participant("a")):
        with pytest.raises(InputError, match="participant b"):
            view()


@pytest.mark.parametrize("every", [0, -1, True])
def test_an_outsider_gets_every_so_many_rounds(trace, every):
    with pytest.raises(InputError, match="`every`"):
        trace.by_outsider(every)


def test_a_killed_training_leaves_its_finished_rounds(tmp_path):
    writer = TraceWriter(tmp_path / "t")
    writer.add(_weights(0.0), {"a": _weights(1.0)})
    (tmp_path / "t" / "round-00001.safetensors.new").write_bytes(b"half")
    found = Trace.open(tmp_path / "t")
    assert len(found) == 1
    with pytest.raises(InputError, match="did not end"):
        found.final()


def test_a_round_that_is_missing_or_misnamed_is_told_and_nothing_is_written_over_later_ones(trace):
    first, second = (one.file for one in trace.rounds)
    first.rename(first.with_name("kept"))
    for _ in range(2):
        with pytest.raises(InputError, match="in place of round 0"):
            Trace.open(trace.folder)
        with pytest.raises(InputError, match="in place of round 0"):
            TraceWriter(trace.folder, trace.says, goes_on=True)
        if second.exists():
            second.rename(first)  # now of the right name, and of another number


def test_nothing_is_written_over(trace):
    with pytest.raises(InputError, match="empty folder"):
        TraceWriter(trace.folder)


@pytest.mark.parametrize("name", ["", "a/b"])
def test_a_clients_name_cannot_lead_elsewhere(tmp_path, name):
    with pytest.raises(InputError, match="slash"):
        TraceWriter(tmp_path / "t").add(_weights(0.0), {name: _weights(1.0)})


def test_what_is_no_trace_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"trace\.json"):
        Trace.open(tmp_path)
    (tmp_path / "trace.json").write_text("{}")
    with pytest.raises(InputError, match="at least one round"):
        Trace.open(tmp_path)
    (tmp_path / "round-00000.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match="as `TraceWriter` writes them"):
        Trace.open(tmp_path)
