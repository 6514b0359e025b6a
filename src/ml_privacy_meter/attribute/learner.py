"""What is learned of a hidden column from records where it is seen."""

from collections.abc import Sequence

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

    They stop growing when a sixth of the records, held out, is told no better. The records' order does not matter.
    Where too little is known to learn from, all get the shares of the values, one more counted for each.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    counts = torch.bincount(secret, minlength=candidates)
    share = (counts.double() + 1) / (counts.double() + 1).sum()
    found = share.expand(len(asked), -1).clone()
    enough = counts[secret] >= FEWEST
    x, y = known[enough].numpy(), secret[enough].numpy()
    if len(np.unique(y)) > 1:
        order = np.lexsort([*np.nan_to_num(x.T, nan=-1.0), y])
        trees = HistGradientBoostingClassifier(
            max_leaf_nodes=15,
            max_iter=300,
            early_stopping=True,
            validation_fraction=1 / 6,
            categorical_features=np.asarray(categorical, bool),
            random_state=seed,
        ).fit(x[order], y[order])
        found *= _MIXED
        found[:, torch.from_numpy(trees.classes_)] += (1 - _MIXED) * torch.from_numpy(
            trees.predict_proba(asked.numpy())
        )
    return (found / found.sum(1, keepdim=True)).log()
