"""Copies that are learned from records of the pool: asked about all at once, or chosen in rounds."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor

from ml_privacy_meter.extraction.game import Answers, Copy, Points, View

# the copy so far, the records that were asked about, those that were not, how many to ask about -> which of the latter
Choose = Callable[[Copy, Points, Points, int], Int[Tensor, " some"]]


def in_rounds(view: View, choose: Choose | None, *, rounds: int, soft: bool) -> Copy:
    """A model fitted to the answers about records of the pool: in the first round some at random, then as chosen.

    Where the pool has fewer records than may be asked about, all are.

    Args:
        choose: which records come next; None: all are taken at random, in one round.
        soft: it is fitted to probabilities, where they are given; else to labels.
    """
    budget = min(view.left, len(view.pool))
    order = torch.randperm(len(view.pool), generator=torch.Generator().manual_seed(view.seed))
    points = view.pool[order]
    edges = [budget * i // rounds for i in range(1, rounds + 1)] if choose else [budget]
    first, *others = [edge for edge in edges if edge]
    asked, rest = points[:first], points[first:]
    answers = told(view, asked, soft=soft)
    for edge in others:
        assert choose is not None
        taken = choose(view.learn(asked, answers, view.seed), asked, rest, edge - len(asked))
        keep = torch.ones(len(rest), dtype=torch.bool).index_fill(0, taken, False)
        answers = torch.cat([answers, told(view, rest[taken], soft=soft)])
        asked, rest = torch.cat([asked, rest[taken]]), rest[keep]
    return view.learn(asked, answers, view.seed)


def told(view: View, points: Points, *, soft: bool) -> Answers:
    """The target's answers; where only labels are to be used, a probability of 1 for the likeliest class of each."""
    answers = view.ask(points)
    if soft or not view.classes:
        return answers
    return F.one_hot(answers.argmax(1), view.classes).double()
