"""Lower bounds on epsilon, from what an attack said of canaries or of independent trials.

A bound is what was shown, at a confidence that was fixed beforehand. The best of several bounds has no such confidence:
the method, its settings and delta are chosen before scores are looked at. That is why nothing here takes a seed.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int
from scipy.special import betainccinv, ndtri
from scipy.stats import binomtest

from ml_privacy_meter._checks import InputError, in_range, one_of
from ml_privacy_meter.findings import EpsilonBound
from ml_privacy_meter.risk.gaussian import gaussian_epsilon, gaussian_one_run_mu
from ml_privacy_meter.risk.one_run import one_run_epsilon
from ml_privacy_meter.types import Scores, fold_of

SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)  # of the canaries: how many are guessed where nobody says
UNLIKELY = 1e-6  # a draw with even odds gives such a number of members so rarely that it was no such draw
TRIALS = "the trials are independent of each other, as where each has a training run of its own"
DRAWN = "each canary's membership was drawn by itself with probability one half, and the attack was not shown it"
GAUSSIAN = "the mechanism's trade-off curve is that of a Gaussian mechanism (else the bound may lie above the truth)"

Threshold = float | Literal["every", "split"]
Gain = Callable[[np.ndarray, np.ndarray], np.ndarray]
Solve = Callable[[int, int, int, float, float], float]  # of right guesses, guesses, canaries, alpha, what to be above


def epsilon_clopper_pearson(
    scores: Scores, *, delta: float, confidence: float = 0.95, threshold: Threshold = "every"
) -> EpsilonBound:
    """Lower bound on epsilon at ``delta``, in nats, from the error rates of telling members by a threshold.

    Under (epsilon, delta)-differential privacy neither the true positive rate less delta over the false positive rate
    nor the true negative rate less delta over the false negative rate exceeds exp(epsilon). Both false rates are
    replaced by upper confidence limits, each at half of what ``confidence`` leaves; the larger ratio counts.

    Source: Nasr et al., Adversary Instantiation, S&P 2021, with the limits of Clopper and Pearson 1934. Departure:
    "every" shares the significance out over every count of wrong non-members and every count of wrong members, so that
    the limits hold for all thresholds at once, those that hang on the scores included.

    Args:
        scores: of trials that are independent of each other; canaries of one training run need not be.
        delta: in [0, 1).
        threshold: "every": the largest ratio at any threshold, corrected for their number; "split": the threshold is
            taken from one half of the trials and judged on the other; or a number that was fixed beforehand.
    """
    _checked(delta, confidence)

    def ratio(false_positive: np.ndarray, false_negative: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            members = np.log(np.maximum(1 - false_negative - delta, 0)) - np.log(false_positive)
            others = np.log(np.maximum(1 - false_positive - delta, 0)) - np.log(false_negative)
        return np.asarray(np.maximum(members, others))

    value, most, trials, note = _over_thresholds(scores, threshold, confidence, ratio)
    return EpsilonBound("epsilon (Clopper-Pearson)", value, delta, confidence, most, trials, TRIALS, note)


def epsilon_gaussian(
    scores: Scores, *, delta: float, confidence: float = 0.95, threshold: Threshold = "every"
) -> EpsilonBound:
    """Lower bound on epsilon at ``delta``, in nats, that holds only if the mechanism is a Gaussian one.

    The error rates at a threshold say how many standard deviations apart the two normal distributions are; that says
    epsilon at any delta, far beyond what rates can show by themselves. For another mechanism, the same number may lie
    far above its epsilon.

    Source: Nasr et al., Tight Auditing of Differentially Private Machine Learning, USENIX Security 2023, with the
    limits of `epsilon_clopper_pearson`.

    Args:
        scores, threshold: as of `epsilon_clopper_pearson`.
        delta: in (0, 1); a Gaussian mechanism has no finite epsilon at delta 0.
    """
    _checked(delta, confidence, gaussian=True)

    def apart(false_positive: np.ndarray, false_negative: np.ndarray) -> np.ndarray:
        return np.asarray(-ndtri(false_positive) - ndtri(false_negative))

    mu, most, trials, note = _over_thresholds(scores, threshold, confidence, apart)
    value, most = gaussian_epsilon(mu, delta), gaussian_epsilon(most, delta)
    assumes = f"{TRIALS}; {GAUSSIAN}"
    return EpsilonBound("epsilon (Gaussian family)", value, delta, confidence, most, trials, assumes, note)


def epsilon_one_run(
    scores: Scores,
    *,
    delta: float,
    confidence: float = 0.95,
    guesses: int | Sequence[int] | None = None,
    ends: Literal["both", "highest"] = "both",
) -> EpsilonBound:
    """Lower bound on epsilon at ``delta``, in nats, from one training run with canaries.

    The canaries with the most telling scores are guessed, and all others abstained from: under (epsilon,
    delta)-differential privacy so many right guesses would be rare. Of equal scores, those that are guessed are drawn,
    by what the scores contain, so that their order says nothing and the same scores give the same bound.

    Source: Steinke, Nasr and Jagielski, Privacy Auditing with One (1) Training Run, NeurIPS 2023, theorem 5.2.

    Args:
        scores: of all canaries whose membership was drawn, each with probability one half.
        delta: in [0, 1).
        guesses: how many are guessed, fixed beforehand. Of several numbers the best counts, and the significance is
            shared out over them; by default 1%, 3%, 10%, 30% and 100% of the canaries.
        ends: "both": one half are the highest scores, guessed members, the other half the lowest, guessed non-members;
            "highest": only members are guessed.
    """
    _checked(delta, confidence)

    def solve(correct: int, made: int, canaries: int, alpha: float, above: float) -> float:
        return one_run_epsilon(correct, made, canaries, delta=delta, alpha=alpha, above=above)

    value, most, note = _over_guesses(scores, guesses, ends, confidence, solve)
    return EpsilonBound("epsilon (one run)", value, delta, confidence, most, len(scores.truth), DRAWN, note)


def epsilon_one_run_gaussian(
    scores: Scores,
    *,
    delta: float,
    confidence: float = 0.95,
    guesses: int | Sequence[int] | None = None,
    ends: Literal["both", "highest"] = "both",
) -> EpsilonBound:
    """Lower bound on epsilon at ``delta``, in nats, from one training run, if the mechanism is a Gaussian one.

    Source: Mahloujifar, Melis and Chaudhuri, Auditing f-Differential Privacy in One Run, 2024, algorithm 3, for the
    trade-off curves of Gaussian mechanisms. For another mechanism, the same number may lie above its epsilon.

    Args:
        scores, guesses, ends: as of `epsilon_one_run`.
        delta: in (0, 1); a Gaussian mechanism has no finite epsilon at delta 0.
    """
    _checked(delta, confidence, gaussian=True)

    def solve(correct: int, made: int, canaries: int, alpha: float, above: float) -> float:
        return gaussian_one_run_mu(correct, made, canaries, alpha=alpha, above=above)

    mu, most, note = _over_guesses(scores, guesses, ends, confidence, solve)
    value, most = gaussian_epsilon(mu, delta), gaussian_epsilon(most, delta)
    name, assumes = "epsilon (one run, Gaussian family)", f"{DRAWN}; {GAUSSIAN}"
    return EpsilonBound(name, value, delta, confidence, most, len(scores.truth), assumes, note)


def _checked(delta: float, confidence: float, *, gaussian: bool = False) -> None:
    in_range(0, 1, confidence=confidence)
    if gaussian and delta == 0:
        raise InputError("A Gaussian mechanism has no finite epsilon at delta 0: give a `delta` above 0.")
    if delta != 0:
        in_range(0, 1, delta=delta)


def _over_thresholds(
    scores: Scores, threshold: Threshold, confidence: float, gain: Gain
) -> tuple[float, float, int, str]:
    """The largest gain at the thresholds, 0 at least; the largest that could be; of how many trials; where it was."""
    alpha = (1 - confidence) / 2  # half for either rate
    if isinstance(threshold, str):
        if one_of(threshold, ("every", "split"), "threshold") == "every":
            values, tries = scores.score.double().unique().numpy(), True  # type: ignore[no-untyped-call]
        else:
            scores, values = _split(scores, alpha, gain)
            tries = False
    elif np.isfinite(threshold):
        values, tries = np.array([float(threshold)]), False
    else:
        raise InputError(f"A `threshold` must be finite, found {threshold!r}. Give a score, or 'every', or 'split'.")
    found = gain(*_limits(scores, values, alpha, tries))
    m, o, best = len(scores.members), len(scores.others), int(found.argmax())
    most = gain(*(_upper(np.zeros(1, int), n, alpha / (n if tries else 1)) for n in (o, m)))
    tp, fp = (int((side >= values[best]).sum()) for side in (scores.members, scores.others))
    note = f"{tp} of {m} members and {fp} of {o} non-members at or above {values[best]:.6g}"
    return max(0.0, float(found[best])), max(0.0, float(most[0])), m + o, note


def _split(scores: Scores, alpha: float, gain: Gain) -> tuple[Scores, np.ndarray]:
    """The half of the trials that is judged, and the threshold with the largest gain on the other."""
    if min(len(scores.members), len(scores.others)) < 2:
        raise InputError(
            "A threshold from a split needs 2 members and 2 non-members, found "
            f"{len(scores.members)} and {len(scores.others)}. Add trials, or give the threshold."
        )
    half = torch.from_numpy(fold_of(scores.truth, 2))
    learned = scores.where(half == 0)
    values = learned.score.double().unique().numpy()  # type: ignore[no-untyped-call]
    return scores.where(half == 1), values[[gain(*_limits(learned, values, alpha, False)).argmax()]]


def _limits(scores: Scores, values: np.ndarray, alpha: float, tries: bool) -> tuple[np.ndarray, np.ndarray]:
    """Upper confidence limits of the false positive and the false negative rate at each of these thresholds.

    Over all thresholds there are, the rate that goes with k wrong ones is nowhere above an order statistic whose
    quantile is Clopper and Pearson's limit: one event for each k, be there ties or not. With ``tries``, they share
    alpha.
    """
    members, others = np.sort(scores.members.numpy()), np.sort(scores.others.numpy())
    m, o = len(members), len(others)
    accused, missed = o - np.searchsorted(others, values), np.searchsorted(members, values)
    return _upper(accused, o, alpha / (o if tries else 1)), _upper(missed, m, alpha / (m if tries else 1))


def _upper(wrong: Int[np.ndarray, " thresholds"], trials: int, alpha: float) -> np.ndarray:
    counts, where = np.unique(wrong, return_inverse=True)
    limits = betainccinv(counts + 1, np.maximum(trials - counts, 1), alpha)
    return np.where(counts < trials, limits, 1.0)[where]


def _over_guesses(
    scores: Scores, guesses: int | Sequence[int] | None, ends: str, confidence: float, solve: Solve
) -> tuple[float, float, str]:
    """The largest bound over the numbers of guesses, the largest that could be, and what was guessed for it."""
    m, members = len(scores.truth), int(scores.truth.sum())
    if binomtest(members, m).pvalue < UNLIKELY:
        raise InputError(
            "The membership of canaries must be drawn with probability one half, each by itself, "
            f"found {members} members in {m}. Draw it so, and score all canaries of the draw."
        )
    one_of(ends, ("both", "highest"), "choice of `ends`")
    if guesses is None:
        guesses = sorted({max(1, round(share * m)) for share in SHARES})
    tried = list(guesses) if isinstance(guesses, Sequence) else [guesses]
    wrong = [made for made in tried if isinstance(made, bool) or not isinstance(made, int) or not 1 <= made <= m]
    if wrong or not tried:
        culprit = f"{wrong[0]!r}" if wrong else "none"
        raise InputError(f"`guesses` must be whole numbers from 1 to the {m} canaries, found {culprit}.")
    alpha = (1 - confidence) / len(tried)
    ranked = _ranked(scores)
    up, down = (np.concatenate([[0], np.cumsum(side)]) for side in (ranked, ~ranked[::-1]))
    right = [_right(up, down, made, ends) for made in tried]
    value, best, most = 0.0, 0, 0.0
    for i, made in enumerate(tried):
        found = solve(right[i], made, m, alpha, value)
        value, best = (found, i) if found > value else (value, best)
        most = max(most, solve(made, made, m, alpha, most))
    return value, most, f"{right[best]} of {tried[best]} guesses right, of {m} canaries"


def _right(up: np.ndarray, down: np.ndarray, made: int, ends: str) -> int:
    lowest = made // 2 if ends == "both" else 0
    return int(up[made - lowest] + down[lowest])


def _ranked(scores: Scores) -> np.ndarray:
    """Whether each trial is a member, the highest score first; ties in an order drawn from what the scores contain."""
    score, truth = scores.score.double().numpy(), scores.truth.numpy()
    content = hashlib.sha256(score.tobytes() + truth.tobytes()).digest()
    drawn = np.random.default_rng(int.from_bytes(content, "big")).permutation(len(score))
    return truth[drawn][np.argsort(-score[drawn], kind="stable")]
