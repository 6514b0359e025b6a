"""How many population records does the record beat, each likelihood taken against reference models?"""

import math
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.membership.moments import blocks, check_some, read, squash
from ml_privacy_meter.membership.view import View
from ml_privacy_meter.signals.classifier import log_probability
from ml_privacy_meter.types import Signal, Signals, sign_of


def rmia(
    view: View,
    *,
    gamma: float = 2.0,
    a: float = 0.3,
    offline: bool | None = None,
    temperature: float = 2.0,
    signal: Signal | None = None,
    queries: int = 1,
    snapshots: int = 0,
    break_ties: bool = True,
) -> Float[Tensor, " records"]:
    """Share, in [0, 1], of population records z with LR(x) / LR(z) >= ``gamma``, where LR(x) = p(x | target) / p(x).

    p(x | target) is the probability of the true label; p(x) is the mean of two: its mean over the reference models
    trained on x, and over those that were not. Where there is no population, the view's own records stand for it: by
    its definition a query's share follows from LR(x) alone: the population sets its scale, and not who is above whom.

    Sees: the target model's output for each record, the record's true label, reference models with the records that
    each was trained on, and other records, with labels.

    Source: Zarifzadeh et al., Low-Cost High-Power Membership Inference Attacks, ICML 2024. Theirs takes a softmax by
    Taylor series with a margin, ours the plain one. Several queries or moments: the mean of their shares. A side
    without a model is filled in by their offline rule, mean trained with = ``a`` x mean trained without + 1 - ``a``.
    Theirs has no signal but the outputs; with ``signal``, p(x | target) is the number in (0, 1) whose log-odds it is.

    Args:
        gamma: by how much x must beat z.
        a: of the offline rule, in [0, 1]. Never to be chosen by who was a member.
        offline: True: only reference models not trained on x are used. None: True where there are no others.
        temperature: divides the logits before the softmax; with ``signal``, the signal.
        signal: one in log-odds, such as `gradient_gap` or `logit_gap`, in place of the true label's probability.
        queries, snapshots: forms in which, and earlier moments at which, each record is asked about: see `lira`.
        break_ties: orders records that beat equally many by LR(x), which most of the exposed ones need; the share is
            then (count + place in (0, 1)) / (population + 1). False: the share alone.

    Raises:
        InputError: a record without a reference model that may be used; the labels are quantities.
    """
    ask = partial(read, view, signal or log_probability(temperature), queries, snapshots, attack="rmia")
    population = None if view.population is None else ask(population=True)
    seen = ask()
    if signal is not None:
        in_range(0, math.inf, temperature=temperature)
        turn = sign_of(signal) / temperature
        seen, population = _log_p(seen, turn), None if population is None else _log_p(population, turn)
    return rmia_scores(seen, population, gamma=gamma, a=a, offline=offline, break_ties=break_ties)


def _log_p(seen: Signals, turn: float) -> Signals:
    return Signals(logsigmoid(turn * seen.target), logsigmoid(turn * seen.reference), seen.inside)


def rmia_scores(
    seen: Signals,
    population: Signals | None = None,
    *,
    gamma: float = 2.0,
    a: float = 0.3,
    offline: bool | None = None,
    break_ties: bool = True,
) -> Float[Tensor, " records"]:
    """`rmia` of log-probabilities that were read, with an axis of queries."""
    in_range(0, math.inf, gamma=gamma)
    if not 0 <= a <= 1:
        raise InputError(f"`a` must lie in [0, 1], found {a!r}.")
    if offline is None:
        offline = not seen.inside.any()
    x = log_ratio(seen, a=a, offline=offline)
    z = x if population is None else log_ratio(population, a=a, offline=offline)
    least = x.T.contiguous() - math.log(gamma)
    # Ratios that are equal in arithmetic differ in their last digits, according to where in memory they stand.
    beaten = torch.searchsorted(z.T.contiguous().sort(1).values, least + 1e-12, right=True).double()
    share = (beaten + squash(x.T)) / (len(z) + 1) if break_ties else beaten / len(z)
    return share.mean(0)


def log_ratio(seen: Signals, *, a: float, offline: bool) -> Float[Tensor, "records queries"]:
    """log p(x | target) - log p(x), in nats."""
    out, few = _log_mean(seen, trained=False)
    if offline:
        check_some(few, "rmia", "that were not trained on", "Train more reference models, or set `offline = false`.")
        into = torch.full_like(out, -torch.inf)
    else:
        into, _ = _log_mean(seen, trained=True)
    rest = math.log(1 - a) if a < 1 else -math.inf
    by_out = torch.logaddexp(out + (math.log(a) if a else -math.inf), torch.full_like(out, rest))
    by_in = ((into.exp() - (1 - a)).clamp(min=0) / max(a, 1e-300)).log()
    into, out = torch.where(into.isinf(), by_out, into), torch.where(out.isinf(), by_in, out)
    return seen.target - torch.logaddexp(into, out) + math.log(2)


def _log_mean(seen: Signals, trained: bool) -> tuple[Float[Tensor, "records queries"], Float[Tensor, "records 1"]]:
    """Log of the mean of exp(signal) over the models that were, or were not, trained on the record; their number."""
    mean = torch.full_like(seen.target, -torch.inf, dtype=torch.float64)
    count = mean.new_zeros(len(mean), 1)
    for rows in blocks(seen.reference):
        count[rows] = (seen.inside[rows] == trained).sum(1, keepdim=True).double()
        of = seen.reference[rows].masked_fill((seen.inside[rows] != trained)[:, :, None], -torch.inf)
        mean[rows] = of.logsumexp(1) - count[rows].clamp(min=1).log()
    return mean, count
