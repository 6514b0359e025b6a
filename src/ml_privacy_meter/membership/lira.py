"""Is the target's signal that of models trained with the record, or of models trained without?"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import one_of
from ml_privacy_meter.membership.moments import FLOOR, Moments, check_some, moments, read
from ml_privacy_meter.membership.view import View
from ml_privacy_meter.signals.classifier import logit_gap
from ml_privacy_meter.types import Signal, Signals, sign_of


def lira(
    view: View,
    *,
    signal: Signal = logit_gap,
    queries: int = 1,
    snapshots: int = 0,
    offline: str = "auto",
    variance: str = "auto",
) -> Float[Tensor, " records"]:
    """Log-likelihood ratio, in nats, of "trained with the record" over "trained without"; offline, a log-probability.

    Sees: the target model's output for each record, the record's true label, and reference models with the records
    that each was trained on.

    Source: Carlini et al., Membership Inference Attacks From First Principles, IEEE S&P 2022, algorithm 1; offline,
    section VI.A. Gaussians have means where the released code has medians, unbiased variances, and a shared variance
    that is taken around each record's own mean. Queries are taken to be independent: their ratios are added;
    so are those of moments, against reference models at the same moments, which is ours.

    Args:
        signal: near Gaussian over models for one record; turned by its ``sign`` as for `threshold`.
        queries: forms in which each record is asked about.
        snapshots: earlier moments at which each model is asked too, at most: the last, and others evenly before it.
        offline: "no": both sides. "one-sided": only models not trained on the record, log Pr[Z <= signal].
            "two-sided": the same models, minus their log-density, as the paper's code has it and far weaker. "auto":
            "one-sided" where no reference model was trained on any of the records, else "no".
        variance: "record": each record's own. "shared": one for all. "auto": "record" from 64 models on, if each record
            has two on each side that is used.

    Raises:
        InputError: a record lacks reference models on a side that is used.
    """
    seen = read(view, signal, queries, snapshots, attack="lira")
    return lira_scores(seen, sign=sign_of(signal), offline=offline, variance=variance)


def lira_scores(
    seen: Signals, *, sign: int = 1, offline: str = "auto", variance: str = "auto"
) -> Float[Tensor, " records"]:
    """`lira` of what was read, with an axis of queries."""
    one_of(offline, ("auto", "no", "one-sided", "two-sided"), "setting of `offline`")
    one_of(variance, ("auto", "record", "shared"), "setting of `variance`")
    if offline == "auto":
        offline = "no" if seen.inside.any() else "one-sided"
    sides = {"that were not trained on": moments(seen, trained=False)}
    if offline == "no":
        sides["that were trained on"] = moments(seen, trained=True)
    if variance == "auto":
        enough = seen.inside.shape[1] >= 64 and all(side.count.min() > 1 for side in sides.values())
        variance = "record" if enough else "shared"
    advice = {"that were trained on": ', or set `offline = "one-sided"`'}
    for name, side in sides.items():
        more = f"Train more reference models{advice.get(name, '')}."
        check_some(side.count, "lira", name, more, least=2 if variance == "record" else 1)
    out, *into = [_placed(seen.target, side, variance) for side in sides.values()]
    if offline == "one-sided":
        score: Tensor = torch.special.log_ndtr(sign * out[0])
        return score.sum(1)
    return ((_log_density(*into[0]) if into else 0) - _log_density(*out)).sum(1)


def _placed(target: Tensor, side: Moments, variance: str) -> tuple[Tensor, Tensor]:
    """Deviations of the target from the side's mean, and the deviation that is usual there."""
    of = side.squares / (side.count - 1) if variance == "record" else side.within
    usual = of.clamp(min=FLOOR).sqrt()
    return (target - side.mean) / usual, usual


def _log_density(z: Tensor, usual: Tensor) -> Tensor:
    return -z.square() / 2 - usual.log() - math.log(2 * math.pi) / 2
