"""Authors of texts, asked about beside reference models with authors of their own."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from texts import WORDS

import ml_privacy_meter as pm
from ml_privacy_meter.membership import difference
from ml_privacy_meter.signals import loss
from ml_privacy_meter.targets import LanguageModel

AUTHORS, EACH, LENGTH = 80, 10, 12


class Words:
    """One token a word."""

    def encode(self, text):
        return [WORDS.index(word) for word in text.split()]

    def decode(self, ids):
        return " ".join(WORDS[i] for i in ids)


class Pairs(torch.nn.Module):
    """A language model that knows how often which word followed which."""

    def __init__(self, texts):
        super().__init__()
        count = torch.full((len(WORDS) + 1, len(WORDS) + 1), 0.5)
        for text in texts:
            ids = [len(WORDS), *Words().encode(text)]
            count[ids[:-1], ids[1:]] += 1
        self.register_buffer("logits", count.log())

    def forward(self, ids):
        return self.logits[ids]


def model(texts):
    return LanguageModel(Pairs(texts).eval(), Words(), begin=len(WORDS), context=64)


def written(seed=0):
    """Texts of authors who all have words of their own that they like to follow others."""
    rng = np.random.default_rng(seed)
    rows = []
    for author in range(AUTHORS):
        habit = rng.integers(len(WORDS), size=len(WORDS))
        for number in range(EACH):
            words = [int(rng.integers(len(WORDS)))]
            while len(words) < LENGTH:
                words.append(int(habit[words[-1]] if rng.random() < 0.6 else rng.integers(len(WORDS))))
            rows.append((f"author {author}", number, " ".join(WORDS[word] for word in words)))
    return pd.DataFrame(rows, columns=["author", "number", "text"]), rng


def audited(*, by_author, seed=0):
    texts, rng = written(seed)
    inside = texts.author.map(dict(zip(texts.author.unique(), rng.permutation(AUTHORS) < AUTHORS // 2, strict=True)))
    member = (inside & (texts.number < 6)).to_numpy()
    models, there = [], []
    for _ in range(2):  # two pairs of complementary halves
        half = texts.author.isin(rng.permutation(texts.author.unique())[: AUTHORS // 2]).to_numpy()
        if not by_author:
            half = rng.random(len(texts)) < 0.5
        for side in (half, ~half):
            chosen = side & (rng.random(len(texts)) < 0.6) if by_author else side
            models.append(model(texts.text[chosen]))
            there.append(chosen)
    matrix = np.stack(there, 1)
    sides = [texts[rows][["author", "text"]].reset_index(drop=True) for rows in (member, ~member)]
    return pm.audit(
        model(texts.text[member]),
        *sides,
        references=pm.own_references(models, matrix[member], matrix[~member]),
        users="author",
        attacks=[partial(difference, signal=loss)],
        fpr=[0.1],
        seed=seed,
    )


@pytest.fixture(scope="module")
def report():
    return audited(by_author=True)


def test_authors_are_found_with_reference_models_that_know_half_of_them(report):
    by_mean, by_ranks = report.by_user.findings
    assert by_mean.attack == "difference(signal=loss)"
    assert by_ranks.attack == "rank_histogram"
    assert [row.known for row in by_mean.rows] == [1, 4]
    assert by_mean.rows[1].risks[0].low > 0.7
    assert by_mean.rows[1].same.value > by_mean.rows[0].same.value
    assert by_ranks.rows[1].risks[0].low > 0.5
    assert report.by_user.note == ""


def test_words_alone_do_not_tell_them(report):
    (check,) = (one for one in report.checks if one.name.startswith("Do users inside"))
    assert not check.voids
    assert dict(report.by_user.blind)[4].low < 0.5


def test_reference_models_of_halves_of_the_texts_are_not_asked_about_authors():
    report = audited(by_author=False)
    (finding,) = report.by_user.findings
    assert "needs reference models" in finding.failed
    assert "half of the users" in report.by_user.note
    assert not report.failed
