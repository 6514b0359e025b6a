"""How many labels were inferred rightly, beside guesses that look at no gradient."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ml_privacy_meter.reconstruction import DoesNotApplyError, View, inferred_labels, mean_answer


@dataclass(frozen=True)
class Labels:
    """Shares of a batch's labels, as counts of classes, in [0, 1].

    Args:
        right: inferred from what the client sent back.
        even: expected of who takes all classes to be equally frequent.
        public: expected of who takes them to be as frequent as the model finds them among public images.
    """

    right: float
    even: float
    public: float


def judged(view: View, y: Int[Tensor, " records"]) -> Labels | None:
    """How many labels were inferred and would have been guessed; None where nothing can be inferred.

    Public images come without labels: what the model takes them for stands in for how frequent classes are.
    """
    try:
        found = inferred_labels(view)
    except DoesNotApplyError:
        return None
    answer = mean_answer(view)
    inferred, true = (torch.bincount(labels.cpu(), minlength=len(answer)) for labels in (found, y))
    right = float(torch.minimum(true, inferred).sum()) / len(y)
    return Labels(right, _expected(true, torch.full_like(answer, 1 / len(answer))), _expected(true, answer))


def shares(batches: Sequence[Labels | None], records: Sequence[int]) -> tuple[float | None, float | None]:
    """Of all records' labels the shares inferred and guessed rightly, the latter by the better guess; None of none."""
    of = [(labels, count) for labels, count in zip(batches, records, strict=True) if labels is not None]
    if not of:
        return None, None
    total = sum(count for _, count in of)
    right, even, public = (
        sum(getattr(labels, name) * count for labels, count in of) / total for name in ("right", "even", "public")
    )
    return right, max(even, public)


def _expected(true: Int[Tensor, " classes"], frequency: Float[Tensor, " classes"]) -> float:
    """The share of labels that counts in these proportions are expected to get right.

    Parts of a record are rounded up as often as they are large, by chance.
    """
    wanted = frequency * true.sum()
    whole = (wanted + 1e-9).floor()
    got = torch.minimum(true, whole) + (wanted - whole) * (torch.minimum(true, whole + 1) - torch.minimum(true, whole))
    return float(got.sum() / true.sum())
