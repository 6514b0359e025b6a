"""A service answers as it did, and its queries are in the log; what is not is counted and said."""

import asyncio
import io
import json
import multiprocessing
import os
import threading
import wsgiref.util
import wsgiref.validate
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_privacy_meter import InputError
from ml_privacy_meter.monitoring import QueryLog, asgi, monitor, querylog, wsgi

ASKED = {"record": {"x": [1, 2.5]}}
FOUND = {"features": "record.x", "answer": "label"}


def lines(log: QueryLog) -> list[dict]:
    log.close()
    return [json.loads(line) for line in log.path.read_text(encoding="utf-8").splitlines()]


class Chunks:
    """What a WSGI application may return: chunks, and a close that must be called."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks, self.closed = chunks, 0

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.chunks)

    def close(self) -> None:
        self.closed += 1


def served(environ, start_response):
    """Answers with what it read; validated as WSGI by the standard library."""
    size = int(environ["CONTENT_LENGTH"])
    body = environ["wsgi.input"].read(size)
    start_response(environ.get("status", "200 OK"), [("Content-Type", "application/json")])
    return [json.dumps({"label": 1, "bytes": len(body)}).encode()]


def ask(app, body: bytes, *, path: str = "/predict", **more) -> tuple[str, bytes]:
    environ = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body)), "PATH_INFO": path, "REMOTE_ADDR": "9.9.9.9"}
    environ |= {"wsgi.input": io.BytesIO(body), "QUERY_STRING": "", "SCRIPT_NAME": "", **more}
    wsgiref.util.setup_testing_defaults(environ)
    told = []
    result = app(environ, lambda status, headers, *rest: told.append(status) or (lambda data: None))
    try:
        answer = b"".join(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    return told[0], answer


def test_a_wsgi_service_answers_the_same_and_its_query_is_logged(tmp_path):
    log = QueryLog(tmp_path / "log.jsonl", **FOUND)
    body = json.dumps(ASKED).encode()
    assert ask(wsgi(served, log), body) == ask(served, body)
    (line,) = lines(log)
    assert line.pop("time") > 1e9
    assert line == {"client": "9.9.9.9", "x": [1, 2.5], "answer": 1}


def test_it_is_wsgi_on_either_side(tmp_path):
    log = QueryLog(tmp_path / "log.jsonl", **FOUND)
    app = wsgiref.validate.validator(wsgi(wsgiref.validate.validator(served), log))
    status, _ = ask(app, json.dumps(ASKED).encode())
    assert status == "200 OK"
    assert len(lines(log)) == 1


@pytest.mark.parametrize("how", ["read", "readline", "readlines", "iterate"])
def test_the_body_is_kept_however_it_is_read_and_chunks_however_they_come(tmp_path, how):
    chunks = Chunks(b'{"label"', b": 2}")

    def app(environ, start_response):
        source = environ["wsgi.input"]
        if how == "iterate":
            list(source)
        elif how == "readlines":
            source.readlines()
        else:
            while getattr(source, how)(7):
                pass
        start_response("200 OK", [])
        return chunks

    log = QueryLog(tmp_path / "log.jsonl", **FOUND)
    assert ask(wsgi(app, log), json.dumps(ASKED, indent=1).encode()) == ("200 OK", b'{"label": 2}')
    assert chunks.closed == 1
    assert [(one["x"], one["answer"]) for one in lines(log)] == [([1, 2.5], 2)]


def test_an_answer_that_was_not_taken_to_its_end_is_counted(tmp_path):
    chunks = Chunks(b'{"label"', b": 2}")

    def app(environ, start_response):
        environ["wsgi.input"].read()
        start_response("200 OK", [])
        return chunks

    log = QueryLog(tmp_path / "log.jsonl", **FOUND)
    environ = {"wsgi.input": io.BytesIO(json.dumps(ASKED).encode()), "REMOTE_ADDR": "9.9.9.9"}
    result = wsgi(app, log)(environ, lambda *told: None)
    next(iter(result))
    result.close()
    log.close()
    assert chunks.closed == 1
    assert log.missed == {querylog.NO_JSON: 1}


def test_only_answers_and_named_paths_are_logged(tmp_path):
    log = QueryLog(tmp_path / "log.jsonl", **FOUND)
    body, app = json.dumps(ASKED).encode(), wsgi(served, log, paths=["/predict"])
    ask(app, body, path="/health")
    ask(app, body, status="500 Oh")
    ask(app, b"")
    ask(app, body)
    assert len(lines(log)) == 1
    assert not log.missed


def test_an_error_of_the_application_is_its_own(tmp_path):
    def app(environ, start_response):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ask(wsgi(app, QueryLog(tmp_path / "log.jsonl")), b"{}")


@pytest.mark.parametrize(
    ("settings", "body", "client", "why"),
    [
        ({}, b"no JSON", None, querylog.NO_JSON),
        ({}, b"[" * 100_000, None, querylog.NO_JSON),
        ({}, b'{"record": {"x": ["text"]}}', None, querylog.NO_FEATURES),
        ({}, b'{"record": {"x": [1e999]}}', None, querylog.NO_FEATURES),
        ({"features": lambda body: 1 / 0}, b"{}", None, querylog.NO_FEATURES),
        ({"batch": True}, json.dumps(ASKED).encode(), None, querylog.NO_ANSWERS),
        ({"most_bytes": 5}, json.dumps(ASKED).encode(), None, "request or response longer than is kept"),
        ({}, json.dumps(ASKED).encode(), lambda environ: environ["NOBODY"], "it could not be told who asked"),
    ],
)
def test_what_cannot_be_logged_is_counted_and_the_service_answers(tmp_path, settings, body, client, why):
    log = QueryLog(tmp_path / "log.jsonl", **(FOUND | settings))
    app = wsgi(served, log, client=client)
    assert ask(app, body) == ask(served, body)
    assert ask(wsgi(served, log), b'{"record": {"x": 7}}')[0] == "200 OK"
    log.close()
    assert log.missed[why] >= 1
    assert any(why in line.get("missed", {}) for line in lines(log))


def test_a_full_queue_costs_queries_and_not_time(tmp_path, monkeypatch):
    begin = threading.Event()
    log = QueryLog(tmp_path / "log.jsonl", waiting=3, **FOUND)
    write = log._write
    monkeypatch.setattr(log, "_write", lambda some: begin.wait(60) and write(some))
    for _ in range(600):
        log.put(0.0, "a", json.dumps(ASKED).encode(), b'{"label": 1}')
    missed = log.missed[querylog.FULL]
    assert missed >= 600 - 2 * querylog.TOGETHER - 3
    begin.set()
    found = lines(log)
    assert sum("x" in line for line in found) == 600 - missed
    assert sum(line["missed"][querylog.FULL] for line in found if "missed" in line) == missed
    unread = monitor(log.path, budget=10_000).document["about"]["unread"]
    assert unread == ([{"why": querylog.FULL, "queries": missed}] if missed else [])


def test_a_disk_that_takes_nothing_costs_queries_and_not_answers(tmp_path):
    (tmp_path / "log.jsonl").mkdir()
    log = QueryLog(tmp_path / "log.jsonl", **FOUND)
    assert ask(wsgi(served, log), json.dumps(ASKED).encode())[0] == "200 OK"
    log.close()
    assert log.missed == {querylog.NO_WRITING: 1}
    (tmp_path / "log.jsonl").rmdir()
    ask(wsgi(served, log), json.dumps(ASKED).encode())
    assert [line.get("missed") for line in lines(log)] == [None, {querylog.NO_WRITING: 1}]


def test_a_log_that_was_moved_away_begins_anew(tmp_path):
    log, body = QueryLog(tmp_path / "log.jsonl", **FOUND), json.dumps(ASKED).encode()
    for name in ("old", "older"):
        ask(wsgi(served, log), body)
        log.close()
        log.path.rename(tmp_path / name)
    assert all(len((tmp_path / name).read_text().splitlines()) == 1 for name in ("old", "older"))
    assert (tmp_path / "old").stat().st_mode & 0o077 == 0  # nobody else reads what people asked


def test_batches_are_queries_of_their_own_and_digests_hold_no_features(tmp_path):
    log = QueryLog(tmp_path / "log.jsonl", features="rows", answer="labels", batch=True, digest=True)
    for row in ([1, 2], [3, 4]):
        log.put(0.0, "a", json.dumps({"rows": [row, [1, 2]]}).encode(), b'{"labels": [0, 1]}')
    found = lines(log)
    assert [line["answer"] for line in found] == [0, 1, 0, 1]
    digests = [line["digest"] for line in found]
    assert digests[0] == digests[1] == digests[3] != digests[2]
    assert all("x" not in line for line in found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_that_was_forked_writes_its_own_lines(tmp_path):
    log, body = QueryLog(tmp_path / "log.jsonl", **FOUND), json.dumps(ASKED).encode()
    ask(wsgi(served, log), body)

    def child() -> None:
        ask(wsgi(served, log), body)
        log.close()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert len(lines(log)) == 2


async def answers(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b'{"label"', "more_body": True})
    await send({"type": "http.response.body", "body": b': "cat"}'})
    if scope.get("fails"):
        raise KeyError("mine")


def ask_asgi(app, *parts: bytes, **scope) -> list[dict]:
    sent, waiting = [], list(parts)

    async def receive():
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": "http", "path": "/", "client": ("9.9.9.9", 1), **scope}, receive, send))
    return sent


def test_an_asgi_service_answers_the_same_and_its_query_is_logged(tmp_path):
    log, body = QueryLog(tmp_path / "log.jsonl", **FOUND), json.dumps(ASKED).encode()
    assert ask_asgi(asgi(answers, log), body[:5], body[5:]) == ask_asgi(answers, body)
    assert ask_asgi(asgi(answers, log, client=lambda scope: scope["path"]), body)
    with pytest.raises(KeyError, match="mine"):
        ask_asgi(asgi(answers, log), body, fails=True)
    assert [(one["client"], one["x"], one["answer"]) for one in lines(log)] == [
        ("9.9.9.9", [1, 2.5], "cat"),
        ("/", [1, 2.5], "cat"),
        ("9.9.9.9", [1, 2.5], "cat"),
    ]


def test_what_is_no_request_passes_by(tmp_path):
    called = []

    async def app(scope, receive, send):
        called.append((scope, receive, send))

    log = QueryLog(tmp_path / "log.jsonl")
    asyncio.run(asgi(app, log)({"type": "lifespan"}, 1, 2))
    asyncio.run(asgi(app, log, paths=["/predict"])({"type": "http", "path": "/"}, 1, 2))
    assert called == [({"type": "lifespan"}, 1, 2), ({"type": "http", "path": "/"}, 1, 2)]


def test_mistakes_are_told_before_anything_is_served(tmp_path):
    with pytest.raises(InputError, match="JMESPath"):
        QueryLog(tmp_path / "log.jsonl", features="a[")
    with pytest.raises(InputError, match="folder must be there"):
        QueryLog(Path(tmp_path / "none" / "log.jsonl"))
    with pytest.raises(InputError, match="1 or more"):
        QueryLog(tmp_path / "log.jsonl", waiting=0)
