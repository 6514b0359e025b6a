import numpy as np
import oracles
import pytest
import torch
from scipy.stats import norm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.risk import auc, tpr_at_fpr
from ml_privacy_meter.risk.differences import auc_correlation, risk_difference, tpr_correlation
from ml_privacy_meter.risk.intervals import difference, wilson
from ml_privacy_meter.types import Scores


def pair(
    members: int, others: int, alike: float, shifts: tuple[float, float], rng: np.random.Generator
) -> list[Scores]:
    """Scores of the same records under two models, normal, as alike as given."""
    truth = np.arange(members + others) < members
    noise = rng.multivariate_normal([0, 0], [[1, alike], [alike, 1]], size=len(truth))
    return [Scores(torch.from_numpy(noise[:, k] + s * truth), torch.from_numpy(truth)) for k, s in enumerate(shifts)]


def held(shifts: tuple[float, float], alike: float, fpr: float | None, runs: int) -> float:
    """How often the interval of the difference holds the true one."""
    rng, hits = np.random.default_rng(0), 0
    if fpr is None:
        first, second = (norm.cdf(shift / np.sqrt(2)) for shift in shifts)
    else:
        first, second = (norm.sf(norm.isf(fpr) - shift) for shift in shifts)
    for _ in range(runs):
        one, two = pair(100, 300, alike, shifts, rng)
        correlation = auc_correlation(one, two) if fpr is None else tpr_correlation(one, two, fpr=fpr)
        risks = [auc(s) if fpr is None else tpr_at_fpr(s, fpr=fpr) for s in (one, two)]
        ends = risk_difference(*risks, correlation=correlation)
        assert ends is not None
        hits += ends[0] <= second - first <= ends[1]
    return hits / runs


@pytest.mark.parametrize("values", [3, 50])
def test_the_correlation_of_two_aucs_is_the_naive_one(values: int) -> None:
    rng = np.random.default_rng(values)
    truth = torch.from_numpy(np.arange(60) < 25)
    scores = [Scores(torch.from_numpy(rng.integers(values, size=60).astype(float)), truth) for _ in range(2)]
    scores[1] = Scores(scores[0].score + scores[1].score, truth)
    sides = [(s.members.numpy(), s.others.numpy()) for s in scores]
    spread = np.sqrt(oracles.delong_variance(*sides[0]) * oracles.delong_variance(*sides[1]))
    assert auc_correlation(*scores) == pytest.approx(oracles.delong_covariance(*sides) / spread)


@pytest.mark.parametrize(("shifts", "alike"), [((0.3, 0.8), 0.5), ((0.5, 0.6), 0.95), ((1.0, 1.0), 0.0)])
def test_the_interval_of_an_auc_difference_holds_the_true_one_as_often_as_it_says(
    shifts: tuple[float, float], alike: float
) -> None:
    assert 0.92 <= held(shifts, alike, None, 400) <= 0.98


@pytest.mark.parametrize(("shifts", "alike", "fpr"), [((0.5, 1.0), 0.9, 0.1), ((1.0, 1.5), 0.98, 0.01)])
def test_the_interval_of_a_rate_difference_holds_the_true_one_at_least_as_often(
    shifts: tuple[float, float], alike: float, fpr: float
) -> None:
    assert held(shifts, alike, fpr, 100) >= 0.95


def test_pairing_makes_intervals_narrower() -> None:
    one, two = pair(200, 400, 0.95, (0.5, 0.7), np.random.default_rng(0))
    for correlation, risks in (
        (auc_correlation(one, two), [auc(one), auc(two)]),
        (tpr_correlation(one, two, fpr=0.1), [tpr_at_fpr(s, fpr=0.1) for s in (one, two)]),
    ):
        assert correlation > 0.3
        widths = [np.diff(risk_difference(*risks, correlation=c) or (0, 0))[0] for c in (correlation, 0.0)]
        assert widths[0] < 0.9 * widths[1]


def test_without_correlation_it_is_newcombes() -> None:
    # His example of 56 of 70 against 48 of 80, method 10: 0.0524 to 0.3339.
    ends = difference(wilson(56, 70), wilson(48, 80), (0.8, 0.6))
    assert ends == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert difference((0.1, 0.3), (0.1, 0.3), (0.2, 0.2), correlation=1.0) == pytest.approx((0.0, 0.0))


def test_two_certain_aucs_leave_a_difference_open() -> None:
    truth = torch.arange(60) < 30
    certain = Scores(truth.double(), truth)
    assert auc_correlation(certain, certain) == 0
    ends = risk_difference(auc(certain), auc(certain), correlation=0.0)
    assert ends is not None
    assert ends[0] < -0.05
    assert ends[1] > 0.05


def test_what_is_not_resolved_has_no_difference() -> None:
    nothing = Risk("AUC", None, 0.0, 1.0, 0.5, 10)
    assert risk_difference(nothing, nothing) is None


def test_scores_of_other_records_are_not_paired() -> None:
    one, two = pair(30, 30, 0.0, (0, 0), np.random.default_rng(0))
    swapped = Scores(two.score, ~two.truth)
    for other in (swapped, one.where(torch.arange(50))):
        with pytest.raises(InputError, match="of the same members"):
            auc_correlation(one, other)
        with pytest.raises(InputError, match="of the same members"):
            tpr_correlation(one, other, fpr=0.1)
