"""A signal, set beside what is to be expected of a non-member like this one."""

import numpy as np
import torch
from jaxtyping import Float
from threadpoolctl import threadpool_limits
from torch import Tensor

from ml_privacy_meter.membership.marks import needs_population
from ml_privacy_meter.membership.view import View, learns
from ml_privacy_meter.signals.classifier import logit_gap
from ml_privacy_meter.signals.confidence import other_classes
from ml_privacy_meter.types import Signal, sign_of


@learns
@needs_population
def quantile(
    view: View, *, signal: Signal = logit_gap, given: Signal = other_classes, most: int = 50_000, seed: int = 0
) -> Float[Tensor, " records"]:
    """Target signal less the median expected of such a non-member, over the expected distance between quartiles.

    Sees: the target model's output for each record, the record's true label, and other records, with labels, that the
    model was not trained on.

    Source: Bertran et al., Scalable Membership Inference Attacks via Quantile Regression, NeurIPS 2023. Theirs is a
    neural network on the inputs; ours is gradient boosting with the pinball loss on ``given``.

    Args:
        signal: one number a record, as for `threshold`.
        given: what the expectation is conditioned on; must not determine the signal. `inputs`: the record itself.
        most: population records that are learned from, at most.
    """
    sign = sign_of(signal)
    seen, known = (sign * view.of_target(signal, population=public) for public in (False, True))
    features, learned_from = (view.of_target(given, population=public) for public in (False, True))
    rows = torch.randperm(len(known), generator=torch.Generator().manual_seed(seed))[:most]
    low, middle, high = (
        torch.from_numpy(_expected(learned_from[rows].numpy(), known[rows].numpy(), features.numpy(), q, seed))
        for q in (0.25, 0.5, 0.75)
    )
    usual = float(known.quantile(0.75) - known.quantile(0.25))
    return (seen - middle) / (high - low).clamp(min=max(0.05 * usual, 1e-12))


def _expected(x: np.ndarray, y: np.ndarray, at: np.ndarray, level: float, seed: int) -> np.ndarray:
    """The ``level`` quantile of ``y`` that is expected at the features ``at``."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        loss="quantile", quantile=level, max_iter=100, max_leaf_nodes=15, early_stopping=False, random_state=seed
    )
    # One thread grows trees this small faster: two on two cores took 2 to 8 times longer, waiting for each other.
    with threadpool_limits(limits=1, user_api="openmp"):
        return np.asarray(model.fit(x, y).predict(at), np.float64)
