"""Probabilities and figures of single records and of groups."""

import numpy as np
import pytest
import torch

from ml_privacy_meter.risk import auc, by_group, membership_probability
from ml_privacy_meter.types import Scores, fold_of


def drawn(seed: int, n: int, shift: float) -> Scores:
    rng = np.random.default_rng(seed)
    truth = rng.permutation(2 * n) < n
    return Scores(torch.from_numpy(rng.normal(np.where(truth, shift, 0.0))), torch.from_numpy(truth))


def test_probabilities_are_calibrated():
    """Normal scores, shifted by 1: the probability is known in closed form."""
    scores = drawn(0, 20_000, 1.0)
    probability, _ = membership_probability([scores])
    exact = torch.sigmoid(scores.score - 0.5)
    assert float((probability - exact).abs().mean()) < 0.02


def test_probabilities_of_scores_without_meaning_are_one_half():
    probability, _ = membership_probability([drawn(0, 20_000, 0.0)])
    assert float((probability - 0.5).abs().mean()) < 0.03


def test_nothing_is_called_certain():
    truth = torch.arange(200) % 2 == 0
    probability, _ = membership_probability([Scores(truth.double(), truth)])
    assert 0 < probability.min() < 0.02
    assert 0.98 < probability.max() < 1


def test_even_odds_whatever_the_sizes_of_the_sets():
    rng = np.random.default_rng(0)
    truth = torch.from_numpy(rng.random(20_000) < 0.1)
    probability, _ = membership_probability([Scores(torch.from_numpy(rng.normal(size=20_000)), truth)])
    assert float(probability.mean()) == pytest.approx(0.5, abs=0.02)


def test_no_record_tells_its_own_probability():
    """The truths of two neighbours in one fold are exchanged: nothing in that fold moves, other folds do."""
    scores = drawn(3, 100, 1.0)
    fold, truth = fold_of(scores.truth, 5), scores.truth.clone()
    first = int(np.flatnonzero((fold[:-1] == fold[1:]) & (truth[:-1] != truth[1:]).numpy())[0])
    truth[[first, first + 1]] = truth[[first + 1, first]]
    before, _ = membership_probability([scores], folds=5)
    after, _ = membership_probability([Scores(scores.score, truth)], folds=5)
    changed = (before != after).numpy()
    assert not changed[fold == fold[first]].any()
    assert changed.any()


def test_the_probability_rests_on_the_attack_that_ranks_other_records_best():
    strong = drawn(0, 500, 2.0)
    weak = Scores(torch.randn(1000, generator=torch.Generator().manual_seed(0)).double(), strong.truth)
    probability, which = membership_probability([weak, strong])
    assert (which == 1).all()
    alone, _ = membership_probability([strong])
    assert torch.equal(probability, alone)


def test_a_group_has_the_figures_of_its_own_records():
    scores = drawn(1, 300, 1.0)
    column = np.where(np.arange(600) % 3 == 0, "b", "a")
    a, b = by_group(scores, {"site": column}, [auc])
    keep = torch.from_numpy(column == "b")
    assert (b.column, b.value, b.members) == ("site", "b", int((keep & scores.truth).sum()))
    assert b.risks == (auc(scores.where(keep)),)
    assert a.members + b.members == 300


def test_a_group_of_members_alone_has_no_figures():
    scores = drawn(1, 300, 1.0)
    column = np.where(scores.truth.numpy(), "in", "out")
    found = by_group(scores, {"side": column}, [auc])
    assert [(g.members, g.non_members, g.risks) for g in found] == [(300, 0, ()), (0, 300, ())]
