"""Probabilities and figures of single records and of groups."""

import numpy as np
import pytest
import torch

from ml_privacy_meter.risk import auc, by_group, membership_probability, vulnerability
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


def played(seed: int, models: int, records: int, shift: float | np.ndarray) -> list[Scores]:
    """The same records under several models, each trained on half of them."""
    rng = np.random.default_rng(seed)
    truth = np.stack([rng.permutation(records) < records // 2 for _ in range(models)])
    score = rng.normal(size=truth.shape) + shift * truth
    return [Scores(torch.from_numpy(s), torch.from_numpy(t)) for s, t in zip(score, truth, strict=True)]


def test_probabilities_from_rehearsals_are_calibrated():
    target, *rehearsed = played(0, 9, 4000, 1.0)
    probability, which = membership_probability([target], [rehearsed])
    assert float((probability - torch.sigmoid(target.score - 0.5)).abs().mean()) < 0.02
    assert (which == 0).all()


def test_probabilities_from_rehearsals_hang_on_nothing_that_is_known_of_the_target():
    target, *rehearsed = played(1, 4, 300, 1.0)
    other = Scores(target.score, ~target.truth)
    assert torch.equal(*(membership_probability([one], [rehearsed])[0] for one in (target, other)))


def test_the_attack_is_chosen_in_rehearsals_whatever_it_does_to_the_target():
    worse, *well = played(2, 3, 400, 2.0)
    better, *badly = played(3, 4, 400, 0.3)
    worse = Scores(-worse.score, worse.truth)
    probability, which = membership_probability([better, worse], [badly, well])
    assert (which == 1).all()
    assert torch.equal(probability, membership_probability([worse], [well])[0])


def test_the_attack_is_chosen_by_all_shared_rehearsals_and_no_others():
    """One is lucky in the first, the other is better in the first two, and bad where the first did not play."""
    lucky = [played(1, 1, 400, 3.0)[0], played(2, 1, 400, 0.0)[0]]
    steady = [*played(3, 2, 400, 1.8), *played(4, 6, 400, 0.0)]
    assert (membership_probability(lucky, [lucky, steady])[1] == 1).all()


def test_an_attack_without_rehearsals_gives_no_probability_where_another_has_them():
    strong, *_ = played(4, 1, 400, 3.0)
    weak, *rehearsed = played(5, 3, 400, 0.5)
    assert (membership_probability([strong, weak], [[], rehearsed])[1] == 1).all()
    assert torch.equal(membership_probability([strong], [[]])[0], membership_probability([strong])[0])


def test_even_odds_whatever_the_sizes_of_the_sets_in_rehearsals():
    rng = np.random.default_rng(0)
    games = [Scores(torch.from_numpy(rng.normal(size=5000)), torch.from_numpy(rng.random(5000) < 0.1)) for _ in "abc"]
    assert float(membership_probability(games[:1], [games[1:]])[0].mean()) == pytest.approx(0.5, abs=0.03)


def test_nothing_is_called_certain_in_rehearsals():
    truth = torch.arange(200) % 2 == 0
    sure = Scores(truth.double(), truth)
    beyond = Scores(truth.double() * 9 - 4, truth)
    probability, _ = membership_probability([beyond], [[sure, sure]])
    assert 0 < probability.min() < 0.02
    assert 0.98 < probability.max() < 1


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
