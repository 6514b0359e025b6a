"""What tells members' texts from non-members' without the model is found, and chance is not."""

import numpy as np
import pandas as pd
import pytest
import torch
from texts import frame, sentences

from ml_privacy_meter.risk import auc, checks, texts
from ml_privacy_meter.types import Scores

MEMBER = torch.arange(400) % 2 == 0


def _blind(said):
    return texts.blind(frame(said), MEMBER)


def _marked(where, mark):
    return [f"{text} {mark}" if member else text for text, member in zip(sentences(400), where, strict=True)]


def test_texts_of_one_source_look_alike():
    found = checks.shift(_blind(sentences(400)), most=texts.MOST_BLIND)
    assert found.passed
    assert not found.voids


@pytest.mark.parametrize("mark", ["whale", "2021", "and so on and so forth for a good while more"])
def test_words_dates_and_lengths_void_an_audit(mark):
    often = MEMBER & (torch.rand(400, generator=torch.Generator().manual_seed(0)) < 0.6)
    found = checks.shift(_blind(_marked(often, mark)), most=texts.MOST_BLIND)
    assert found.voids
    assert not found.passed


def test_an_auc_above_the_most_voids_even_where_it_may_be_luck():
    score = torch.from_numpy(np.random.default_rng(3).normal(size=100)) + 0.25 * (torch.arange(100) < 50)
    scores = Scores(score, torch.arange(100) < 50)
    assert auc(scores).low < 0.5 < 0.55 < auc(scores).value
    assert checks.shift(scores).passed
    found = checks.shift(scores, most=0.55)
    assert found.voids
    assert "may be luck" in found.says


def test_repeated_passages_are_counted():
    own = sentences(400, words=14)
    assert texts.repeated(frame(own), MEMBER).passed
    half = [text if member else own[row - 1] for row, (text, member) in enumerate(zip(own, MEMBER, strict=True))]
    found = texts.repeated(frame(half), MEMBER)
    assert not found.passed
    assert found.says.startswith("100.0% of the passages")


def test_passages_are_compared_without_regard_to_case_and_spacing():
    own = sentences(40, words=14)
    member = torch.arange(40) < 20
    said = own[:20] + [text.upper().replace(" ", "   ") for text in own[:20]]
    assert texts.repeated(frame(said), member).says.startswith("100.0%")


def test_short_texts_have_no_passages():
    found = texts.repeated(pd.DataFrame({"text": sentences(400, words=4)}), MEMBER)
    assert not found.passed
    assert found.says.startswith("Not checked")


def test_a_base_model_that_tells_members_voids_an_audit():
    score = torch.randn(400, generator=torch.Generator().manual_seed(1)).double()
    assert texts.base_alone(Scores(score, MEMBER)).passed
    for sign in (1, -1):
        found = texts.base_alone(Scores(score + sign * MEMBER.double(), MEMBER))
        assert found.voids
