"""Bounds on epsilon against published values, slow oracles, and mechanisms whose epsilon is known."""

from functools import partial

import numpy as np
import oracles
import pytest
import torch
from scipy.stats import norm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.risk import (
    EpsilonBound,
    epsilon_clopper_pearson,
    epsilon_gaussian,
    epsilon_one_run,
    epsilon_one_run_gaussian,
)
from ml_privacy_meter.types import Scores

RATES, GAUSSIAN = epsilon_clopper_pearson, epsilon_gaussian
ONE_RUN, ONE_RUN_GAUSSIAN = epsilon_one_run, epsilon_one_run_gaussian
ALL = [RATES, partial(RATES, threshold="split"), GAUSSIAN, partial(GAUSSIAN, threshold="split")]
ALL += [ONE_RUN, partial(ONE_RUN, ends="highest"), ONE_RUN_GAUSSIAN]
NAMES = ["rates", "rates-split", "gaussian", "gaussian-split", "one-run", "one-run-highest", "one-run-gaussian"]
WITHOUT_FAMILY = [0, 1, 4, 5]


def scores_of(member: np.ndarray, other: np.ndarray) -> Scores:
    truth = torch.arange(len(member) + len(other)) < len(member)
    return Scores(torch.from_numpy(np.concatenate([member, other])), truth)


def drawn(seed: int, draw, canaries: int = 400) -> Scores:
    rng = np.random.default_rng(seed)
    member = rng.random(canaries) < 0.5
    return Scores(torch.from_numpy(draw(rng, member)), torch.from_numpy(member))


def coin_flips(epsilon: float):
    return lambda rng, member: (member ^ (rng.random(len(member)) < 1 / (1 + np.exp(epsilon)))).astype(float)


def normal(mu: float):
    return lambda rng, member: mu * member + rng.normal(size=len(member))


def laplace(epsilon: float):
    return lambda rng, member: member + rng.laplace(scale=1 / epsilon, size=len(member))


def names_some(delta: float):
    """Each canary's truth with probability delta, and nothing else: epsilon is 0 at this delta."""
    return lambda rng, member: np.where(
        rng.random(len(member)) < delta, np.where(member, 2.0, -2.0), rng.uniform(-1, 1, len(member))
    )


def guesses_at_corners(member: np.ndarray, other: np.ndarray) -> list[int]:
    """How many lie at or above the threshold of each corner of the ROC's upper hull, where any do."""
    thresholds = np.append(np.unique(np.concatenate([member, other])), np.inf)
    corners: list[tuple[int, int]] = []
    for x, y in np.stack([np.searchsorted(np.sort(side), thresholds) for side in (member, other)], 1).tolist():
        while len(corners) > 1 and (corners[-1][1] - corners[-2][1]) * (x - corners[-1][0]) <= (y - corners[-1][1]) * (
            corners[-1][0] - corners[-2][0]
        ):
            corners.pop()
        corners.append((x, y))
    return [len(member) + len(other) - x - y for x, y in corners[:-1]]


@pytest.mark.parametrize(
    ("shift", "corners", "epsilon", "gaussian"),
    [(1, 386, 1.13346, 2.164749), (2, 374, 2.311945, 4.7218075), (4, 140, 4.395568, 9.133752)],
)
@pytest.mark.usefixtures("unchecked")
def test_bounds_equal_those_of_jax_privacy_with_as_many_tries(shift, corners, epsilon, gaussian):
    """10,000 canaries of either kind at the quantiles of normal distributions; one try makes none."""
    others = norm.ppf((np.arange(10_000) + 0.5) / 10_000)
    made = guesses_at_corners(others + shift, others)
    assert len(made) == corners - 1
    settings = {"delta": 1e-6, "guesses": made, "ends": "highest", "confidence": 1 - 0.05 * len(made) / corners}
    scores = scores_of(others + shift, others)
    assert ONE_RUN(scores, **settings).value == pytest.approx(epsilon, abs=5e-4)
    assert ONE_RUN_GAUSSIAN(scores, **settings).value == pytest.approx(gaussian, abs=5e-4)


