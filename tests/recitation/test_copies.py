"""What is made up and stands in training texts, counted by hand; and in which order it is looked at."""

import zlib

import numpy as np
import pytest
import texts

from ml_privacy_meter.recitation import patterns
from ml_privacy_meter.recitation.copies import copies
from ml_privacy_meter.recitation.made_up import Drawn, drawn
from ml_privacy_meter.recitation.passages import as_texts
from ml_privacy_meter.targets import Decoder

MODEL, BASE = texts.language_model(0), texts.language_model(1)


def made(*some):
    return Drawn(tuple(tuple(one.encode()) for one in some), some, np.zeros(len(some)), len(some))


@pytest.fixture
def play(monkeypatch):
    """The figures, and spans, of what the model and the base are said to make up."""

    def play(own, base=None, *, trained, held=None, span=5):
        said = {id(MODEL): made(*own), id(BASE): made(*(base or ()))}
        monkeypatch.setattr("ml_privacy_meter.recitation.copies.drawn", lambda model, *_, **__: said[id(model)])
        sides = [None if one is None else as_texts(one, MODEL, name="texts") for one in (trained, held)]
        found = copies(MODEL, BASE if base else None, *sides, len(own), 20, span, Decoder(), patterns, 0)
        return {one.name: one for one in found.trials}, found.spans

    return play


def test_what_stands_in_held_out_texts_too_counts_for_neither(play):
    trials, spans = play(
        ["xabcdefx", "xhelloxx", "yworldyy", "nothing"], trained=["abcdef", "hello"], held=["hello", "world!"]
    )
    one = trials["made up, not held out"]
    assert one.hits.tolist() == [True, False, False, False]
    assert one.sides[0].hits.tolist() == [False, False, True, False]
    assert [(span.rank, span.start, span.length, span.id, span.source, span.text) for span in spans] == [
        (1, 1, 6, "texts:0", 0, "abcdef")
    ]


def test_as_many_tokens_are_looked_through_on_either_side(play):
    trials, spans = play(["12345", "abcde"], trained=["abcde", "12345"], held=["vwxyz"])
    assert trials["made up, not held out"].hits.tolist() == [False, True]
    assert len(spans) == 2


def test_what_the_base_makes_up_is_held_against_the_same_texts_and_taken_off_the_spans(play):
    trials, spans = play(["abcdef", "ghijkl", "zz"], ["..ghijkl", "?"], trained=["abcdef", "ghijkl"])
    one = trials["made up, word for word"]
    assert one.hits.tolist() == [True, True, False]
    assert one.sides[0].hits.tolist() == [True, False]
    assert [span.text for span in spans] == ["abcdef"]


def test_personal_data_that_are_made_up_are_counted_once_each(play):
    trials, _ = play(
        ["to a@x.org a@x.org", "to h@x.org", "c@x.org"],
        ["b@x.org"],
        trained=["a@x.org b@x.org", "a@x.org", "both@x.org"],
        held=["h@x.org", "i@x.org both@x.org"],
    )
    one = trials["personal data, made up"]
    assert one.hits.tolist() == [True, False]
    assert {side.of: side.hits.tolist() for side in one.sides} == {
        "held-out texts": [True, False],
        "what the base model makes up": [False, True],
    }


def test_what_the_model_finds_likelier_than_the_base_or_than_zlib_stands_first():
    given = {"length": 10, "decoder": Decoder(), "seed": 0}
    found = drawn(MODEL, 30, base=BASE, **given)
    assert len(found.tokens) == len(set(found.tokens)) <= 30

    def mean(model, ids):
        scored = model.scored([ids])
        return float(scored.log_probability.sum() / len(ids))

    by_base = [mean(MODEL, ids) - mean(BASE, ids) for ids in found.tokens]
    assert by_base == sorted(by_base, reverse=True)
    np.testing.assert_allclose(found.score, by_base, atol=1e-5)
    found = drawn(MODEL, 30, base=None, **given)
    by_zlib = [
        mean(MODEL, ids) * len(ids) / len(zlib.compress(text.encode()))
        for ids, text in zip(found.tokens, found.text, strict=True)
    ]
    np.testing.assert_allclose(found.score, by_zlib, atol=1e-5)
    assert list(found.score) == sorted(found.score, reverse=True)
