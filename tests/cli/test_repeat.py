"""The run file that a report shows: it repeats the audit, and holds no secret."""

import hashlib
import tomllib
from pathlib import Path

import pytest
from cli.desk import AUDIT, RUN_FILE, Desk, lasting
from cli.service import Service

from ml_privacy_meter.cli.repeat import HIDDEN, run_file


@pytest.fixture
def ready(desk: Desk) -> Desk:
    desk.bring("model.pt2", "train.npz", "test.npz")
    return desk


def test_what_options_asked_for_is_repeated_by_the_run_file_in_the_report(ready: Desk) -> None:
    options = ("--model", "model.pt2", "--fpr", "0.2", "--confidence", "0.9", "--seed", "3", "--attack", "gap")
    first = ready.reports(*AUDIT, *options)
    ready.write("again.toml", first["paths"]["run_file"].replace('out = "report"', 'out = "again"'))
    again = ready.reports("run", "again.toml", folder="again")
    assert lasting(again) == lasting(first)
    assert "To repeat it" in (ready.folder / "report" / "index.html").read_text()


def test_files_are_named_by_their_hashes(ready: Desk) -> None:
    found = ready.reports(*AUDIT, "--model", "model.pt2")["about"]["sha256"]
    files = {"model": "model.pt2", "members": "train.npz", "non_members": "test.npz"}
    assert found == {
        name: hashlib.sha256((ready.folder / file).read_bytes()).hexdigest() for name, file in files.items()
    }
    assert all(value in (ready.folder / "report" / "index.html").read_text() for value in found.values())


def test_secrets_of_a_service_stay_out_of_the_report(
    desk: Desk, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.bring("train.npz", "test.npz")
    monkeypatch.setenv("TOKEN", "s3cret")
    model = f"""
path = "{service.url}"
headers = {{ Authorization = "Bearer ${{TOKEN}}", X-Mine = "pass1234" }}
request = {{ inputs = "$records", api_key = "pass1234" }}
response = "scores"
"""
    desk.write("audit.toml", RUN_FILE.replace('path = "model.pt2"', model))
    desk.reports("run", "audit.toml")
    assert service.headers["X-Mine"] == "pass1234"
    told = "".join(path.read_text() for path in desk.folder.glob("report/*.[jmh]*"))
    assert "s3cret" not in told
    assert "pass1234" not in told
    shown = tomllib.loads(desk.report()["paths"]["run_file"])["model"]
    assert shown["headers"] == {"Authorization": "Bearer ${TOKEN}", "X-Mine": HIDDEN}
    assert shown["request"] == {"inputs": "$records", "api_key": HIDDEN}


def test_secrets_are_left_out_of_addresses_and_of_requests_in_text() -> None:
    model = {
        "path": "https://me:pass1234@host:8000/answer?key=pass1234&v=1",
        "request": '{"inputs": "$records", "auth": {"user": "pass1234"}, "token": "$records"}',
    }
    text = run_file({"out": Path("report"), "model": model, "run": {}})
    assert "pass1234" not in text
    shown = tomllib.loads(text)
    assert shown["model"]["path"] == f"https://{HIDDEN}@host:8000/answer?{HIDDEN}"
    assert shown["model"]["request"] == f'{{"inputs": "$records", "auth": {{"user": "{HIDDEN}"}}, "token": "$records"}}'
    assert "run" not in shown


@pytest.mark.parametrize("request_", ["$records", '["$record"]', '{"a": ${N}}', "no JSON"])
def test_a_request_that_cannot_be_read_costs_no_audit(request_: str) -> None:
    shown = tomllib.loads(run_file({"model": {"path": "http://h/", "request": request_}}))["model"]["request"]
    assert shown in (request_, HIDDEN)


@pytest.mark.parametrize(
    "secret",
    [
        {"model": {"headers": {"X": "hunter2 ${X}"}}},
        {"model": {"pwd": "hunter2"}},
        {"model": {"more": ["Bearer hunter2"]}},
        {"model": {"request": '{"keep": "Basic hunter2"}'}},
        {"assessment": {"purpose": "See https://u:hunter2@h/x?k=hunter2 for it. And more."}},
    ],
)
def test_secrets_in_other_places_are_left_out_as_well(secret: dict) -> None:
    shown = run_file(secret)
    assert "hunter2" not in shown
    assert ("And more." in shown) == ("assessment" in secret)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("https://h/services/T000/B000/xoxb4Tz9QqWv8RtYu2", f"https://h/services/T000/B000/{HIDDEN}"),
        ("https://h/bot123456:ABCdef123ghIkl4zyx57W2v1u123/send", f"https://h/{HIDDEN}/send"),
        ("https://h/0f8fad5b-d9cb-469f-a165-70867728950e", f"https://h/{HIDDEN}"),
        ("https://h/v1/models/llama-3-70b-instruct:predict", "https://h/v1/models/llama-3-70b-instruct:predict"),
        ("https://h/internationalisation/2026-11-22", "https://h/internationalisation/2026-11-22"),
    ],
)
def test_a_part_of_a_path_that_nobody_would_have_made_up_is_left_out(path: str, shown: str) -> None:
    assert tomllib.loads(run_file({"model": {"path": path}}))["model"]["path"] == shown


@pytest.mark.parametrize(
    "name",
    ["max_tokens", "maxTokens", "max_new_tokens", "stop_tokens", "n_tokens", "tokenizer", "keys", "keywords", "author"],
)
def test_a_setting_that_only_sounds_like_a_secret_is_shown(name: str) -> None:
    request = {name: 7, "inner": {name: "seven"}}
    assert tomllib.loads(run_file({"model": {"request": request}}))["model"]["request"] == request


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "apikey", "api_keys", "API-Key", "key", "token", "tokens", "access_tokens", "accessToken"),
        *("password", "pass", "pwd", "authorization", "Authorisation", "auth", "max_tokens_key", "secret_max_tokens"),
        *("admin_tokens", "max_access_tokens", "new_tokens"),
        *("client_secret", "credentials", "session_id", "cookie", "signature", "jwt", "bearer", "tokenizer_password"),
    ],
)
def test_what_is_named_like_a_secret_is_left_out(name: str) -> None:
    for value in ("hunter2", 1234567, ["hunter2"], {"a": "hunter2"}):
        shown = run_file({"model": {"request": {name: value}}})
        assert "hunter2" not in shown
        assert "1234567" not in shown
        assert HIDDEN in shown


def test_where_a_secret_is_may_be_said() -> None:
    shown = run_file({"model": {"headers": {"Authorization": "Bearer ${TOKEN}"}}})
    assert "Bearer ${TOKEN}" in shown
