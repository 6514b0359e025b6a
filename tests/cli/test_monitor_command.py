"""What `privacy-meter monitor` prints, writes and refuses, and its exit status."""

import json
import shlex

import jsonschema
import numpy as np
import pytest
from cli.desk import Desk
from cli.test_help import examples
from monitoring.clients import write_rows

from ml_privacy_meter.monitoring import schema


@pytest.fixture
def ready(desk: Desk) -> Desk:
    """A log with somebody who asks one thing all the time, and honest ones."""
    rng = np.random.default_rng(0)

    def row(client: str, x: list[float]) -> dict:
        return {"client": client, "x": x, "answer": int(x[0] > 0)}

    honest = [row(str(at // 100), rng.normal(size=4).tolist()) for at in range(2_000)]
    write_rows(desk.folder / "honest.jsonl", honest)
    write_rows(desk.folder / "quiet.jsonl", [row("one", rng.normal(size=4).tolist()) for _ in range(50)])
    write_rows(desk.folder / "log.jsonl", [row("mallory", [1.0, 2.0, 3.0, 4.0])] * 100)
    return desk


def test_an_alarm_is_printed_and_ends_with_1(ready: Desk) -> None:
    said = ready.run("monitor", "log.jsonl", "--out", "alerts")
    assert (said.status, said.err) == (1, "")
    assert "of 1 client, in 100 queries of 1 client" in said.out
    assert "client 1: repeats 0.99, more than 0.5 (row 100)" in said.out
    assert said.out.endswith("Alerts: alerts/alerts.md\n")
    assert "mallory" not in said.out
    assert "mallory" in ready.run("monitor", "log.jsonl", "--show-clients").out


def test_every_example_of_its_help_runs(ready: Desk) -> None:
    lines = examples(("monitor",))
    assert len(lines) == 2
    for line in lines:
        said = ready.run(*shlex.split(line)[1:])
        assert said.status == 1, (line, said.err)


def test_the_exit_status_says_what_came_of_it(ready: Desk) -> None:
    assert ready.run("monitor", "honest.jsonl", "--budget", "100").status == 0
    assert ready.run("monitor", "quiet.jsonl").status == 3
    assert ready.run("monitor", "quiet.jsonl", "--budget", "50").status == 0
    assert ready.run("monitor", "quiet.jsonl", "--budget", "49").status == 1
    ready.refuses("monitor", "log.jsonl", "--benign", "log.jsonl", says=("both log and benign",))
    ready.refuses("monitor", "log.jsonl", "--benign", "honest.jsonl", "--session", "100", says=("takes 99 benign",))
    ready.refuses("monitor", "none.jsonl", says=("found no file",))


def test_json_is_the_document_alone_and_quiet_speaks_of_alarms_alone(ready: Desk) -> None:
    said = ready.run("monitor", "log.jsonl", "--json")
    assert (said.status, said.err) == (1, "")
    jsonschema.validate(json.loads(said.out), json.loads(schema()))
    said = ready.run("monitor", "log.jsonl", "--quiet")
    assert (said.status, said.out) == (1, "")
    assert "repeats" in said.err
    said = ready.run("monitor", "quiet.jsonl", "--budget", "50", "--quiet")
    assert (said.status, said.out, said.err) == (0, "", "")


def test_known_records_are_looked_for(ready: Desk) -> None:
    x = np.vstack([[1.0, 2.0, 3.0, 4.0], np.zeros((19, 4))])
    np.savez(ready.folder / "train.npz", x=x, y=np.arange(20) % 2)
    said = ready.run("monitor", "log.jsonl", "--known", "train.npz", "--coverage", "0.01", "--json")
    assert {"coverage", "repeats"} <= {alert["check"] for alert in json.loads(said.out)["alerts"]}
