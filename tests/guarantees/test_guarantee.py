"""What claims allow, against closed forms, other libraries and mechanisms that were run."""

import math

import numpy as np
import pytest
from riskcal import analysis
from scipy.optimize import linprog
from scipy.stats import norm

from ml_privacy_meter import InputError, guarantees

FPR = np.array([0.0, 1e-6, 0.001, 0.01, 0.1, 0.3, 0.5, 0.9, 1.0])
CLAIMS = [
    guarantees.approximate(epsilon=3, delta=1e-5),
    guarantees.approximate(epsilon=(1, 3), delta=(1e-2, 1e-6)),
    guarantees.pure(epsilon=0.5),
    guarantees.gaussian(mu=1),
    guarantees.dp_sgd(noise_multiplier=1, sample_rate=0.01, steps=1000),
]


@pytest.mark.parametrize(
    ("epsilon", "advantage", "tpr"), [(0.5, 0.245, 0.0165), (1, 0.462, 0.0272), (3, 0.905, 0.2009), (8, 0.999, 0.9997)]
)
def test_an_epsilon_allows_what_its_formula_says(epsilon: float, advantage: float, tpr: float) -> None:
    claim = guarantees.approximate(epsilon=epsilon, delta=1e-5)
    assert claim.advantage() == pytest.approx(advantage, abs=5e-4)
    assert claim.advantage() == pytest.approx(analysis.get_advantage_from_adp(epsilon, 1e-5), abs=2e-5)
    assert claim.tpr(0.01) == pytest.approx(tpr, abs=5e-4)
    assert claim.tprs(FPR) == pytest.approx(1 - analysis.get_beta_from_adp(epsilon, 1e-5, FPR), abs=1e-12)
    assert claim.auc() == pytest.approx(1 - (1 - analysis.get_advantage_from_adp(epsilon, 1e-5)) / 2, abs=2e-5)


def test_a_gaussian_claim_is_that_of_two_normal_distributions() -> None:
    claim = guarantees.gaussian(mu=1)
    assert claim.auc() == pytest.approx(norm.cdf(1 / math.sqrt(2)), abs=1e-5)
    assert claim.advantage() == pytest.approx(2 * norm.cdf(0.5) - 1, abs=2e-5)
    assert claim.tprs(FPR) == pytest.approx(1 - analysis.get_beta_from_gdp(1.0, FPR))
    assert claim.epsilon(1e-5) == pytest.approx(4.377, abs=1e-3)
    assert claim.epsilon(0) == math.inf
    assert guarantees.gaussian(mu=0).epsilon(0) == 0


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.says)
def test_a_ceiling_is_never_rounded_down(claim: guarantees.Guarantee) -> None:
    fine = np.linspace(0, 1, 1_000_001)
    allowed = claim.tprs(fine)
    assert claim.auc() >= np.trapezoid(allowed, fine)
    assert claim.auc() <= np.trapezoid(allowed, fine) + 1.1e-5
    assert claim.advantage() >= (allowed - fine).max()
    assert claim.advantage() <= (allowed - fine).max() + 1.1e-5
    assert (np.diff(allowed) >= -1e-9).all()
    assert (allowed >= fine).all()


def test_several_pairs_allow_no_more_than_each_of_them() -> None:
    both = guarantees.approximate(epsilon=(1, 3), delta=(1e-2, 1e-6))
    each = [guarantees.approximate(epsilon=e, delta=d).tprs(FPR) for e, d in ((1, 1e-2), (3, 1e-6))]
    assert both.tprs(FPR) == pytest.approx(np.minimum(*each))
    assert both.epsilon(1e-2) == 1
    assert both.epsilon(1e-6) == 3
    assert both.epsilon(1e-7) == math.inf


def test_an_epsilon_follows_at_a_larger_delta_as_the_curve_says() -> None:
    claim = guarantees.approximate(epsilon=2, delta=1e-3)
    for delta in (1e-3, 0.01, 0.1, 0.5, 0.9):
        fpr = np.linspace(1e-6, 1, 400_001)
        slope = ((claim.tprs(fpr) - delta) / fpr).max()
        assert claim.epsilon(delta) == pytest.approx(max(0.0, math.log(max(slope, 1e-9))), abs=1e-4)


def test_the_accountant_is_neither_too_favourable_nor_too_loose() -> None:
    claim = guarantees.dp_sgd(noise_multiplier=1, sample_rate=0.01, steps=1000, delta=1e-5)
    assert claim.epsilon(1e-5) == pytest.approx(1.828, abs=1e-3)  # RDP says 2.101, the central limit 1.618
    assert "epsilon 1.83 at delta 1e-05" in claim.says
    whole = guarantees.dp_sgd(noise_multiplier=10, sample_rate=1, steps=25)  # of all records: Gaussian, mu 5 / 10
    assert whole.epsilon(1e-5) == pytest.approx(guarantees.gaussian(mu=0.5).epsilon(1e-5), abs=2e-3)
    assert whole.tprs(FPR[1:-1]) == pytest.approx(guarantees.gaussian(mu=0.5).tprs(FPR[1:-1]), abs=1e-3)


