"""Figures of single records and of groups."""

import numpy as np
import pytest
import torch

from ml_privacy_meter.risk import auc, by_group, vulnerability
from ml_privacy_meter.types import Scores


def drawn(seed: int, n: int, shift: float) -> Scores:
    rng = np.random.default_rng(seed)
    truth = rng.permutation(2 * n) < n
    return Scores(torch.from_numpy(rng.normal(np.where(truth, shift, 0.0))), torch.from_numpy(truth))


def played(seed: int, models: int, records: int, shift: float | np.ndarray) -> list[Scores]:
    """The same records under several models, each trained on half of them."""
    rng = np.random.default_rng(seed)
    truth = np.stack([rng.permutation(records) < records // 2 for _ in range(models)])
    score = rng.normal(size=truth.shape) + shift * truth
    return [Scores(torch.from_numpy(s), torch.from_numpy(t)) for s, t in zip(score, truth, strict=True)]


def test_vulnerability_is_the_share_of_right_answers_on_either_side():
    """Against a loop over models, each with the best threshold of the others."""
    games = played(6, 6, 80, 1.5)
    right = np.empty((6, 80), dtype=bool)
    truth = np.stack([game.truth.numpy() for game in games])
    for j, game in enumerate(games):
        score, member = (
            np.concatenate([getattr(g, of).numpy() for g in games if g is not game]) for of in ("score", "truth")
        )
        gained = [(score[member] >= t).mean() - (score[~member] >= t).mean() for t in np.unique(score)]
        right[j] = (game.score.numpy() >= np.unique(score)[int(np.argmax(gained))]) == truth[j]
    expected = [(right[t, i].mean() + right[~t, i].mean()) / 2 for i, t in enumerate(truth.T) if 0 < t.sum() < 6]
    found = vulnerability(games)
    known = torch.from_numpy((truth.sum(0) > 0) & (truth.sum(0) < 6))
    assert found[known].tolist() == pytest.approx(expected)
    assert found[~known].isnan().all()


def test_the_threshold_of_a_model_is_a_score_that_was_seen_under_another():
    """Any threshold between 0 and 10 is as good there: it is 10, whatever the model's own scores between them are."""
    first = Scores(torch.tensor([5.0, 4.0]), torch.tensor([True, False]))
    second = Scores(torch.tensor([0.0, 10.0]), torch.tensor([False, True]))
    assert vulnerability([first, second]).tolist() == [0.5, 1.0]


def test_vulnerable_records_are_told_from_others():
    """Members of the first half are shifted by 3: the best threshold lies near 2, which few others pass."""
    found = vulnerability(played(7, 20, 400, np.repeat([3.0, 0.0], 200)))
    assert float(found[:200].mean()) > 0.85
    assert float(found[200:].mean()) == pytest.approx(0.5, abs=0.03)


def test_attacks_that_learn_nothing_are_right_half_of_the_time():
    assert float(vulnerability(played(8, 12, 1000, 0.0)).nanmean()) == pytest.approx(0.5, abs=0.02)
    same = [Scores(torch.zeros_like(one.score), one.truth) for one in played(8, 12, 20, 0.0)]
    found = vulnerability(same)
    assert (found[~found.isnan()] == 0.5).all()


def test_one_rehearsal_has_no_other_to_set_its_threshold():
    assert vulnerability(played(9, 1, 30, 1.0)).isnan().all()


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