@pytest.mark.parametrize("levels", [2, 5, 1000])
@pytest.mark.parametrize("delta", [0.0, 1e-5, 0.1])
def test_bounds_from_rates_equal_the_oracle_at_every_threshold_with_ties(levels, delta):
    rng = np.random.default_rng(levels)
    member, other = (
        rng.integers(0, levels, n) + lift * levels * (rng.random(n) < 0.7) for n, lift in ((60, 1), (80, 0))
    )
    scores = scores_of(member.astype(float), other.astype(float))
    ratios, apart = [0.0], [0.0]
    for fp, fn in oracles.error_limits(member, other, 0.025):
        ratios += [np.log((1 - one - delta) / two) for one, two in ((fn, fp), (fp, fn)) if 1 - one > delta]
        apart.append(norm.isf(fp) - norm.ppf(fn))
    found = RATES(scores, delta=delta)
    assert found.value == pytest.approx(max(ratios), abs=1e-9)
    assert found.value > 0.5
    if delta:
        mu = max(apart)
        epsilon = GAUSSIAN(scores, delta=delta).value
        left = norm.cdf(mu / 2 - epsilon / mu) - np.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu)
        assert left == pytest.approx(delta, rel=1e-6)


@pytest.mark.parametrize("bound", [RATES, partial(RATES, threshold="split")], ids=NAMES[:2])
def test_members_and_non_members_that_stand_out_show_as_much(bound):
    """Either side of the inequality: only some members are recognised, or only some non-members."""
    rng = np.random.default_rng(0)
    plain, some = rng.normal(size=400), np.concatenate([rng.normal(size=300), np.full(100, 9.0)])
    by_members, by_others = (bound(one, delta=1e-5).value for one in (scores_of(some, plain), scores_of(-plain, -some)))
    assert min(by_members, by_others) > 1.5
    assert bound is not RATES or by_members == pytest.approx(by_others, abs=1e-9)


def test_a_fixed_threshold_is_not_corrected_and_a_split_judges_one_half():
    rng = np.random.default_rng(0)
    scores = scores_of(rng.normal(2, 1, 400), rng.normal(0, 1, 400))
    every, split, fixed = (RATES(scores, delta=1e-5, threshold=one) for one in ("every", "split", 2.0))
    assert (every.trials, split.trials, fixed.trials) == (800, 400, 800)
    fp, fn = int((scores.others >= 2).sum()), int((scores.members < 2).sum())
    (fp_limit, fn_limit) = (oracles.beta.isf(0.025, k + 1, 400 - k) for k in (fp, fn))
    assert fixed.value == pytest.approx(np.log((1 - fn_limit - 1e-5) / fp_limit))
    assert fixed.note == f"{400 - fn} of 400 members and {fp} of 400 non-members at or above 2"
    assert fixed.most > every.most
    assert fixed.most > split.most


@pytest.mark.parametrize("bound", ALL, ids=NAMES)
def test_no_signal_shows_nothing(bound):
    """60 audits: three are allowed, and two standard errors and a half."""
    found = [bound(drawn(seed, normal(0.0)), delta=1e-5).value for seed in range(60)]
    assert sum(value > 0 for value in found) <= 7
    assert np.median(found) == 0


@pytest.mark.parametrize("bound", ALL, ids=NAMES)
def test_constant_scores_show_nothing_however_they_are_ordered(bound):
    for n in (50, 500, 1234):
        assert bound(scores_of(np.zeros(n), np.zeros(n)), delta=1e-5).value == 0


MECHANISMS = {  # draw, delta, epsilon at delta, of a Gaussian mechanism
    "gaussian-1": (normal(1.0), 1e-5, 4.38, True),
    "gaussian-0.2": (normal(0.2), 1e-2, 0.151, True),
    "laplace-1": (laplace(1.0), 0.0, 1.0, False),
    "coin-flips-0.5": (coin_flips(0.5), 0.0, 0.5, False),
    "coin-flips-3": (coin_flips(3.0), 0.0, 3.0, False),
    "names-2%": (names_some(0.02), 0.02, 0.0, False),
}


