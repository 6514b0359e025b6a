"""Risk of each record, and of each group of them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.findings import Group, Risk
from ml_privacy_meter.types import Scores

Measure = Callable[[Scores], Risk]


def vulnerability(rehearsed: Sequence[Scores]) -> Float[Tensor, " records"]:
    """How often the attack is right about each record, in [0, 1], over reference models that play the target.

    Half the share of those trained on the record that are recognised, and half that of the others (balanced accuracy:
    0.5 is chance). The threshold of each is the one with the most advantage in all other rehearsals together. NaN where
    only one kind of model was played, and everywhere with fewer than 2 rehearsals.

    Args:
        rehearsed: the attack's scores of the same records in the same order, one for each model that played.
    """
    if len(rehearsed) < 2:
        return torch.full_like(rehearsed[0].score, torch.nan, dtype=torch.float64)
    score, truth = (np.stack(of) for of in zip(*map(_arrays, rehearsed), strict=True))
    values, place = np.unique(score, return_inverse=True)
    place = place.reshape(score.shape)
    members, others = (np.bincount(place[side], minlength=len(values)) for side in (truth, ~truth))
    right = np.empty(truth.shape, dtype=bool)
    for j, (own, member) in enumerate(zip(place, truth, strict=True)):
        from_others = (
            of - np.bincount(own[side], minlength=len(values)) for of, side in ((members, member), (others, ~member))
        )
        right[j] = (own >= _most_advantage(*from_others)) == member
    with np.errstate(invalid="ignore"):
        sides = [(right & side).sum(0) / side.sum(0) for side in (truth, ~truth)]
    return torch.from_numpy(np.mean(sides, axis=0))


def _most_advantage(members: np.ndarray, others: np.ndarray) -> int:
    """Which of the rising values, where so many members and others lie, is the best threshold; one that occurs."""
    gain = members / members.sum() - others / others.sum()
    occurs = members + others > 0
    return int(np.where(occurs, gain[::-1].cumsum()[::-1], -np.inf).argmax())


def _arrays(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    return scores.score.double().numpy(), scores.truth.numpy()


def by_group(scores: Scores, groups: Mapping[str, np.ndarray], measures: Sequence[Measure]) -> tuple[Group, ...]:
    """The risks of the records that share a value, for each value of each column that has members and non-members."""
    found = []
    for column, values in groups.items():
        for value, here in _rows_of_each(values):
            rows = torch.from_numpy(here)
            members = int(scores.truth[rows].sum())
            risks: tuple[Risk, ...] = ()
            if 0 < members < len(here):
                part = scores.where(rows)
                risks = tuple(measure(part) for measure in measures)
            found.append(Group(column, str(value), members, len(here) - members, risks))
    return tuple(found)


def _rows_of_each(values: np.ndarray) -> list[tuple[object, np.ndarray]]:
    names, which = np.unique(values, return_inverse=True)
    order = np.argsort(which, kind="stable")
    return list(zip(names, np.split(order, np.cumsum(np.bincount(which))[:-1]), strict=True))
