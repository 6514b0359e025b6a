"""A classifier of outputs, learned where membership is known: from reference models and their training records."""

import numpy as np
import torch
from jaxtyping import Float
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership.view import View, learns
from ml_privacy_meter.types import OutputSignal

WIDTH = 10


@learns
def shadow(view: View, *, seed: int = 0, most: int = 50_000, fewest: int = 200) -> Float[Tensor, " records"]:
    """Log-odds of membership by the output vector alone, of a classifier for each class.

    Sees: the target model's output for each record, the record's true label, and reference models with the records
    that each was trained on.

    Source: Shokri et al., Membership Inference Attacks Against Machine Learning Models, IEEE S&P 2017. Theirs are
    neural networks on the probabilities; ours gradient boosting on the logarithms of the true class's probability and
    of the 10 largest, sorted. Several labels at once: on those of each label's truth, one classifier for all.

    Args:
        most: outputs of reference models that are learned from, at most.
        fewest: classes with fewer members, or fewer non-members, among these share a classifier that learned from all.

    Raises:
        InputError: no records are known that trained some reference models and not others; labels are quantities.
    """
    if not view.references:
        raise InputError("`shadow` needs reference models, and there are none. Give `references`.")
    asked = view.signals(sorted_outputs)
    known = asked if asked.inside.any() or view.population is None else view.population_signals(sorted_outputs)
    if not known.inside.any() or known.inside.all():
        raise InputError(
            "`shadow` needs records that are known to be inside some reference models, and outside others, found none. "
            "Give reference models with `inside`."
        )
    size = known.inside.numel()
    drawn = np.random.default_rng(seed).choice(size, min(most, size), replace=False, shuffle=False)
    record, model = np.unravel_index(np.sort(drawn), known.inside.shape)
    x, member = known.reference[record, model].numpy(), known.inside[record, model].numpy()
    at = asked.target.numpy()
    score, shared = np.empty(len(at)), np.ones(len(at), bool)
    for kind in np.unique(at[:, 0]):
        here, of = x[:, 0] == kind, at[:, 0] == kind
        if min(member[here].sum(), (~member[here]).sum()) >= fewest:
            score[of], shared[of] = _log_odds(x[here], member[here], at[of], seed), False
    if shared.any():
        score[shared] = _log_odds(x, member, at[shared], seed)
    return torch.from_numpy(score)


def _log_odds(x: np.ndarray, member: np.ndarray, at: np.ndarray, seed: int) -> np.ndarray:
    """Of membership, at the features ``at``, as learned from ``x``."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.1, max_leaf_nodes=8, early_stopping=False, random_state=seed
    )
    # One thread grows trees this small faster: two on two cores took 2 to 8 times longer, waiting for each other.
    with threadpool_limits(limits=1, user_api="openmp"):
        return np.asarray(model.fit(x, member).decision_function(at), np.float64)


def _sorted_outputs(outputs: Float[Tensor, "records *outputs"], y: Tensor) -> Float[Tensor, "records features"]:
    """The true class, its log-probability, and the largest log-probabilities, sorted, in nats.

    Of several labels: 0, the log-probability of all the true labels, and the least of each label's truth, sorted.
    """
    if y.is_floating_point():
        raise InputError("`shadow` is defined for class labels, and these records have quantities. Use `threshold`.")
    z = outputs.double()
    if y.dtype == torch.bool:
        each = logsigmoid(torch.where(y, z, -z))
        kind, true, vector = torch.zeros(len(y), 1), each.sum(1, keepdim=True), -each
    else:
        vector = log_softmax(z, 1)
        kind, true = y[:, None], vector.gather(1, y[:, None])
    largest = vector.topk(min(WIDTH, vector.shape[1]), dim=1).values
    return torch.cat([kind.double(), true, largest], 1)


sorted_outputs = OutputSignal(_sorted_outputs)
