"""A black-box model behind HTTP, against a real server in a thread."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from targets.worlds_of_models import both, records

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets import Target, fit, open_model
from ml_privacy_meter.targets.service import Service
from ml_privacy_meter.types import Records

WEIGHTS = torch.randn(5, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
Reply = tuple[int, bytes, dict[str, str]]


def answer(rows: list[list[float]]) -> list[list[float]]:
    return (torch.tensor(rows, dtype=torch.float64) @ WEIGHTS).tolist()


def ok(body: dict[str, Any]) -> Reply:
    rows = body["inputs"] if "inputs" in body else [body["input"]]
    return 200, json.dumps({"result": {"scores": answer(rows)}}).encode(), {}


class Server:
    """Answers requests one after the other with ``replies``, then with `ok`; remembers what it was asked."""

    def __init__(self) -> None:
        self.replies: list[Callable[[dict[str, Any]], Reply] | None] = []
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(body)
                outer.headers.append(dict(self.headers))
                outer.times.append(time.monotonic())
                reply = outer.replies.pop(0) if outer.replies else ok
                if reply is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                status, content, headers = reply(body)
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(content))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(content)
                except OSError:
                    self.close_connection = True  # who asked has gone

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *args: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1/predict"

    @property
    def records(self) -> int:
        return sum(len(body["inputs"]) if "inputs" in body else 1 for body in self.asked)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


BATCHES = {"request": {"inputs": "$records", "model": "m"}, "response": "result.scores", "backoff": 0.001}


def opened(server: Server, **settings: Any) -> Any:
    return open_model(server.url, **(BATCHES | settings))


def fitted(server: Server, **settings: Any) -> tuple[Target, Records]:
    target, members, _ = fit(opened(server, **settings), *both())
    return target, members


def status(code: int, content: bytes = b"no", **headers: str) -> Callable[[dict[str, Any]], Reply]:
    return lambda body: (code, content, headers)


def says(content: Any) -> Callable[[dict[str, Any]], Reply]:
    return status(200, content if isinstance(content, bytes) else json.dumps(content).encode())


def expected(members: Records, size: int) -> torch.Tensor:
    return members.x[0:size].double() @ WEIGHTS


def test_a_batch_is_asked_in_the_shape_of_the_request(server: Server) -> None:
    target, members = fitted(server, batch_size=8, headers={"Authorization": "Bearer secret"})
    torch.testing.assert_close(target(members.x[0:40]), expected(members, 40))
    assert all(body["model"] == "m" and len(body["inputs"]) <= 8 for body in server.asked)
    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert target.access == "outputs"
    assert "black-box model at http://127.0.0.1" in target.says
    assert "secret" not in target.says


def test_a_part_of_the_address_that_looks_like_a_key_is_not_said() -> None:
    service = Service("https://me:pass@host:8000/v1/x0x4Tz9QqWv8RtYu2/classify?key=1", "$records")
    assert service.shown == "https://host:8000/v1/(left out)/classify"


def test_records_can_be_asked_one_at_a_time(server: Server) -> None:
    target, members = fitted(server, request='{"input": "$record"}', response="result.scores[0]")
    torch.testing.assert_close(target(members.x[0:3]), expected(members, 3))
    assert all("input" in body for body in server.asked)


def test_no_record_is_asked_twice(server: Server) -> None:
    answers: dict[str, list[float]] = {}
    target, members = fitted(server, answers=answers)
    assert server.records == 64
    doubled = torch.cat([members.x[0:40], members.x[0:40]])
    torch.testing.assert_close(target(doubled)[40:], expected(members, 40))
    assert server.records == 64 + 8
    again, _ = fitted(server, answers=answers)
    again(members.x[0:40])
    assert server.records == 64 + 8
    assert again.key == target.key


def test_another_request_or_response_is_another_answer(server: Server) -> None:
    answers: dict[str, list[float]] = {}
    fitted(server, answers=answers)
    target, members = fitted(server, answers=answers, response="result.scores[*].[[2], [0], [1]]")
    torch.testing.assert_close(target(members.x[0:3]), expected(members, 3)[:, [2, 0, 1]])


def test_duplicates_inside_a_batch_are_asked_once(server: Server) -> None:
    row = torch.ones(40, 5)
    fit(opened(server), records(row, torch.arange(40) % 3), records(row + 1, torch.arange(40) % 3))
    assert server.records == 2


def test_a_service_that_fails_for_a_while_is_asked_again(server: Server) -> None:
    cut = says(b'{"result": {"scores": [[0.1')
    server.replies = [status(500), status(503), status(429), cut, None, status(502)]
    target, members = fitted(server)
    torch.testing.assert_close(target(members.x[0:3]), expected(members, 3))
    assert server.asked[0] == server.asked[6]


def test_retry_after_is_honoured(server: Server) -> None:
    server.replies = [status(429, **{"Retry-After": "0.3"})]
    fitted(server)
    assert server.times[1] - server.times[0] >= 0.3


def test_a_wait_grows_and_is_capped_and_heeds_a_date() -> None:
    from datetime import UTC, datetime, timedelta
    from email.utils import format_datetime

    from ml_privacy_meter.targets.url import _AgainError, _pause, _seconds

    assert 0.25 <= _pause(_AgainError(""), 0.5, 1) <= 0.5
    assert 2.0 <= _pause(_AgainError(""), 0.5, 4) <= 4.0
    assert _pause(_AgainError(""), 0.5, 99) <= 60.0
    assert _pause(_AgainError("", 7.0), 0.5, 1) == 7.0
    assert 50 < _seconds(format_datetime(datetime.now(UTC) + timedelta(seconds=60))) <= 60
    assert _seconds("soon") == _seconds("nan") == _seconds("-3") == 0.0
    assert _seconds("1e9") == 600.0


def test_a_failure_midway_keeps_the_answers_and_the_next_run_goes_on(server: Server) -> None:
    answers: dict[str, list[float]] = {}
    server.replies = [ok, ok, *[status(500)] * 3]
    with pytest.raises(InputError) as refusal:
        fitted(server, answers=answers, batch_size=8, retries=2)
    text = str(refusal.value)
    assert "/v1/predict` must answer; at attempt 3 it answered with the status 500" in text
    assert "answers for 16 records are kept: the same command goes on" in text
    seen = server.records
    target, members = fitted(server, answers=answers, batch_size=8)
    assert server.records - seen == 64 - 16
    torch.testing.assert_close(target(members.x[0:20]), expected(members, 20))


def test_an_interrupt_keeps_every_answer_that_came(server: Server) -> None:
    class Stops(dict[str, list[float]]):
        def update(self, *args: Any, **more: Any) -> None:
            super().update(*args, **more)
            if sum(len(row) == 3 for row in self.values()) == 24:
                raise KeyboardInterrupt

    answers = Stops()
    with pytest.raises(KeyboardInterrupt):
        fitted(server, answers=answers, batch_size=8)
    fitted(server, answers=dict(answers), batch_size=8)
    assert server.records == 64


def test_a_service_that_never_answers_is_given_up(server: Server) -> None:
    def slow(body: dict[str, Any]) -> Reply:
        time.sleep(0.4)
        return ok(body)

    server.replies = [slow, slow]
    with pytest.raises(InputError, match=r"no answer within 0\.1 s.*no store was given"):
        fitted(server, timeout=0.1, retries=1)


def test_a_service_that_is_not_there_is_given_up() -> None:
    with pytest.raises(InputError, match="could not be reached"):
        fit(open_model("http://127.0.0.1:9/x", **(BATCHES | {"retries": 1})), *both())


def test_a_refused_request_is_not_sent_again(server: Server) -> None:
    server.replies = [status(403, b"who are you?")]
    with pytest.raises(InputError, match=r"status 403: 'who are you\?'.*`headers`"):
        fitted(server)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>hello</html>", "must answer in JSON, found '<html>"),
        ({"result": {}}, "for each of 32 records at `result.scores`, found null"),
        ({"result": {"scores": [[1.0, 2.0]]}}, "for each of 32 records"),
        ({"result": {"scores": [["a", "b"]] * 32}}, "finite numbers"),
        ({"result": {"scores": [[1.0, float("nan")]] * 32}}, "finite numbers"),
        ({"result": {"scores": [[True, False]] * 32}}, "finite numbers"),
        ({"result": {"scores": [[]] * 32}}, "finite numbers"),
        ({"result": {"scores": "high"}}, 'found "high"'),
        ({"result": {"scores": [[1.0, 2.0]] * 31 + [[1.0]]}}, "as many numbers, found 1 and 2"),
    ],
)
def test_garbage_is_refused_with_what_came(server: Server, content: Any, words: str) -> None:
    server.replies = [says(content)]
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        fitted(server)
    assert len(server.asked) == 1


def test_one_number_a_record_is_a_single_output(server: Server) -> None:
    def one(body: dict[str, Any]) -> Reply:
        return (200, json.dumps({"result": {"scores": [row[0] for row in answer(body["inputs"])]}}).encode(), {})

    server.replies = [one] * 9
    target, members, _ = fit(opened(server), *both(classes=2))
    torch.testing.assert_close(target(members.x[0:3])[:, 1], expected(members, 3)[:, 0])


def test_a_budget_that_does_not_suffice_is_said_before_anything_is_sent(server: Server) -> None:
    answers: dict[str, list[float]] = {}
    with pytest.raises(InputError, match=r"budget of 79 .* 0 were asked, 80 are still needed"):
        fitted(server, budget=79, answers=answers)
    assert server.asked == []
    target, members = fitted(server, budget=80, answers=answers)
    target(members.x[0:40])
    target, _ = fitted(server, budget=80, answers=answers)
    with pytest.raises(InputError, match="72 were asked, 9 are still needed"):
        target(torch.ones(9, 5) * torch.arange(9)[:, None])
    assert server.records == 72


def test_records_that_were_sent_in_vain_count_too(server: Server) -> None:
    answers: dict[str, list[float]] = {}
    server.replies = [None]
    with pytest.raises(InputError, match="broke off"):
        fitted(server, budget=100, answers=answers, retries=0)
    with pytest.raises(InputError, match="32 were asked, 80 are still needed"):
        fitted(server, budget=100, answers=answers)


def test_the_rate_is_kept(server: Server) -> None:
    fitted(server, rate=50, batch_size=8)
    assert len(server.times) == 8
    assert server.times[-1] - server.times[0] >= 7 / 50 - 0.01


def test_columns_are_sent_by_name(server: Server) -> None:
    def named(body: dict[str, Any]) -> Reply:
        return ok({"inputs": [list(row.values())[:5] for row in body["inputs"]]})

    class Frame:
        def __init__(self, of: pd.DataFrame) -> None:
            self.of = of

        def __len__(self) -> int:
            return len(self.of)

        def __getitem__(self, index: slice | np.ndarray) -> pd.DataFrame:
            return self.of.iloc[index]

    server.replies = [named] * 9
    sets = [records(Frame(pd.DataFrame(r.x.numpy(), columns=list("abcde")).assign(t="Ulm")), r.y) for r in both()]
    target, members, _ = fit(opened(server), *sets)
    assert list(server.asked[0]["inputs"][0]) == ["a", "b", "c", "d", "e", "t"]
    assert server.asked[0]["inputs"][0]["t"] == "Ulm"
    torch.testing.assert_close(target(members.x[0:3]), expected(both()[0], 3))


def test_records_that_json_cannot_hold_are_refused(server: Server) -> None:
    members, others = both()
    others.x[1, 1] = torch.inf
    with pytest.raises(InputError, match="finite numbers or strings"):
        fit(opened(server), members, others)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"request": {"inputs": "records"}}, r'must hold "\$records"'),
        ({"request": None}, r'must hold "\$records"'),
        ({"request": {"a": "$record", "b": "$records"}}, r'must hold "\$records"'),
        ({"request": "{not json"}, "`request` must be JSON"),
        ({"response": "a["}, "JMESPath"),
        ({"batch_size": 0}, "`batch_size` must lie"),
        ({"timeout": 0}, "`timeout` must lie"),
        ({"rate": -1}, "`rate` must lie"),
        ({"retries": -1}, "`retries` must lie"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(server: Server, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        opened(server, **settings)
    assert server.asked == []
