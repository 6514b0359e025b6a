"""A model behind an address, from a run file: what it asks, what it keeps, and how it speaks of trouble."""

import pytest
from cli.desk import RUN_FILE, Desk
from cli.service import Service, late, status

MODEL = """
path = "${URL}"
request = { inputs = "$records" }
response = "scores"
headers = { Authorization = "Bearer ${TOKEN}" }
batch_size = 10
retries = 2
backoff = 0.001
timeout = 0.3
"""
RUN = RUN_FILE.replace('path = "model.pt2"', MODEL)


@pytest.fixture
def ready(desk: Desk, service: Service, monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk.bring("train.npz", "test.npz")
    desk.write("audit.toml", RUN)
    monkeypatch.setenv("URL", service.url)
    monkeypatch.setenv("TOKEN", "s3cret")
    return desk


def test_a_service_is_asked_once_for_each_record_over_all_runs(ready: Desk, service: Service) -> None:
    report = ready.reports("run", "audit.toml")
    assert len(service.seen) == len(set(service.seen)) == 120
    assert service.headers["Authorization"] == "Bearer s3cret"
    assert "black-box model" in report["about"]["model"]
    requests = service.requests
    ready.write("audit.toml", RUN.replace("threshold = {}", "threshold = {}\ngap = {}"))
    ready.reports("run", "audit.toml")
    assert service.requests == requests


def test_the_secret_stands_neither_in_the_report_nor_in_the_store(ready: Desk) -> None:
    ready.reports("run", "audit.toml")
    for path in ready.folder.rglob("*"):
        if path.is_file():
            assert b"s3cret" not in path.read_bytes(), path


def test_init_leaves_what_it_was_answered_to_the_run(ready: Desk, service: Service) -> None:
    address = (service.url, "train.npz", "test.npz", "--request", '{"inputs": "$records"}', "--response", "scores")
    said = ready.run("init", *address)
    assert (said.status, said.err) == (0, "")
    assert 0 < len(service.seen) <= 64
    ready.write("audit.toml", said.out)
    ready.reports("run", "audit.toml")
    assert len(service.seen) == len(set(service.seen)) == 120


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (status(500), ("status 500", "attempt 3")),
        (status(503), ("status 503", "attempt 3")),
        (status(429), ("status 429", "attempt 3")),
        (late, ("no answer within 0.3 s", "attempt 3")),
        (status(200, b"<html>Sign in</html>"), ("must answer in JSON", "Sign in")),
        (status(200, b'{"scores": [[1, 2, '), ("broke off", "attempt 3")),
        (status(200, b'{"results": []}'), ("`scores`", "`response`", '"results"')),
        (status(200, b'{"scores": [[1, 2, NaN]]}'), ("finite numbers",)),
        (status(401, b"who are you"), ("refused", "401", "who are you", "`headers`")),
    ],
)
def test_a_service_in_trouble_is_asked_for_the_rest_alone_by_the_next_run(
    ready: Desk, service: Service, trouble: object, words: tuple[str, ...]
) -> None:
    service.good_for, service.broken = 9, trouble  # type: ignore[assignment]
    said = ready.refuses("run", "audit.toml", says=(*words, service.url))
    assert len(service.seen) == 74  # 32 of each set in 4 requests, and one more of 10
    if "attempt" in said:
        assert "74 records are kept: the same command goes on from there" in said
    service.broken = None
    ready.reports("run", "audit.toml")
    assert len(service.seen) == len(set(service.seen)) == 120


def test_a_service_that_fails_for_a_while_is_waited_for(ready: Desk, service: Service) -> None:
    service.replies = [status(500), status(503)]
    ready.reports("run", "audit.toml")
    assert len(service.seen) == 120


def test_a_service_that_is_not_there_is_named(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URL", "http://127.0.0.1:9/predict")
    ready.refuses("run", "audit.toml", says=("http://127.0.0.1:9/predict", "could not be reached"))


def test_a_budget_that_does_not_suffice_is_said_before_anything_is_asked(ready: Desk, service: Service) -> None:
    ready.write("audit.toml", RUN.replace("batch_size = 10", "batch_size = 10\nbudget = 100"))
    ready.refuses("run", "audit.toml", says=("budget of 100", "120 are still needed", "Raise `budget`"))
    assert service.requests == 0


def test_an_address_without_the_shape_of_a_request_says_what_is_missing(ready: Desk, service: Service) -> None:
    sides = ("--members", "train.npz", "--non-members", "test.npz", "--out", "report")
    ready.refuses("audit", "--model", service.url, *sides, says=("`request`", '"$records"'))
    ready.refuses("audit", "--model", service.url, *sides, "--request", "{inputs", says=("`request` must be JSON",))
    assert service.requests == 0
