"""A model that recites is caught, and one that does not is not; texts stay out of what is written."""

import json

import jsonschema
import numpy as np
import pandas as pd
import pytest
import texts

import ml_privacy_meter as pm
from ml_privacy_meter.recitation.result import schema
from ml_privacy_meter.targets import Decoder

SIZES = {"prompt": 12, "suffix": 10, "samples": 60, "sample_length": 40, "span": 14}


def with_mail(sentences, seed):
    rng = np.random.default_rng([seed, 1])
    mail = ["".join(rng.choice(list("abcdefgh"), 6)) for _ in sentences]
    return [f"mail {name}@x.org to {text}" for name, text in zip(mail, sentences, strict=True)]


@pytest.fixture(scope="module")
def world():
    """Texts, others of the same kind, a model that knows the first by heart, and one that knows a third kind."""
    own, others, third = (with_mail(texts.sentences(24, seed, words=6), seed) for seed in (0, 1, 2))
    base = texts.learned(third, epochs=15, seed=1)
    return own, others, texts.learned(own, epochs=150), base


@pytest.fixture(scope="module")
def found(world):
    own, others, model, base = world
    records = pd.DataFrame({"text": own})
    return pm.recite(model, records, held_out=others, base=base, decoder=Decoder(0.7), **SIZES)


def by_name(result):
    return {one.risk.name: one for one in result.figures}


def test_a_model_that_knows_its_texts_by_heart_is_seen_to_recite_them(found):
    figures = by_name(found)
    assert found.shows
    assert figures["greedy"].shows
    assert figures["greedy"].risk.value > 0.5
    assert figures["greedy"].risk.baseline == 0
    assert [one.of for one in figures["greedy"].beside] == ["held-out texts", "the base model"]
    values = [figures[name].risk.value for name in ("in 1 draw", "in 100 draws", "in 10,000 draws")]
    assert values == sorted(values)
    assert figures["in 10,000 draws"].shows
    assert figures["made up, word for word"].risk.value > figures["made up, word for word"].risk.baseline
    assert np.all(np.diff(found.curve.trained) >= 0)
    assert found.curve.trained[-1] > found.curve.held_out[-1]


def test_recited_passages_and_spans_stand_where_they_are_said_to(world, found):
    own, *_ = world
    assert found.recited
    for one in found.recited:
        text = own[int(one.id.partition(":")[2])].encode()
        assert text[one.start : one.start + one.length].decode() == one.text
        assert text[: one.start].endswith(one.prompt.encode())
        assert one.base_log10_tries > 4
    assert found.copied
    for one in found.copied:
        text = own[int(one.id.partition(":")[2])].encode()
        assert text[one.source : one.source + one.length].decode() == one.text
        assert one.length >= 14


def test_a_model_that_was_not_trained_on_the_texts_shows_nothing(world):
    own, others, _, base = world
    blank = pm.recite(base, others, held_out=own, base=texts.language_model(5), **SIZES)
    assert not blank.shows
    assert "Nothing shows that it recites" in str(blank)


def test_what_stands_in_training_and_held_out_texts_is_no_baseline(world):
    own, others, model, _ = world
    result = pm.recite(model, own, held_out=[*others, *own[:10]], prompt=12, suffix=10, find=None)
    assert by_name(result)["greedy"].beside[0].risk.trials == len(others)
    result = pm.recite(model, own, held_out=[*others, *own[:10]], prompt=12, suffix=10)
    personal = by_name(result)["personal data, greedy"]
    assert (personal.risk.trials, personal.beside[0].risk.trials) == (len(own) - 10, len(others))


def test_no_text_is_written_unless_records_are_asked_for(world, found, tmp_path):
    own, *_ = world
    plain = found.save(tmp_path / "plain.json").read_text()
    assert json.loads(plain) == found.document
    shown = found.save(tmp_path / "shown.json", show_records=True).read_text()
    pieces = [one.text for one in (*found.recited, *found.copied)] + own
    assert any(json.dumps(one)[1:-1] in shown for one in pieces)
    assert not any(json.dumps(one)[1:-1] in plain for one in pieces)
    assert not any(word in repr(found) for word in ("@x.org",))
    with pytest.raises(pm.InputError, match="new file"):
        found.save(tmp_path / "plain.json")
    for text in (plain, shown):
        jsonschema.validate(json.loads(text), schema())


def test_the_same_call_gives_the_same_document(world):
    own, others, model, _ = world
    given = {"held_out": others, **SIZES, "samples": 10}
    assert pm.recite(model, own, **given).document == pm.recite(model, own, **given).document


def test_what_cannot_be_compared_or_is_too_short_is_refused(world):
    own, others, model, _ = world
    with pytest.raises(pm.InputError, match=r"`held_out`\), or a model"):
        pm.recite(model, own)
    with pytest.raises(pm.InputError, match=r"must have 50 \+ 50 tokens"):
        pm.recite(model, own, held_out=others)
    for same in (own, ["too short"] * 30):
        with pytest.raises(pm.InputError, match="stand in no training text"):
            pm.recite(model, own, held_out=same, prompt=12, suffix=10)
    with pytest.raises(pm.InputError, match="must be a language model"):
        pm.recite(lambda batch: batch, own, held_out=others)


def test_a_base_with_other_tokens_is_refused(world):
    own, _, model, _ = world

    class Loud(texts.Bytes):
        def encode(self, text):
            return list(text.upper().encode())

    loud = type(model)(model.module, Loud(), begin=texts.BEGIN, context=128)
    with pytest.raises(pm.InputError, match="same tokens"):
        pm.recite(model, own, base=loud, prompt=12, suffix=10)


def test_every_field_of_the_document_is_described():
    def walk(part, path):
        for name, one in part.get("properties", {}).items():
            assert "description" in one or "const" in one, (path, name)
            walk(one, f"{path}.{name}")
            walk(one.get("items", {}), f"{path}.{name}[]")

    for name in ("recitation", "exposure"):
        walk(schema(name), name)


def test_in_worlds_without_memory_hardly_anything_is_shown(world, unchecked):
    _, _, model, base = world
    shown = 0
    for seed in range(40):
        some = with_mail(texts.sentences(60, 100 + seed, words=4), 100 + seed)
        given = {"prompt": 10, "suffix": 3, "base": base if seed % 2 else None}
        shown += pm.recite(model, some[:30], held_out=some[30:], tries=(1, 10, 1_000), **given).shows
    assert shown <= 5
