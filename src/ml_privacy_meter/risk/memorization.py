"""How much a model needs a record to have been in its training set to be right about it."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

BLOCK = 2_048  # records: what is made on the way stays small


def memorization(
    right: Float[Tensor, "records models"], inside: Bool[Tensor, "records models"]
) -> tuple[Float[Tensor, " records"], Float[Tensor, " records"]]:
    """Share of right predictions of the models trained on the record less that of the others, and its standard error.

    The first is in [-1, 1], and without bias. For the standard error, one right and one wrong model more are imagined
    on either side: the plain one is 0 where the few models of a side agree, though the next might not. Two of them then
    hold the true difference in 95 to 97% of cases, on average over all pairs of true shares, for 2 to 32 models a side;
    two plain ones in 52 to 93%. Both are NaN where a record has no model of one kind.

    Source: Feldman and Zhang, What Neural Networks Memorize and Why, NeurIPS 2020.

    Args:
        right: 1 where the reference model's prediction is right, else 0; or a share, as the true class's probability,
            which varies less between models.
    """
    value, variance = torch.zeros(len(right), dtype=torch.float64), torch.zeros(len(right), dtype=torch.float64)
    for sign, side in ((1, inside), (-1, ~inside)):
        count = side.sum(1).double()
        blocks = [(right[b : b + BLOCK], side[b : b + BLOCK]) for b in range(0, len(right), BLOCK)]
        hits, squares = (torch.cat([(of**power * here).sum(1) for of, here in blocks]) for power in (1, 2))
        value += sign * hits / count
        variance += ((squares + 1) / (count + 2) - ((hits + 1) / (count + 2)).square()) / count
    return value, torch.where(value.isnan(), torch.nan, variance.sqrt())
