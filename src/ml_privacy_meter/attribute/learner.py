"""What is learned of a hidden column from records where it is seen."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

FEWEST = 10  # records that hold a value, for it to be learned
_MIXED = 0.01  # of the values' own shares in what is learned: no value is ever impossible


def learned(
    known: Float[Tensor, "known features"],
    secret: Int[Tensor, " known"],
    asked: Float[Tensor, "asked features"],
    categorical: Sequence[bool],
    *,
    candidates: int,
    seed: int,
) -> Float[Tensor, "asked candidates"]:
    """Log-probability of each candidate for each record that is asked about, by gradient-boosted trees.

    There are as many trees as told a sixth of the records best that was held out; then they learn from all, in whatever
    order these come. Where too little is known to learn from, all get the shares of the values, one more counted for
    each.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    counts = torch.bincount(secret, minlength=candidates)
    share = (counts.double() + 1) / (counts.double() + 1).sum()
    found = share.expand(len(asked), -1).clone()
    enough = counts[secret] >= FEWEST
    x, y = known[enough].numpy(), secret[enough].numpy()
    if len(np.unique(y)) > 1:
        order = np.lexsort([*np.nan_to_num(x.T, nan=-1.0), y])
        x, y = x[order], y[order]
        trees = partial(
            HistGradientBoostingClassifier,
            max_leaf_nodes=8,
            categorical_features=np.asarray(categorical, bool),
            random_state=seed % 2**32,
        )
        tried = trees(max_iter=400, early_stopping=True, validation_fraction=1 / 6, n_iter_no_change=20).fit(x, y)
        best = max(1, int(np.argmax(tried.validation_score_)))
        whole = trees(max_iter=best, early_stopping=False).fit(x, y)
        found *= _MIXED
        found[:, torch.from_numpy(whole.classes_)] += (1 - _MIXED) * torch.from_numpy(
            whole.predict_proba(asked.numpy())
        )
    return (found / found.sum(1, keepdim=True)).log()