def test_no_pair_of_errors_of_the_curve_breaks_the_epsilon_at_any_delta() -> None:
    """By the dual: the most that TPR can be, given the smallest delta at each epsilon, is the curve."""
    from dp_accounting.pld import privacy_loss_distribution

    loss = privacy_loss_distribution.from_gaussian_mechanism(1, sampling_prob=0.02).self_compose(500)
    epsilons = np.linspace(0, 8, 801)
    deltas = np.array(loss.get_delta_for_epsilon(epsilons))
    claim = guarantees.dp_sgd(noise_multiplier=1, sample_rate=0.02, steps=500)
    for fpr in (0.001, 0.01, 0.1, 0.3):
        steep = np.exp(epsilons) * fpr + deltas
        flat = 1 - np.exp(-epsilons) * (1 - deltas - fpr)
        assert claim.tpr(fpr) == pytest.approx(min(steep.min(), flat.min()), abs=2e-4)


def test_the_best_attack_on_a_mechanism_that_was_run_reaches_the_ceiling_and_no_more() -> None:
    """DP-SGD on one coordinate, its record in or out: the likelihood ratio over all steps is the best score."""
    rng, steps, rate, noise, runs = np.random.default_rng(0), 30, 0.1, 1.0, 200_000
    scores = []
    for inside in (1, 0):
        released = (rng.random((runs, steps)) < rate) * inside + noise * rng.standard_normal((runs, steps))
        ratio = 1 - rate + rate * np.exp((2 * released - 1) / (2 * noise**2))
        scores.append(np.log(ratio).sum(1))
    members, others = scores
    claim = guarantees.dp_sgd(noise_multiplier=noise, sample_rate=rate, steps=steps)
    for fpr in (0.001, 0.01, 0.1):
        reached = (members > np.quantile(others, 1 - fpr)).mean()
        assert reached == pytest.approx(claim.tpr(fpr), rel=0.06)
    apart = np.mean(members > 0) - np.mean(others > 0)
    assert apart == pytest.approx(claim.advantage(), abs=0.006)


def test_linear_programming_finds_no_attack_above_an_epsilon() -> None:
    """Two worlds with 4 outcomes that keep to (epsilon, delta): the best test of all stays below, and comes near."""
    rng, epsilon, delta, nearest = np.random.default_rng(0), 1.0, 0.02, 1.0
    claim = guarantees.approximate(epsilon=epsilon, delta=delta)
    for _ in range(300):
        out = rng.dirichlet(np.ones(4))
        inside = out * np.exp(rng.choice([-epsilon, epsilon], 4))
        inside /= inside.sum()
        there, back = np.maximum(inside - math.e * out, 0).sum(), np.maximum(out - math.e * inside, 0).sum()
        if max(there, back) <= delta:
            best = -linprog(-inside, A_ub=out[None], b_ub=[0.1], bounds=(0, 1)).fun
            assert best <= claim.tpr(0.1) + 1e-9
            nearest = min(nearest, claim.tpr(0.1) - best)
    assert nearest < 0.05


def test_settings_name_a_guarantee() -> None:
    assert guarantees.declared(epsilon=3, delta=1e-5).says == guarantees.approximate(epsilon=3, delta=1e-5).says
    assert guarantees.declared(mu=1.5).says == guarantees.gaussian(mu=1.5).says
    plan = {"noise_multiplier": 2.0, "sample_rate": 0.01, "steps": 100}
    assert guarantees.declared(**plan, delta=1e-6).says == guarantees.dp_sgd(**plan, delta=1e-6).says
    assert guarantees.declared(**plan).says == guarantees.dp_sgd(**plan).says


@pytest.mark.parametrize(
    "settings",
    [{}, {"epsilon": 3}, {"epsilon": 3, "delta": 0.1, "mu": 1}, {"noise_multiplier": 1.0, "steps": 3}, {"delta": 0.1}],
)
def test_settings_that_name_none_or_several_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match="Name one of the three"):
        guarantees.declared(**settings)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: guarantees.approximate(epsilon=-1, delta=0.1), "`epsilon` must be at least 0 and finite, found -1"),
        (lambda: guarantees.approximate(epsilon=1, delta=1), "`delta` must be at least 0 and below 1, found 1"),
        (lambda: guarantees.approximate(epsilon=math.nan, delta=0), "`epsilon` must be"),
        (lambda: guarantees.approximate(epsilon=[1, 2], delta=0.1), "found 2 of epsilon, 1 of delta"),
        (lambda: guarantees.approximate(epsilon=[], delta=[]), "found 0 of epsilon"),
        (lambda: guarantees.gaussian(mu=math.inf), "`mu` must be at least 0 and finite"),
        (lambda: guarantees.dp_sgd(noise_multiplier=0, sample_rate=0.1, steps=1), "Without noise, nothing"),
        (lambda: guarantees.dp_sgd(noise_multiplier=1, sample_rate=64, steps=1), "at most 1, found 64"),
        (lambda: guarantees.dp_sgd(noise_multiplier=1, sample_rate=0.1, steps=0), "whole number of 1 or more, found 0"),
        (lambda: guarantees.dp_sgd(noise_multiplier=1, sample_rate=0.1, steps=1, delta=1), "`delta` must lie between"),
        (lambda: CLAIMS[0].tpr(1.5), "`fpr` must lie between 0 and 1, found 1.5"),
        (lambda: CLAIMS[0].epsilon(1), "`delta` must be at least 0"),
    ],
)
def test_what_no_guarantee_is_is_refused_with_what_was_found(call, says: str) -> None:
    with pytest.raises(InputError, match=says):
        call()
