"""Members told by their small gradients, with nothing known of anybody."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.membership.marks import sees_parameters
from ml_privacy_meter.membership.view import View
from ml_privacy_meter.signals.gradient import log_gradient_norm


@sees_parameters
def gradient_clusters(view: View, *, gradients: Sequence[str | int] = ("all",)) -> Float[Tensor, " records"]:
    """Log-odds, in nats, that a record is of the one of two clusters of gradient norms in which these are smaller.

    Sees: The target model's weights, the record and its true label, and that others of the records are members.

    Source: Nasr, Shokri and Houmansadr, Comprehensive Privacy Analysis of Deep Learning, IEEE S&P 2019: its
    unsupervised attacker. Theirs clusters what an autoencoder makes of a record (spectral clustering); ours the
    logarithms of the norms (k-means), and takes both clusters for Gaussians of one variance and of even weight, so that
    a smaller norm always says member.

    Args:
        gradients: one norm each: "all", "last", or a layer by its name or number.
    """
    from sklearn.cluster import KMeans

    columns = [view.of_target(partial(log_gradient_norm, of=of)) for of in gradients]
    x = torch.stack(columns, 1).numpy()
    spread = x.std(0)
    x = (x - x.mean(0)) / np.where(spread > 0, spread, 1)
    means = KMeans(2, init=np.quantile(x, [0.1, 0.9], axis=0), n_init=1).fit(x).cluster_centers_
    small, large = means[means.sum(1).argsort()]
    squares = np.stack([((x - mean) ** 2).sum(1) for mean in (small, large)])
    variance = max(squares.min(0).mean() / x.shape[1], 1e-9)
    return torch.from_numpy((squares[1] - squares[0]) / (2 * variance))
