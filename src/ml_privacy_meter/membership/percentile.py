"""Among how many models that were not trained on the record does the target model stand out?"""

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.membership.moments import check_some, moments, read, squash
from ml_privacy_meter.membership.view import View
from ml_privacy_meter.signals.classifier import loss
from ml_privacy_meter.types import Signal, Signals, sign_of


def percentile(view: View, *, signal: Signal = loss, break_ties: bool = False) -> Float[Tensor, " records"]:
    """Share, in [0, 1], of the reference models not trained on the record whose loss on it is larger than the target's.

    Sees: the target model's output for each record, the record's true label, and reference models with the records
    that each was trained on.

    Source: Ye et al., Enhanced Membership Inference Attacks against Machine Learning Models, CCS 2022 (Attack R).
    Theirs fits thresholds between few models' losses; ours is the share itself. A model with the very same loss counts
    half, where the paper's threshold at that loss counts it whole.

    Args:
        signal: one number a record, as for `threshold`.
        break_ties: with k such models there are only k + 1 shares. True orders equal shares by the target's signal
            less the models' mean, and takes the target for one more model: (k share + place in (0, 1)) / (k + 1).

    Raises:
        InputError: a record that every reference model was trained on.
    """
    seen = read(view, signal, attack="percentile")
    return percentile_scores(seen, sign=sign_of(signal), break_ties=break_ties)


def percentile_scores(seen: Signals, *, sign: int = 1, break_ties: bool = False) -> Float[Tensor, " records"]:
    """`percentile` of what was read, with an axis of one query."""
    out = ~seen.inside
    count = out.sum(1, keepdim=True).double()
    check_some(count, "percentile", "that were not trained on", "Train more reference models.")
    beyond = torch.sign(sign * (seen.target[:, None] - seen.reference))[:, :, 0]
    beaten = ((1 + beyond) / 2 * out).sum(1)
    if not break_ties:
        return beaten / count[:, 0]
    lead = sign * (seen.target - moments(seen, trained=False).mean)[:, 0]
    return (beaten + squash(lead)) / (count[:, 0] + 1)