@pytest.mark.parametrize("bound", ALL, ids=NAMES)
@pytest.mark.parametrize("name", MECHANISMS)
def test_a_bound_lies_above_the_truth_in_five_of_a_hundred_audits_at_most(name, bound):
    """60 audits: three are allowed, and three standard errors. `benchmarks/epsilon.py` has the long run."""
    draw, delta, epsilon, gaussian = MECHANISMS[name]
    if not gaussian and bound not in [ALL[i] for i in WITHOUT_FAMILY]:
        pytest.skip("promises nothing of this mechanism")
    found = [bound(drawn(seed, draw), delta=delta).value for seed in range(60)]
    assert sum(value > epsilon for value in found) <= 8


@pytest.mark.parametrize("guesses", [8, 16])
def test_delta_is_granted_to_every_canary(guesses):
    """Those that are named are surely right; the mechanism keeps to epsilon 0 at its delta nevertheless."""
    found = [drawn(seed, names_some(0.02), 1000) for seed in range(50)]
    assert sum(ONE_RUN(scores, delta=0.02, guesses=guesses).value > 0 for scores in found) <= 5
    assert sum(ONE_RUN(scores, delta=0.0, guesses=guesses).value > 0 for scores in found) >= 45
    assert sum(RATES(scores, delta=0.02).value > 0 for scores in found) <= 5


def test_the_significance_is_used_where_all_canaries_are_guessed():
    """The guesses about coin flips are as good as their epsilon allows: a bound with less error would be too low."""
    draws = [drawn(seed, coin_flips(1.0), 400) for seed in range(300)]
    above = np.mean([ONE_RUN(scores, delta=0.0, guesses=400).value > 1 for scores in draws])
    assert 0.01 <= above <= 0.05 + 3 * 0.0126


@pytest.mark.usefixtures("unchecked")
def test_the_best_of_many_numbers_of_guesses_is_corrected():
    """Scores without meaning: the best of 25 at full confidence would be above 0 in a fifth of audits or more."""
    tries = list(range(4, 104, 4))
    draws = [drawn(seed, normal(0.0)) for seed in range(120)]
    assert np.mean([ONE_RUN(scores, delta=0.0, guesses=tries).value > 0 for scores in draws]) <= 0.05
    best = [max(ONE_RUN(scores, delta=0.0, guesses=made).value for made in tries) for scores in draws]
    assert np.mean(np.array(best) > 0) > 0.1
    one = ONE_RUN(draws[0], delta=0.0, guesses=40, confidence=1 - 0.05 / 2)
    assert ONE_RUN(draws[0], delta=0.0, guesses=[40, 40]).value == pytest.approx(one.value)


def test_a_gaussian_bound_outside_its_family_lies_above_the_truth_and_says_what_it_assumes():
    found = GAUSSIAN(drawn(0, coin_flips(2.0), 1000), delta=1e-5)
    assert found.value > 2.1
    assert "Gaussian mechanism (else the bound may lie above the truth)" in found.assumes
    assert "Gaussian" in ONE_RUN_GAUSSIAN(drawn(0, coin_flips(2.0), 1000), delta=1e-5).assumes


@pytest.mark.parametrize("bound", ALL, ids=NAMES)
def test_perfect_scores_show_the_most_that_can_be_shown(bound):
    n = 500
    found = bound(scores_of(np.arange(n) + 1.0, -np.arange(n) - 1.0), delta=1e-5)
    assert isinstance(found, EpsilonBound)
    if bound is ALL[5]:
        assert 0 < found.value < found.most  # with members alone, no 1,000 guesses can be right of 500 members
    else:
        assert found.value == pytest.approx(found.most, abs=1e-6)
    assert found.value > 2


@pytest.mark.parametrize("bound", ALL, ids=NAMES)
@pytest.mark.parametrize("draw", [normal(1.0), normal(30.0), coin_flips(1.0)], ids=["some", "all", "ties"])
def test_no_bound_lies_above_what_its_counts_can_show_and_two_runs_agree(bound, draw):
    scores = drawn(3, draw)
    found = bound(scores, delta=1e-5)
    assert 0 <= found.value <= found.most + 1e-9 < np.inf
    assert bound(scores, delta=1e-5) == found


@pytest.mark.parametrize("bound", ALL, ids=NAMES)
def test_scores_upside_down_show_nothing(bound):
    scores = drawn(0, normal(3.0))
    assert bound(Scores(-scores.score, scores.truth), delta=1e-5).value == 0


