"""A model of one's own, fitted to what the target answers about records that are unlike each other."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ml_privacy_meter.extraction.game import Copy, Points, View
from ml_privacy_meter.extraction.rounds import in_rounds


def k_center(view: View, *, soft: bool = True, rounds: int = 10) -> Copy:
    """A model fitted to the target's answers about public records, chosen in rounds far from all that were asked about.

    Sees: answers to its queries, and public records without labels.

    Source: Pal et al., ActiveThief: Model Extraction Using Active Learning and Unannotated Public Data, AAAI 2020:
    distances are those of the copy's own answers; the greedy choice is that of Sener and Savarese, Active Learning for
    Convolutional Neural Networks: A Core-Set Approach, ICLR 2018.

    Args:
        soft: it is fitted to probabilities, where they are given; else to labels.
        rounds: of asking and fitting.
    """
    return in_rounds(view, _farthest, rounds=rounds, soft=soft)


def _farthest(copy: Copy, asked: Points, rest: Float[Tensor, "rest features"], count: int) -> Int[Tensor, " some"]:
    said, known = copy(rest), copy(asked)
    away = torch.cdist(said, known).amin(1)
    taken = []
    for _ in range(count):
        taken.append(int(away.argmax()))
        away = torch.minimum(away, (said - said[taken[-1]]).norm(dim=1))
        away[taken] = -1.0
    return torch.tensor(taken)
