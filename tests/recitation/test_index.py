"""Spans that stand in other texts: as a search of every place finds them."""

import numpy as np

from ml_privacy_meter.recitation.index import index_of


def searched(ids, texts, least):
    """Whether any run of ``least`` tokens stands in a text: looked up place by place."""
    runs = {tuple(one[at : at + least]) for one in texts for at in range(len(one) - least + 1)}
    return any(tuple(ids[at : at + least]) in runs for at in range(len(ids) - least + 1))


def test_spans_are_those_that_a_search_of_every_place_finds():
    rng = np.random.default_rng(0)
    texts = [rng.integers(0, 3, rng.integers(0, 40)).tolist() for _ in range(30)]
    found = 0
    for least in (1, 5, 9, 12):
        index = index_of(texts, least)
        for _ in range(60):
            ids = rng.integers(0, 3, rng.integers(0, 30)).tolist()
            spans = index.spans(ids)
            assert bool(spans) == searched(ids, texts, least)
            for one in spans:
                assert one.length >= least
                source = texts[one.text][one.source : one.source + one.length]
                assert ids[one.start : one.start + one.length] == source
            found += len(spans)
    assert found > 100


def test_a_span_is_as_long_as_can_be_and_does_not_run_from_one_text_into_the_next():
    index = index_of([[9, 1, 2, 3], [4, 5, 6, 7, 8]], 3)
    spans = index.spans([1, 2, 3, 4, 5, 6, 7])
    assert [(one.start, one.length, one.text, one.source) for one in spans] == [(0, 3, 0, 1), (3, 4, 1, 0)]
    assert not index.holds([2, 3, 4])


def test_an_index_of_the_first_tokens_alone_knows_no_others():
    texts = [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert index_of(texts, 2, most=6).holds([5, 6])
    assert not index_of(texts, 2, most=6).holds([6, 7])
    assert not index_of([], 2).holds([1, 2, 3])


def test_runs_that_only_hash_alike_are_told_apart(monkeypatch):
    here = "ml_privacy_meter.recitation.index"
    monkeypatch.setattr(f"{here}._hashes", lambda tokens, least: np.zeros(max(0, len(tokens) - least + 1), np.uint64))
    monkeypatch.setattr(f"{here}._SOURCES", 10_000)
    rng = np.random.default_rng(1)
    texts = [rng.integers(0, 3, 20).tolist() for _ in range(10)]
    index = index_of(texts, 6)
    for _ in range(30):
        ids = rng.integers(0, 3, 15).tolist()
        assert index.holds(ids) == searched(ids, texts, 6)
