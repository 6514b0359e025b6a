import numpy as np
import pytest
import torch

from ml_privacy_meter.report.curves import BINS, POINTS, histogram, roc
from ml_privacy_meter.types import Scores


def drawn(records: int, values: int, seed: int = 0) -> Scores:
    rng = np.random.default_rng(seed)
    truth = np.arange(records) % 2 == 0
    score = rng.integers(values, size=records) + truth * rng.integers(3, size=records)
    return Scores(torch.from_numpy(score.astype(float)), torch.from_numpy(truth))


def naive(scores: Scores) -> list[tuple[float, float]]:
    points = [(0.0, 0.0)]
    for threshold in sorted(set(scores.score.tolist()), reverse=True):
        rates = [float((side >= threshold).double().mean()) for side in (scores.others, scores.members)]
        points.append((rates[0], rates[1]))
    return points


@pytest.mark.parametrize("values", [1, 2, 7, 60])
def test_the_roc_is_the_naive_one_where_scores_are_tied(values: int) -> None:
    scores = drawn(200, values)
    fpr, tpr = roc(scores)
    np.testing.assert_allclose(np.stack([fpr, tpr], 1), naive(scores))


def test_a_score_that_all_records_share_leaves_the_diagonal() -> None:
    scores = Scores(torch.zeros(10), torch.arange(10) < 5)
    assert [side.tolist() for side in roc(scores)] == [[0, 1], [0, 1]]


def test_a_long_roc_is_thinned_to_some_of_its_own_points() -> None:
    scores = drawn(6000, 100_000)
    fpr, tpr = roc(scores)
    assert len(fpr) <= POINTS
    assert set(zip(fpr, tpr, strict=True)) <= set(naive(scores))
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(fpr) >= 0).all()
    assert (np.diff(tpr) >= 0).all()


def test_a_thinned_roc_keeps_the_low_end_and_the_area() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(20_000) % 2 == 0
    scores = Scores(torch.from_numpy(rng.normal(size=20_000) + truth), torch.from_numpy(truth))
    fpr, tpr = roc(scores)
    below = fpr[(fpr > 0) & (fpr <= 0.01)]
    assert len(below) > 50
    assert below[0] == pytest.approx(1 / 10_000)
    full = np.array(naive_fast(scores))
    assert np.trapezoid(tpr, fpr) == pytest.approx(np.trapezoid(full[1], full[0]), abs=1e-3)


def naive_fast(scores: Scores) -> list[np.ndarray]:
    order = np.argsort(-scores.score.numpy())
    truth = scores.truth.numpy()[order]
    return [np.concatenate([[0], side.cumsum() / side.sum()]) for side in (~truth, truth)]


def test_a_histogram_holds_every_score_however_far_out() -> None:
    scores = drawn(1000, 30)
    scores = Scores(
        torch.cat([scores.score, torch.tensor([1e12, -1e12])]), torch.cat([scores.truth, torch.tensor([True, False])])
    )
    edges, members, others, _ = histogram(scores)
    assert (members.sum(), others.sum()) == (501, 501)
    assert len(edges) == BINS + 1
    assert (members + others > 0).sum() > 10


@pytest.mark.parametrize("value", [0.0, 1e300, -5e-324, 1e17])
def test_a_histogram_of_one_value_holds_every_score(value: float) -> None:
    edges, members, others, _ = histogram(Scores(torch.full((10,), value, dtype=torch.float64), torch.arange(10) < 4))
    assert (members.sum(), others.sum()) == (4, 6)
    assert (np.diff(edges) > 0).all()


def test_scores_that_crowd_near_zero_are_spread_out_by_their_logarithms() -> None:
    rng = np.random.default_rng(0)
    score = torch.from_numpy(-np.exp(rng.normal(-8, 4, 1000)))
    edges, members, others, linear = histogram(Scores(score, torch.arange(1000) < 400))
    assert linear is not None
    assert 0 < linear < 0.01
    assert (np.diff(edges) > 0).all()
    assert (members.sum(), others.sum()) == (400, 600)
    assert (members + others).max() < 200
