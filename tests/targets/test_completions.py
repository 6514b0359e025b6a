"""A language model behind HTTP says the same as the one that answers there."""

import json
import math
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
import torch
from texts import BEGIN, frame, language_model, learned, sentences

import ml_privacy_meter as pm
from ml_privacy_meter import signals
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership import threshold
from ml_privacy_meter.targets import open_model

for needed in ("httpx", "tenacity", "jmespath"):
    pytest.importorskip(needed)
MODEL = language_model(seed=4)


def echoed(body, model=MODEL):
    """As OpenAI's completions answer: the first token without a probability, then each with that of the likeliest."""
    assert body["echo"]
    assert body["max_tokens"] == 0
    choices = []
    for index, text in enumerate(body["prompt"]):
        with torch.no_grad():
            every = model.module(torch.tensor([[BEGIN, *text.encode()]]))[0, 1:].log_softmax(-1)
        lp = [None, *(float(every[at, token]) for at, token in enumerate(text.encode()[1:]))]
        top = [None, *({str(int(row.argmax())): float(row.max())} for row in every[:-1])]
        said = {"tokens": list(text), "token_logprobs": lp, "top_logprobs": top, "text_offset": list(range(len(text)))}
        choices.append({"index": index, "text": text, "logprobs": said})
    return {"choices": choices[::-1]}


@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        answer = staticmethod(echoed)
        asked: ClassVar[list] = []

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.asked.append(body)
            content = json.dumps(type(self).answer(body)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    here = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=here.serve_forever, daemon=True).start()
    here.url, here.handler = f"http://127.0.0.1:{here.server_port}/v1/completions", Handler
    yield here
    here.shutdown()
    here.server_close()


TEXTS = sentences(6)


def test_it_says_what_the_model_says(server):
    served = open_model(server.url, request={"model": "small"}).inner
    scored = served.token_logprobs(TEXTS)
    own = MODEL.token_logprobs(TEXTS)
    for row, text in enumerate(TEXTS):
        size = len(text) - 1
        assert torch.allclose(scored.log_probability[row, :size], own.log_probability[row, 1 : size + 1], atol=1e-5)
        assert torch.equal(scored.rank[row, :size] == 0, own.rank[row, 1 : size + 1] == 0)
        assert int(scored.count[row]) == size
    assert server.handler.asked[0]["model"] == "small"


def test_what_stands_before_is_not_scored(server):
    served = open_model(server.url).inner
    scored = served.token_logprobs(["house"], "the old ")
    alone = MODEL.token_logprobs(["house"])
    assert int(scored.count[0]) == 5
    assert not torch.allclose(scored.log_probability, alone.log_probability, atol=1e-2)


def test_a_server_that_does_not_echo_is_refused(server):
    server.handler.answer = staticmethod(lambda body: {"choices": [{"text": ""} for _ in body["prompt"]]})
    with pytest.raises(InputError, match="must echo each of 6 prompts with the log-probabilities"):
        open_model(server.url).inner.token_logprobs(TEXTS)


def test_an_audit_asks_for_each_text_once_and_leaves_out_what_it_cannot_know(server, monkeypatch):
    own = sentences(24, seed=1)
    model = learned(own, epochs=30, model=language_model(context=512))
    server.handler.answer = staticmethod(lambda body: echoed(body, model))
    server.handler.asked.clear()
    report = pm.audit(server.url, frame(own), frame(sentences(24, seed=2)))
    names = {finding.attack for finding in report.findings}
    assert "threshold(signal=min_k)" in names
    assert not any("min_k_plus_plus" in name for name in names)
    assert all(not finding.failed for finding in report.findings)
    found = {finding.attack: finding.risks[0].value for finding in report.findings}
    assert found["threshold"] > 0.8
    asked = [text for body in server.handler.asked for text in body["prompt"]]
    assert len(asked) == len(set(asked))
    assert math.isfinite(report.about["member_accuracy"])


def test_what_it_cannot_know_is_refused_by_name(server):
    attacks = [threshold, partial(threshold, signal=signals.min_k_plus_plus)]
    report = pm.audit(server.url, frame(sentences(20, 1)), frame(sentences(20, 2)), attacks=attacks)
    assert "whole vocabulary" in report.findings[1].failed
