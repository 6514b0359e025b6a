"""A model of one's own, fitted to what the target answers where the copy is least sure."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.extraction.game import Copy, Points, View
from ml_privacy_meter.extraction.rounds import in_rounds


def margin(view: View, *, soft: bool = True, rounds: int = 10) -> Copy:
    """A model fitted to the target's answers about public records, chosen in rounds where it was least sure itself.

    Sees: answers to its queries, and public records without labels.

    Source: Pal et al., ActiveThief: Model Extraction Using Active Learning and Unannotated Public Data, AAAI 2020, with
    the margin of Scheffer, Decomain and Wrobel, Active Hidden Markov Models for Information Extraction, 2001, as what
    is uncertain.

    Args:
        soft: it is fitted to probabilities, where they are given; else to labels.
        rounds: of asking and fitting.
    """
    if not view.classes:
        raise InputError("`margin` needs a target that tells classes apart; this one answers with quantities.")
    return in_rounds(view, _least_sure, rounds=rounds, soft=soft)


def _least_sure(copy: Copy, asked: Points, rest: Float[Tensor, "rest features"], count: int) -> Int[Tensor, " some"]:
    best = copy(rest).topk(2, dim=1).values
    return torch.argsort(best[:, 0] - best[:, 1], stable=True)[:count]
