"""Greedy and probabilistic extraction: equal to decoding and to drawing, without either."""

import math

import numpy as np
import pandas as pd
import pytest
import texts

from ml_privacy_meter import InputError
from ml_privacy_meter.recitation.chances import log_once, log_tries
from ml_privacy_meter.recitation.passages import Passage, as_texts, passages, said
from ml_privacy_meter.targets import Decoder


@pytest.fixture(scope="module")
def trained():
    own = texts.sentences(24, 0)
    return own, texts.learned(own, epochs=120)


def decoded(model, prompt, count):
    """Greedy decoding, token after token."""
    ids = list(prompt)
    for _ in range(count):
        ids.append(int(model.next_logprobs([ids])[0].argmax()))
    return tuple(ids[len(prompt) :])


def test_greedy_extraction_is_what_greedy_decoding_gives(trained):
    own, model = trained
    found = passages(as_texts([*own, *texts.sentences(20, 1)], model, name="texts"), prompt=10, suffix=3)
    greedy = said(model, found, Decoder()).greedy
    assert 8 < greedy.sum() < len(found) - 8
    assert (
        ~greedy & (model.scored([(*one.prompt, *one.suffix) for one in found]).rank[:, 10:].max(1).values < 2).numpy()
    ).any()
    assert list(greedy) == [decoded(model, one.prompt, 3) == one.suffix for one in found]


@pytest.mark.parametrize("decoder", [Decoder(), Decoder(0.8, 3), Decoder(1.5, 10, 0.8)], ids=str)
def test_the_probability_of_a_suffix_is_how_often_it_is_drawn(trained, decoder):
    own, model = trained
    found = passages(as_texts([*own, *texts.sentences(30, 1)], model, name="texts"), prompt=10, suffix=3)
    log_p = said(model, found, decoder).log_p
    one = found[int(np.argmin(np.abs(log_p - math.log(0.4))))]
    chance = math.exp(log_p[found.index(one)])
    assert 0.05 < chance < 0.95
    rng, shares = np.random.default_rng(0), {}
    hits = 0
    for _ in range(600):
        ids = list(one.prompt)
        for _ in one.suffix:
            if tuple(ids) not in shares:
                share = decoder.log_probabilities(model.next_logprobs([ids]))[0].double().exp().numpy()
                shares[tuple(ids)] = share / share.sum()
            ids.append(int(rng.choice(len(shares[tuple(ids)]), p=shares[tuple(ids)])))
        hits += tuple(ids[10:]) == one.suffix
    assert abs(hits / 600 - chance) < 4 * math.sqrt(chance * (1 - chance) / 600)


def test_what_the_decoder_rules_out_is_never_drawn(trained):
    _, model = trained
    one = Passage(0, 2, (), (97, 98), (1, 2))
    found = said(model, [one], Decoder(top_k=2))
    assert found.log_p[0] == -math.inf
    assert log_tries(found.log_p, 0.5)[0] == math.inf
    assert log_once(found.log_p, 1e9)[0] == -math.inf


def test_what_stands_before_a_text_is_read_and_not_asked_about(trained):
    _, model = trained
    whole = said(model, [Passage(0, 6, (), tuple(b"the a one "), tuple(b"two"))], Decoder())
    parted = said(model, [Passage(0, 2, tuple(b"the a on"), tuple(b"e "), tuple(b"two"))], Decoder())
    assert whole.log_p == pytest.approx(parted.log_p)


def test_many_draws_give_what_one_seldom_does():
    p, n = np.array([0.3, 1e-3, 0.999999]), 25
    np.testing.assert_allclose(np.exp(log_once(np.log(p), n)), 1 - (1 - p) ** n, rtol=1e-9)
    np.testing.assert_allclose(np.exp(log_tries(np.log(p), 0.5)), np.maximum(np.log(0.5) / np.log(1 - p), 1), rtol=1e-9)


def test_chances_as_small_as_can_be_do_not_vanish():
    log_p = np.array([math.log(1e-300), -2_000.0])
    np.testing.assert_allclose(log_once(log_p, 1e6), log_p + math.log(1e6), rtol=1e-12)
    np.testing.assert_allclose(log_tries(log_p, 0.5), math.log(math.log(2)) - log_p, rtol=1e-12)
    assert log_once(np.array([0.0]), 1)[0] == 0
    assert log_tries(np.array([0.0]), 0.9)[0] == 0
    edge = np.array([-39.999, -40.001])  # where one formula takes over from the other
    np.testing.assert_allclose(log_once(edge, 1), edge, rtol=1e-6)
    assert np.all(np.diff(log_once(np.linspace(-60, -20, 500), 1e10)) > 0)


def test_after_so_many_draws_the_passage_came_with_the_probability_asked_for():
    log_p = np.array([-1.0, -10.0, -30.0, -300.0])
    for probability in (0.1, 0.5, 0.99):
        tries = log_tries(log_p, probability)
        assert tries[1:] == pytest.approx(tries[1:])
        for one, log_n in zip(log_p[1:3], tries[1:3], strict=True):
            assert math.exp(log_once(np.array([one]), math.exp(log_n))[0]) == pytest.approx(probability, rel=1e-6)


def test_a_passage_that_stands_twice_counts_once_and_short_texts_not_at_all(trained):
    _, model = trained
    own = as_texts(["abcdefgh one", "abcdefgh two", "short"], model, name="texts")
    found = passages(own, prompt=4, suffix=4)
    assert [(one.text, bytes(one.prompt), bytes(one.suffix)) for one in found] == [(0, b"abcd", b"efgh")]


def test_texts_come_with_what_stands_before_them_and_with_ids(trained, tmp_path):
    _, model = trained
    frame = pd.DataFrame({"text": ["one", "two"], "prefix": ["a", "b"]})
    own = as_texts(frame, model, name="own")
    assert own.before == ((97,), (98,))
    assert own.id == ("own:0", "own:1")
    frame.to_parquet(tmp_path / "own.parquet")
    assert as_texts(tmp_path / "own.parquet", model, name="own").tokens == own.tokens
    with pytest.raises(InputError, match="without a column `text`"):
        as_texts(pd.DataFrame({"said": ["one", "two"]}), model, name="own")
