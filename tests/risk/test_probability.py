"""Membership probabilities: what they rest on, and how far they lie beside the truth in worlds where it is known."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from ml_privacy_meter.risk import membership_probability, reliability
from ml_privacy_meter.risk.probability import cross_fitted, curve
from ml_privacy_meter.types import Scores, fold_of


def drawn(seed: int, n: int, shift: float) -> Scores:
    rng = np.random.default_rng(seed)
    truth = rng.permutation(2 * n) < n
    return Scores(torch.from_numpy(rng.normal(np.where(truth, shift, 0.0))), torch.from_numpy(truth))


def far_out(rng: np.random.Generator, truth: np.ndarray, *, up: float, down: float) -> Scores:
    """Normal scores; so large a share of the members lies 8 higher, and so large a share of the others 8 lower."""
    moved = rng.random(len(truth)) < np.where(truth, up, down)
    score = rng.normal(size=len(truth)) + np.where(truth, 8, -8) * moved
    return Scores(torch.from_numpy(score), torch.from_numpy(truth))


def right(scores: Scores, *, up: float, down: float) -> np.ndarray:
    score = scores.score.numpy()
    inside = (1 - up) * norm.pdf(score) + up * norm.pdf(score - 8)
    return inside / (inside + (1 - down) * norm.pdf(score) + down * norm.pdf(score + 8))


def worlds(rounds: int, members: int, others: int, **shares: float) -> list[tuple[Scores, np.ndarray, np.ndarray]]:
    """Scores, the probabilities that are given, and the right ones."""
    found = []
    for seed in range(rounds):
        rng = np.random.default_rng(seed)
        scores = far_out(rng, rng.permutation(members + others) < members, **shares)
        found.append((scores, membership_probability([scores])[0].numpy(), right(scores, **shares)))
    return found


def top(scores: Scores, probability: np.ndarray, share: float) -> np.ndarray:
    """The records that a table by probability begins with."""
    order = np.lexsort((scores.score.numpy(), probability))[::-1]
    return order[: max(1, round(share * len(order)))]


@pytest.mark.parametrize(("members", "others", "by"), [(400, 400, 0.1), (400, 1400, 0.08), (40, 400, 0.15)])
def test_those_at_the_top_are_members_about_as_often_as_is_said(members, others, by):
    """No leak but among the lowest scores, over 60 draws: whoever is at the top is so by luck."""
    surplus, weight = 0.0, 0.0
    for scores, p, _ in worlds(60, members, others, up=0.0, down=0.1):
        first, truth = top(scores, p, 0.03), scores.truth.numpy()
        each = np.where(truth, 0.5 / members, 0.5 / others)[first]
        surplus, weight = surplus + each @ (p - truth)[first], weight + each.sum()
    assert abs(surplus / weight) < by


def test_members_have_no_lower_probability_than_others_with_like_scores():
    """Twenty neighbours at a time among the highest tenth: what tells them apart is not their own membership."""
    found = []
    for scores, p, _ in worlds(60, 400, 400, up=0.0, down=0.1):
        order, truth = np.argsort(-scores.score.numpy()), scores.truth.numpy()
        found += [
            p[b][truth[b]].mean() - p[b][~truth[b]].mean() for b in order[:80].reshape(4, 20) if len({*truth[b]}) == 2
        ]
    assert 0 <= np.mean(found) < 0.02


@pytest.mark.parametrize(("share", "low"), [(0.02, -0.15), (0.05, -0.08)])
def test_the_few_that_are_surely_identified_are_said_to_be(share, low):
    """Eight members, or twenty, of 400 beyond all others."""
    gap = [(p - w)[scores.score.numpy() > 5] for scores, p, w in worlds(40, 400, 400, up=share, down=0.0)]
    assert low < np.concatenate(gap).mean() < 0


@pytest.mark.parametrize(
    ("members", "others", "down", "by"),
    [(400, 400, 0.1, 0.022), (5000, 5000, 0.1, 0.009), (400, 1400, 0.1, 0.025), (400, 400, 0.0, 0.02)],
)
def test_probabilities_lie_near_the_right_ones(members, others, down, by):
    found = [abs(p - w).mean() for _, p, w in worlds(20, members, others, up=0.05, down=down)]
    assert np.mean(found) < by


@pytest.mark.parametrize(("members", "others", "by"), [(40, 40, 0.1), (400, 400, 0.03), (400, 1400, 0.03)])
def test_where_nothing_leaks_the_best_of_six_attacks_says_about_one_half(members, others, by):
    spread, sure = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = torch.from_numpy(rng.permutation(members + others) < members)
        found = [Scores(torch.from_numpy(rng.normal(size=len(truth))), truth) for _ in range(6)]
        p = membership_probability(found)[0].numpy()
        spread.append(abs(p - 0.5).mean())
        sure.append((p > 0.9).mean())
    assert np.mean(spread) < by
    assert np.mean(sure) < 0.01


def test_a_record_moves_its_own_probability_by_little():
    """The truth of one record is turned over: in the middle of 800, and among the highest eight."""
    middle, high = [], []
    for seed in range(20):
        scores = drawn(seed, 400, 0.5)
        score, truth = scores.score.numpy(), scores.truth.numpy()
        order = np.argsort(-score)
        for place, moved in ((400, middle), (7, high)):
            turned = truth ^ (np.arange(800) == order[place])
            before, after = (curve(score, of)(score[order[[place]]])[0] for of in (truth, turned))
            moved.append(abs(after - before))
    assert np.mean(middle) < 0.01
    assert np.mean(high) < 0.06


def test_probabilities_are_calibrated():
    """Normal scores, shifted by 1: the probability is known in closed form."""
    scores = drawn(0, 20_000, 1.0)
    probability, _ = membership_probability([scores])
    exact = torch.sigmoid(scores.score - 0.5)
    assert float((probability - exact).abs().mean()) < 0.01


def test_probabilities_of_scores_without_meaning_are_one_half():
    probability, _ = membership_probability([drawn(0, 20_000, 0.0)])
    assert float((probability - 0.5).abs().mean()) < 0.01


@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0])
def test_the_higher_score_never_has_the_lower_probability(shift):
    scores = drawn(1, 300, shift)
    probability, _ = membership_probability([scores])
    assert (probability[scores.score.argsort()].diff() >= 0).all()


def test_only_the_order_of_the_scores_counts():
    scores = drawn(2, 300, 1.0)
    stretched = Scores((5 * scores.score).exp(), scores.truth)
    assert torch.equal(membership_probability([scores])[0], membership_probability([stretched])[0])


def test_two_scores_have_the_probabilities_of_their_shares():
    """An attack that only asks whether the model is right: 95 of 100 members, 80 of 100 others."""
    truth = np.arange(2000) < 1000
    score = np.where(truth, np.arange(2000) % 100 < 95, np.arange(2000) % 100 < 80).astype(float)
    low, high = curve(score, truth)(np.array([0.0, 1.0]))
    assert low == pytest.approx(5 / 25, abs=0.005)
    assert high == pytest.approx(95 / 175, abs=0.005)


def test_one_score_for_all_says_nothing():
    truth = torch.arange(30) % 3 == 0
    probability, _ = membership_probability([Scores(torch.zeros(30), truth)])
    assert probability.tolist() == pytest.approx([0.5] * 30)


def test_nothing_is_called_certain():
    """However sharply the two are told apart: half a record of the other kind may lie beyond 100."""
    truth = torch.arange(200) % 2 == 0
    for score in (truth.double(), truth * 8 + torch.arange(200).double() / 100):
        probability, _ = membership_probability([Scores(score, truth)])
        assert 0.5 / 101 - 1e-9 < probability.min() < 0.006
        assert 0.994 < probability.max() < 100.5 / 101 + 1e-9


def test_even_odds_whatever_the_sizes_of_the_sets():
    rng = np.random.default_rng(0)
    truth = torch.from_numpy(rng.random(20_000) < 0.1)
    probability, _ = membership_probability([Scores(torch.from_numpy(rng.normal(size=20_000)), truth)])
    assert float(probability.mean()) == pytest.approx(0.5, abs=0.01)


def test_half_of_the_weight_is_said_to_be_members():
    """Calibrated on the whole, exactly, at each size of the sets."""
    scores = far_out(np.random.default_rng(3), np.arange(500) % 5 == 0, up=0.1, down=0.1)
    p, truth = membership_probability([scores])[0], scores.truth
    assert float(p[truth].mean() + p[~truth].mean()) == pytest.approx(1, abs=2e-3)


def test_the_probability_rests_on_the_attack_that_ranks_the_records_best():
    strong = drawn(0, 500, 2.0)
    weak = Scores(torch.randn(1000, generator=torch.Generator().manual_seed(0)).double(), strong.truth)
    probability, which = membership_probability([weak, strong])
    assert (which == 1).all()
    alone, _ = membership_probability([strong])
    assert torch.equal(probability, alone)


def test_no_record_tells_its_own_cross_fitted_probability():
    """The truths of two neighbours in one fold are exchanged: nothing in that fold moves, other folds do."""
    scores = drawn(3, 100, 1.0)
    other = Scores(torch.randn(200, generator=torch.Generator().manual_seed(1)).double(), scores.truth)
    fold, truth = fold_of(scores.truth, 5), scores.truth.clone()
    first = int(np.flatnonzero((fold[:-1] == fold[1:]) & (truth[:-1] != truth[1:]).numpy())[0])
    truth[[first, first + 1]] = truth[[first + 1, first]]
    before = cross_fitted([scores, other])
    after = cross_fitted([Scores(scores.score, truth), Scores(other.score, truth)])
    changed = (before != after).numpy()
    assert not changed[fold == fold[first]].any()
    assert changed.any()


def test_cross_fitted_ones_err_as_those_of_new_records_do():
    """Those of the records that the curve was learned from seem better than they are."""
    errors = []
    for seed in range(20):
        scores, new = drawn(seed, 400, 0.3), drawn(100 + seed, 400, 0.3)
        learned = curve(scores.score.numpy(), scores.truth.numpy())
        told = (membership_probability([scores])[0], cross_fitted([scores]))
        own, apart = (reliability(p, scores.truth).error for p in told)
        errors.append((own, apart, reliability(torch.from_numpy(learned(new.score.numpy())), new.truth).error))
    own, apart, fresh = np.mean(errors, axis=0)
    assert own < 0.6 * fresh
    assert apart == pytest.approx(fresh, abs=0.006)


def test_cross_fitting_takes_the_attack_that_the_other_folds_choose():
    """Each is the better one by far in what one fold does not see."""
    strong, weak = drawn(4, 500, 2.0), drawn(5, 500, 0.0)
    weak = Scores(weak.score, strong.truth)
    assert torch.equal(cross_fitted([weak, strong]), cross_fitted([strong]))


@pytest.mark.parametrize(("members", "others"), [(1, 5), (5, 1), (2, 3)])
def test_hardly_any_records_have_probabilities_too(members, others):
    truth = torch.arange(members + others) < members
    found = [Scores(torch.randn(len(truth), generator=torch.Generator().manual_seed(0)).double(), truth)]
    for p in (membership_probability(found)[0], cross_fitted(found)):
        assert ((p > 0) & (p < 1)).all()
    assert (cross_fitted(found) == 0.5).all() == (min(members, others) < 2)


def played(seed: int, models: int, records: int, shift: float) -> list[Scores]:
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