@pytest.mark.parametrize("bound", ALL, ids=NAMES)
def test_two_canaries_show_nothing_or_are_too_few(bound):
    scores = scores_of(np.array([1.0]), np.array([0.0]))
    if getattr(bound, "keywords", {}).get("threshold") == "split":
        with pytest.raises(InputError, match="needs 2 members and 2 non-members, found 1 and 1"):
            bound(scores, delta=1e-5)
    else:
        assert bound(scores, delta=1e-5).value == 0


@pytest.mark.parametrize("bound", ALL, ids=NAMES)
def test_a_hundred_thousand_canaries_give_a_finite_bound(bound):
    found = bound(drawn(0, normal(2.0), 100_000), delta=1e-9)
    assert 1 < found.value < found.most < np.inf


def test_equal_scores_are_guessed_by_lot_and_not_by_their_order():
    """200 ones, half of them members: half of 100 guesses are right, whoever comes first."""
    above, below = np.concatenate([np.ones(100), np.zeros(300)]), np.concatenate([np.ones(100), np.zeros(300)])
    right = [
        int(ONE_RUN(scores_of(above + k, below + k), delta=0.0, guesses=100, ends="highest").note.split()[0])
        for k in range(60)
    ]
    assert np.mean(right) == pytest.approx(50, abs=3 * 5 / np.sqrt(2) / np.sqrt(60))
    assert np.std(right) > 2


def test_the_guesses_are_those_at_the_ends():
    scores = scores_of(np.array([9.0, 8, 1, 0]), np.array([7.0, 6, 5, -1]))
    for made, ends, note in (
        (2, "both", "2 of 2"),
        (3, "both", "3 of 3"),
        (4, "both", "3 of 4"),
        (4, "highest", "2 of 4"),
    ):
        found = ONE_RUN(scores, delta=0.0, guesses=made, ends=ends)
        assert found.note == f"{note} guesses right, of 8 canaries"


@pytest.mark.parametrize("bound", ALL, ids=NAMES)
@pytest.mark.parametrize(
    ("name", "value"), [("delta", 1.0), ("delta", -1e-5), ("delta", float("nan")), ("confidence", 1.0)]
)
def test_numbers_outside_their_range_are_named(bound, name, value):
    with pytest.raises(InputError, match=f"`{name}` must lie between 0 and 1, found"):
        bound(drawn(0, normal(1.0)), **{"delta": 1e-5, name: value})


@pytest.mark.parametrize("bound", [GAUSSIAN, ONE_RUN_GAUSSIAN])
def test_delta_zero_has_no_gaussian_epsilon(bound):
    with pytest.raises(InputError, match="no finite epsilon at delta 0: give a `delta` above 0"):
        bound(drawn(0, normal(1.0)), delta=0.0)


def test_settings_that_make_no_sense_are_refused():
    scores = drawn(0, normal(1.0))
    for guesses, found in ((0, "0"), (401, "401"), (-3, "-3"), (True, "True"), ([], "none"), ([10, 500], "500")):
        with pytest.raises(InputError, match=f"whole numbers from 1 to the 400 canaries, found {found}"):
            ONE_RUN(scores, delta=1e-5, guesses=guesses)
    with pytest.raises(InputError, match="A `threshold` must be finite, found nan"):
        RATES(scores, delta=1e-5, threshold=float("nan"))


def test_members_that_no_fair_coin_drew_are_refused_where_it_matters():
    """Whoever calls all canaries members would be right nine times in ten."""
    scores = scores_of(np.zeros(900), np.zeros(100))
    for bound in (ONE_RUN, ONE_RUN_GAUSSIAN):
        with pytest.raises(InputError, match="probability one half, each by itself, found 900 members in 1000"):
            bound(scores, delta=1e-5)
    assert RATES(scores, delta=1e-5).value == 0


def test_a_bound_in_words_is_never_rounded_up():
    found = EpsilonBound("epsilon (one run)", 1.9999, 1e-5, 0.95, 5.7829, 1000, "nothing")
    assert str(found) == (
        "epsilon (one run): at least 1.999 at delta 1e-05 with 95% confidence; these counts cannot show more than 5.782"
    )
