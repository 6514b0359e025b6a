"""Exposure: the trie against every text by itself; canaries that were learned, and controls."""

import json
import math
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
import texts
from scipy.stats import skewnorm

import ml_privacy_meter as pm
from ml_privacy_meter import canaries
from ml_privacy_meter.canaries import TextCanaries, TextCanary
from ml_privacy_meter.recitation.result import schema
from ml_privacy_meter.recitation.secrets import exposed, fitted_exposure, trie_scores
from ml_privacy_meter.targets import LanguageModel


class Pairs(texts.Bytes):
    """Two digits are one token where they stand together, so that secrets differ in their number of tokens."""

    def encode(self, text):
        ids, at = [], 0
        while at < len(text):
            two = text[at : at + 2]
            if two.isdigit() and len(two) == 2 and int(two) < 40:
                ids.append(128 + int(two))
                at += 2
            else:
                ids.append(ord(text[at]))
                at += 1
        return ids


def one_by_one(model, before, secrets):
    """The log-probability of what follows the beginning that all share, by a pass over each whole text."""
    whole = model.encode([before + secret for secret in secrets])
    shared = min(
        next((at for at, pair in enumerate(zip(whole[0], ids, strict=False)) if pair[0] != pair[1]), len(ids))
        for ids in whole[1:]
    )
    found = model.scored(whole).log_probability.double()
    return found[:, shared:].sum(1).numpy()


@pytest.mark.parametrize("tokens", [texts.Bytes(), Pairs()], ids=["bytes", "pairs"])
def test_the_trie_says_of_each_secret_what_its_own_text_says(tokens):
    given = texts.language_model()
    model = LanguageModel(given.module, tokens, begin=texts.BEGIN, context=128)
    secrets = [f"{number:03}" for number in range(1_000)]
    found = trie_scores(model, "the code is ", secrets)
    np.testing.assert_allclose(found, one_by_one(model, "the code is ", secrets), atol=1e-4)


def test_each_beginning_is_asked_about_once(monkeypatch):
    model, asked = texts.language_model(), []
    own = type(model).next_logprobs
    monkeypatch.setattr(type(model), "next_logprobs", lambda self, c: (asked.extend(map(tuple, c)), own(self, c))[1])
    trie_scores(model, "x", [f"{number:03}" for number in range(1_000)])
    assert len(asked) == len(set(asked)) == 111


@pytest.fixture(scope="module")
def learned():
    made = canaries.make_texts(each=6, repeats=(0, 2, 12), digits=2, seed=1)
    sentences = [*texts.sentences(30, 0), *(made.text(one) for one in made.canaries for _ in range(one.repeats))]
    return made, texts.learned(sentences, epochs=12)


def test_secrets_that_were_repeated_are_exposed_and_controls_are_not(learned, tmp_path):
    made, model = learned
    found = pm.exposure(model, made)
    assert [one.repeats for one in found.levels] == [0, 2, 12]
    assert found.sound
    assert found.shows[-1:] == (12,)
    assert found.levels[-1].risk.value > 5
    assert found.levels[-1].risk.baseline == found.levels[0].risk.value < 3
    assert found.levels[0].luck > 0.01 > found.levels[-1].luck
    assert found.most == pytest.approx(math.log2(100))
    written = json.loads(found.save(tmp_path / "exposure.json").read_text())
    jsonschema.validate(written, schema("exposure"))
    assert not any(one.name in json.dumps(written) for one in made.canaries)
    made.save(tmp_path / "canaries.json")
    assert pm.exposure(model, tmp_path / "canaries.json").document == written


def test_controls_that_were_in_the_training_void_the_figures(learned):
    made, model = learned
    often = [one for one in made.canaries if one.repeats == 12]
    swapped = (*(replace(one, repeats=0) for one in often[:3]), *often[3:])
    found = pm.exposure(model, replace(made, canaries=swapped))
    assert not found.sound
    assert found.shows == ()
    assert any("Decide nothing" in line for line in found.notes())


def test_exposure_is_the_number_of_bits_by_which_the_rank_falls_short():
    model = texts.language_model()
    made = TextCanaries("{name} {digits}", "0123456789", 2, (TextCanary("A", "07", 0),))
    scores = trie_scores(model, "A ", list(made.every()))
    rank = 1 + int((scores > scores[7]).sum())
    found = exposed(model, made, made.canaries[0], most=100, sample=100)
    assert (found.by, found.exposure) == ("exact", pytest.approx(math.log2(100 / rank)))
    assert found.log_probability == scores[7]


def test_a_model_that_says_the_same_of_all_exposes_nothing():
    model = texts.language_model()
    for weight in model.module.head.parameters():
        weight.data.zero_()
    made = canaries.make_texts(each=3, digits=2, seed=0)
    found = pm.exposure(model, made)
    assert all(one.exposure == pytest.approx(math.log2(100 / 50.5)) for one in found.found)
    assert found.shows == ()


def test_unseen_secrets_have_exposures_as_luck_has_them():
    made = canaries.make_texts(each=60, repeats=(0, 1), digits=2, seed=3)
    found = pm.exposure(texts.language_model(), made)
    bits = np.array([one.exposure for one in found.found])
    assert 0.8 < np.median(bits) + 0.2 < 1.6
    assert abs(bits.mean() - 1 / math.log(2)) < 0.5
    assert found.shows == ()


def test_of_a_space_too_large_a_sample_is_ranked_and_fitted(learned):
    made, model = learned
    long = replace(
        made, length=9, canaries=tuple(replace(one, secret=f"{int(one.secret):09}") for one in made.canaries)
    )
    found = pm.exposure(model, long, most=1_000, sample=200)
    assert found.most == pytest.approx(math.log2(201))
    for one in found.found:
        assert one.by == "rank among a sample"
        assert 0 <= one.exposure <= math.log2(201)
        assert 0 <= one.fitted <= math.log2(1e9)
    assert "it is a guess" in " ".join(found.notes())


def test_a_fit_says_of_a_score_how_rare_it_is_however_rare():
    rng = np.random.default_rng(0)
    references = skewnorm.rvs(-3, loc=-20, scale=4, size=3_000, random_state=rng)
    truth = skewnorm(-3, loc=-20, scale=4)
    for share in (0.5, 0.1, 0.001):
        assert fitted_exposure(references, float(truth.isf(share))) == pytest.approx(-math.log2(share), abs=1)
    assert 300 < fitted_exposure(references, 60.0) < math.inf
