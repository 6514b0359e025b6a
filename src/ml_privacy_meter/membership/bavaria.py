"""LiRA's ratio with a prior on each record's mean and variance, so that few reference models suffice."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import stdtr
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership.moments import Moments, moments, read
from ml_privacy_meter.membership.view import View
from ml_privacy_meter.signals.classifier import logit_gap
from ml_privacy_meter.types import Signal, Signals, sign_of


def bavaria(
    view: View, *, signal: Signal = logit_gap, queries: int = 1, snapshots: int = 0
) -> Float[Tensor, " records"]:
    """Log-ratio, in nats, of the predictive densities of the target's signal with and without the record.

    Where no reference model was trained on any of the records (offline): log Pr[T <= signal], T predicted without.

    Sees: the target model's output for each record, the record's true label, and reference models with the records
    that each was trained on.

    Source: Brännvall, Exponential-Family Membership Inference: From LiRA and RMIA to BaVarIA, arXiv 2603.11799, 2026
    (the Student-t variant). The normal-inverse-gamma prior is our own, fitted to all records, each side by itself: the
    mean of the records' means; k0 = variance within over variance between records; a0 = 2, b0 = a0 x variance within.
    Queries, and moments, are taken to be independent: their ratios are added.

    Args:
        signal: near Gaussian over models for one record; turned by its ``sign`` as for `threshold`.
        queries, snapshots: forms in which, and earlier moments at which, each record is asked about: see `lira`.
    """
    return bavaria_scores(read(view, signal, queries, snapshots, attack="bavaria"), sign=sign_of(signal))


def bavaria_scores(seen: Signals, *, sign: int = 1) -> Float[Tensor, " records"]:
    """`bavaria` of what was read, with an axis of queries. A record without models on a side keeps the prior there."""
    if seen.inside.all():
        raise InputError("`bavaria` needs reference models that were not trained on some of the records. Train more.")
    out = _predicted(seen.target, moments(seen, trained=False))
    if not seen.inside.any():
        return _log_cdf(out[0], sign * out[1]).sum(1)
    into = _predicted(seen.target, moments(seen, trained=True))
    return (_log_density(*into) - _log_density(*out)).sum(1)


def _predicted(target: Tensor, side: Moments) -> tuple[Tensor, Tensor, Tensor]:
    """Of the Student-t of one more model on this side: degrees of freedom, place of the target in it, scale."""
    within, centre, n = side.within, side.centre, side.count
    k0, a0 = within / side.between, 2
    k, a = k0 + n, a0 + n / 2
    b = a0 * within + side.squares / 2 + k0 * n * (side.mean - centre).square() / (2 * k)
    scale = (b * (k + 1) / (a * k)).sqrt()
    return 2 * a, (target - (k0 * centre + n * side.mean) / k) / scale, scale


def _log_density(freedom: Tensor, t: Tensor, scale: Tensor) -> Tensor:
    height = torch.lgamma((freedom + 1) / 2) - torch.lgamma(freedom / 2) - (freedom * torch.pi).log() / 2
    return height - scale.log() - (freedom + 1) / 2 * torch.log1p(t.square() / freedom)


def _log_cdf(freedom: Tensor, t: Tensor) -> Tensor:
    """Taken from the nearer tail, so that it stays exact far above; the least float stands for all that is below it."""
    tail = torch.from_numpy(np.maximum(stdtr(freedom.numpy(), -t.abs().numpy()), np.finfo(float).tiny))
    return torch.where(t > 0, torch.log1p(-tail), tail.log())
