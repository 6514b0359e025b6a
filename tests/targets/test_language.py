"""A language model says of each token the same, whatever it is asked together with."""

import itertools
import math

import pytest
import torch
from texts import BEGIN, Bytes, frame, language_model, learned, sentences
from torch import nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records import as_records
from ml_privacy_meter.targets import LanguageModel, fit, language, open_model, texts


def _one_by_one(model, texts, prefix=None):
    """The plain way: one text at a time, window after window."""
    found = []
    for row, text in enumerate(texts):
        before = [] if prefix is None else list(prefix[row].encode())
        ids, done, scores = before + list(text.encode()), len(before), []
        while done < len(ids):
            end = min(len(ids), max(done + model.context // 2, model.context))
            begin = max(0, end - model.context)
            with torch.no_grad():
                logits = model.module(torch.tensor([[model.begin, *ids[begin : end - 1]]]))[0]
            every = logits.log_softmax(-1)
            for at in range(done, end):
                said, share = every[at - begin], every[at - begin].exp()
                true = said[ids[at]]
                mean = (share * said).sum()
                deviation = math.sqrt((share * said.square()).sum() - mean.square())
                scores.append([float(true), float(mean), deviation, float((said > true).sum())])
            done = end
        found.append(torch.tensor(scores))
    return found


TEXTS = [*sentences(9, words=5), "a", " ".join(sentences(8, seed=1))]


@pytest.mark.parametrize("prefixed", [False, True])
@pytest.mark.parametrize("at_once", [1, 2**13, 2**24])
def test_scores_are_those_of_one_text_at_a_time(monkeypatch, at_once, prefixed):
    monkeypatch.setattr(language, "LOGITS", at_once)
    monkeypatch.setattr(language, "AT_ONCE", 2**11)
    model = language_model(context=48)
    prefix = [text[::-1] for text in TEXTS] if prefixed else None
    scored = model.token_logprobs(TEXTS, prefix)
    assert scored.count.tolist() == [len(text) for text in TEXTS]
    for row, wanted in enumerate(_one_by_one(model, TEXTS, prefix)):
        found = scored.stacked()[row]
        assert torch.allclose(found[: len(wanted)], wanted, atol=1e-5)
        assert (found[len(wanted) :] == torch.tensor([0, 0, -1, 0])).all()
        assert scored.tokens[row, : len(wanted)].tolist() == list(TEXTS[row].encode())


def test_one_prefix_serves_all_texts():
    model = language_model()
    one, each = (model.token_logprobs(TEXTS[:3], prefix) for prefix in ("so: ", ["so: "] * 3))
    assert torch.equal(one.log_probability, each.log_probability)
    assert not torch.allclose(one.log_probability, model.token_logprobs(TEXTS[:3]).log_probability)


def test_a_first_token_has_a_probability_too():
    model = language_model()
    with torch.no_grad():
        wanted = model.module(torch.tensor([[BEGIN]]))[0, 0].log_softmax(-1)[ord("h")]
    assert float(model.token_logprobs(["h"]).log_probability[0, 0]) == pytest.approx(float(wanted), abs=1e-6)


def test_tokens_that_are_ruled_out_weigh_nothing():
    class Ruled(nn.Module):
        def forward(self, ids):
            logits = torch.zeros(*ids.shape, 257)
            logits[..., 2:] = -math.inf
            return logits

    model = LanguageModel(Ruled(), Bytes(), begin=BEGIN, context=16)
    scored = model.scored([[0, 1]])
    assert scored.mean[0].tolist() == pytest.approx([-math.log(2)] * 2)
    assert scored.deviation[0].tolist() == pytest.approx([0.0, 0.0])


def test_next_tokens_are_given_in_log_probabilities():
    model = language_model()
    found = model.next_logprobs([[], list(b"the"), list(b"a" * 500)])
    assert found.shape == (3, 257)
    assert found.exp().sum(1).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    scored = model.token_logprobs(["them"])
    assert float(found[1, ord("m")]) == pytest.approx(float(scored.log_probability[0, 3]), abs=1e-5)


def test_the_module_is_asked_as_it_is_in_use_and_left_as_it_was():
    model = language_model()
    model.module.add_module("dropout", nn.Dropout(0.9))
    plain = model.module.forward
    model.module.forward = lambda ids: model.module.dropout(plain(ids))
    model.module.train()
    one, two = (model.token_logprobs(TEXTS[:2]).log_probability for _ in range(2))
    assert torch.equal(one, two)
    assert model.module.training
    assert not one.requires_grad


def test_a_text_without_tokens_is_refused():
    with pytest.raises(InputError, match=r"at least one token, found none in text 1"):
        language_model().token_logprobs(["a", ""])
    with pytest.raises(InputError, match="one prefix for each text"):
        language_model().token_logprobs(["a", "b"], ["c"])


def test_an_encoder_reads_what_stands_before():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"vocab_size": 257, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
    config = transformers.T5Config(**sizes, decoder_start_token_id=BEGIN, pad_token_id=0, eos_token_id=1)
    module = transformers.T5ForConditionalGeneration(config).eval()
    model = LanguageModel(module, Bytes(), begin=BEGIN, context=128, encoder=True)
    texts, before = sentences(6), sentences(6, seed=5, words=3)
    together = model.token_logprobs(texts, before).log_probability
    for row, (text, prefix) in enumerate(zip(texts, before, strict=True)):
        alone = model.token_logprobs([text], [prefix]).log_probability[0]
        assert torch.allclose(together[row, : len(alone)], alone, atol=1e-5)
    assert not torch.allclose(together, model.token_logprobs(texts, before[::-1]).log_probability, atol=1e-3)


def test_texts_become_records_with_their_tokens_as_labels():
    model = language_model()
    sides = [as_records(frame(sentences(20, seed)), name=name) for seed, name in enumerate(("members", "others"))]
    target, members, others = fit(open_model(model), *sides)
    assert members.labels.shape == (20, max(len(text) for seed in (0, 1) for text in sentences(20, seed)))
    assert bytes(members.labels[0][members.labels[0] >= 0].tolist()).decode() == sentences(20)[0]
    outputs = target(others.x[slice(0, 20)])
    assert torch.equal((outputs[..., 2] >= 0), others.labels >= 0)
    assert "outputs read as what it says of each token" in target.says


def test_texts_without_tokens_or_with_too_many_are_refused(monkeypatch):
    monkeypatch.setattr(texts, "MOST", 30)
    sides = [as_records(frame(sentences(20, seed, words=3)), name="some") for seed in (0, 1)]
    fit(open_model(language_model()), *sides)
    for said, found in (("", 0), ("a" * 31, 31)):
        wrong = as_records(frame([*sentences(19, words=3), said]), name="these")
        with pytest.raises(InputError, match=rf"1 to 30 tokens, found {found} in `these:19`"):
            fit(open_model(language_model()), sides[0], wrong)


def test_a_model_that_reads_ahead_is_refused():
    class Ahead(nn.Module):
        def forward(self, ids):
            return nn.functional.one_hot(ids.roll(-1, 1), 257).float() * 9

    side = as_records(frame(sentences(20)), name="some")
    with pytest.raises(InputError, match="reads the tokens after it too"):
        fit(open_model(LanguageModel(Ahead(), Bytes(), begin=BEGIN, context=16)), side, side)


def test_a_model_that_answers_otherwise_each_time_is_told():
    model, side = language_model(), as_records(frame(sentences(20)), name="some")
    assert fit(open_model(model), side, side)[0].deterministic
    plain = model.module.forward
    calls = itertools.count()
    model.module.forward = lambda ids: plain(ids) + next(calls) * torch.arange(257) / 9
    monkey = model.reads_ahead
    model.reads_ahead = lambda: False
    found = fit(open_model(model), side, side)[0]
    assert found.deterministic is False
    assert not found.key
    model.reads_ahead = monkey


def test_what_is_done_before_and_after_is_refused():
    side = as_records(frame(sentences(20)), name="some")
    with pytest.raises(InputError, match="leave out preprocess"):
        fit(open_model(language_model(), preprocess=lambda batch: batch), side, side)


def test_texts_without_labels_are_for_language_models_alone():
    side = as_records(frame(sentences(20), sentiment=range(20)), name="some")
    assert not side.labelled
    with pytest.raises(InputError, match="must have labels for this model"):
        fit(open_model(lambda batch: torch.zeros(len(batch), 2)), side, side)


def test_a_module_with_settings_of_its_own_is_called_plainly():
    model = language_model()
    before = model.token_logprobs(["the"]).log_probability
    model.module.config = {"vocab_size": 257}
    assert torch.equal(model.token_logprobs(["the"]).log_probability, before)


def test_records_without_texts_are_refused():
    x = as_records((torch.rand(20, 3), torch.zeros(20)), name="some")
    with pytest.raises(InputError, match="without a column `text`"):
        fit(open_model(language_model()), x, x)


def test_a_model_that_learned_texts_finds_them_likelier():
    own = sentences(24)
    model = learned(own, epochs=15)
    scored = model.token_logprobs(own + sentences(24, seed=9))
    loss = -scored.log_probability.sum(1) / scored.count
    assert loss[:24].mean() < loss[24:].mean()
