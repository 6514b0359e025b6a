"""The guarantee of DP-SGD, from its noise; and the noise, from a guarantee of little risk."""

from collections.abc import Callable
from functools import cache
from math import ceil, inf, isfinite
from typing import Any

import numpy as np
from scipy.optimize import brentq
from tqdm.auto import tqdm

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter._extras import extra
from ml_privacy_meter.guarantees.guarantee import ADJACENCY, Guarantee, Rates

PURPOSE = "What DP-SGD guarantees"
LEAST, MOST = 0.25, 4096.0  # noise multipliers among which one is looked for
FINE = 1e-4  # nats, of the grid on which losses are rounded up at a noise of 1
STEP = 0.001  # of the noise multipliers that are handed out


def dp_sgd(*, noise_multiplier: float, sample_rate: float, steps: int, delta: float = 1e-5) -> Guarantee:
    """What DP-SGD guarantees: the privacy loss distribution of Gaussian noise on batches drawn record by record.

    Each record is in each batch with probability ``sample_rate``, by itself (Poisson sampling). Batches of a shuffled
    data set are drawn otherwise; this guarantee does not hold for them.

    Source: Abadi et al., Deep Learning with Differential Privacy, CCS 2016. The accountant is dp-accounting's
    (Doroshenko et al., Connect the Dots, PoPETs 2022), the trade-off curve riskcal's (Kulynych et al., Attack-Aware
    Noise Calibration, NeurIPS 2024).

    Args:
        noise_multiplier: standard deviation of the noise over the norm that gradients are clipped to, above 0.
        sample_rate: expected batch size over the number of training records, in (0, 1].
        steps: how often a batch was drawn, in all.
        delta: at which epsilon is named in words.
    """
    if not 0 < noise_multiplier < inf:
        raise InputError(
            f"`noise_multiplier` must be above 0 and finite, found {noise_multiplier!r}. Without noise, nothing "
            "is guaranteed."
        )
    _check_plan(sample_rate, steps, delta)
    loss = _privacy_loss(noise_multiplier, sample_rate, steps)
    beta_from = extra("riskcal.analysis", "dp", PURPOSE).get_beta_from_pld

    def beta(fpr: Rates) -> Rates:
        return np.asarray(beta_from(loss, alpha=fpr))

    def follows(at: float) -> float:
        return float(loss.get_epsilon_for_delta(at))

    epsilon = follows(delta)
    named = f"epsilon {ceil(100 * epsilon) / 100:g}" if isfinite(epsilon) else "no finite epsilon"
    says = (
        f"DP-SGD with noise multiplier {noise_multiplier:g}, sample rate {sample_rate:g} and {steps:,} steps: {named} "
        f"at delta {delta:g}, {ADJACENCY}"
    )
    return Guarantee(says, beta, follows)


def noise_for(
    *,
    sample_rate: float,
    steps: int,
    tpr: float | None = None,
    fpr: float | None = None,
    advantage: float | None = None,
    epsilon: float | None = None,
    delta: float = 1e-5,
) -> float:
    """Smallest noise multiplier of DP-SGD that keeps a risk, or epsilon, down; rounded up to a thousandth.

    Args:
        sample_rate, steps: as of `dp_sgd`.
        tpr: the largest true positive rate that any attack may reach at the false positive rate ``fpr``.
        advantage: or the largest true positive rate less false positive rate, at whichever threshold.
        epsilon: or epsilon at ``delta``, in nats.

    Raises:
        InputError: none or several are given, or no noise gives as little.
    """
    _check_plan(sample_rate, steps, delta)
    risk = _risk(tpr, fpr, advantage, epsilon, delta)
    with tqdm(desc="Trying noise multipliers", leave=False, disable=None, delay=1, bar_format="{desc}: {n}") as bar:

        @cache
        def excess(noise: float) -> float:
            bar.update()
            return risk(dp_sgd(noise_multiplier=noise, sample_rate=sample_rate, steps=steps))

        low = high = 1.0
        while excess(high) > 0:
            low, high = high, 2 * high
            if high > MOST:
                raise InputError(
                    f"No noise multiplier up to {MOST:g} keeps what was asked for so low. Allow more, or train less."
                )
        while low > LEAST and excess(low) <= 0:
            low, high = low / 2, low
        found = low if excess(low) <= 0 else float(brentq(excess, low, high, xtol=STEP / 10))
        noise = ceil(found / STEP) * STEP
        while excess(noise) > 0:  # the root is known to a tenth of a step, on either side
            noise += STEP
    return round(noise, 3)


def _risk(
    tpr: float | None, fpr: float | None, advantage: float | None, epsilon: float | None, delta: float
) -> Callable[[Guarantee], float]:
    """By how much a guarantee allows more than was asked for."""
    if epsilon is not None and tpr is None and fpr is None and advantage is None:
        in_range(0, inf, epsilon=epsilon)
        return lambda guarantee: min(guarantee.epsilon(delta), 1e6) - epsilon
    if advantage is not None and tpr is None and fpr is None:
        in_range(0, 1, advantage=advantage)
        return lambda guarantee: guarantee.advantage() - advantage
    if advantage is None and tpr is not None and fpr is not None:
        in_range(0, 1, tpr=tpr, fpr=fpr)
        if tpr <= fpr:
            raise InputError(
                f"`tpr` must lie above `fpr`, found {tpr:g} and {fpr:g}: who guesses at random reaches {fpr:g}. Allow "
                "more."
            )
        return lambda guarantee: guarantee.tpr(fpr) - tpr
    raise InputError("What is to be kept down is `tpr` at `fpr`, `advantage` or `epsilon`. Give one of the three.")


def _check_plan(sample_rate: float, steps: int, delta: float) -> None:
    if not 0 < sample_rate <= 1:
        raise InputError(
            f"`sample_rate` must be above 0 and at most 1, found {sample_rate!r}: the share of the training "
            "records that a batch holds on average."
        )
    if steps < 1 or steps != int(steps):
        raise InputError(f"`steps` must be a whole number of 1 or more, found {steps!r}.")
    in_range(0, 1, delta=delta)


def _privacy_loss(noise: float, sample_rate: float, steps: int) -> Any:
    """The distribution, never too favourable, whichever way the record is changed.

    Losses shrink as the noise grows, and where there is little noise, a fine grid of them would fill the memory.
    """
    made = extra("dp_accounting.pld.privacy_loss_distribution", "dp", PURPOSE).from_gaussian_mechanism(
        noise,
        sampling_prob=sample_rate,
        value_discretization_interval=FINE / (noise if noise > 1 else noise**3),
        use_connect_dots=True,
        pessimistic_estimate=True,
    )
    return made.self_compose(steps)
