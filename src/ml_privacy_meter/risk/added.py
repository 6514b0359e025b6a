"""What does it add to an attack to have the model's weights beside its outputs?"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import torch

from ml_privacy_meter.findings import Added, Risk, fpr_of
from ml_privacy_meter.risk.differences import auc_correlation, risk_difference, tpr_correlation
from ml_privacy_meter.risk.roc import auc, tpr_at_fpr
from ml_privacy_meter.risk.strongest import strongest
from ml_privacy_meter.types import Scores, fold_of

Sides = tuple[Mapping[str, Sequence[Scores]], Mapping[str, Sequence[Scores]]]


def added(
    scores: Mapping[str, Scores],
    weights: Collection[str],
    rehearsed: Mapping[str, Sequence[Scores]],
    *,
    fpr: Sequence[float],
    confidence: float,
) -> tuple[Added, ...]:
    """For the AUC and each true positive rate, the strongest attack on weights less the strongest on outputs alone.

    Neither is chosen on what it is judged by: on rehearsals where attacks of both kinds were rehearsed; else on one
    half of the records, and then both are compared on the other. A figure that is not resolved there is left out.
    Intervals are paired: see `auc_correlation` and `tpr_correlation`.

    Args:
        scores: of the target's records, by the attacks' names.
        weights: the names of those that read weights.
        rehearsed: their scores where reference models played the target.
    """
    sides = _sides(rehearsed, weights)
    how = "rehearsals"
    if not all(sides):
        how, learned, scores = "half", *_halves(scores)
        sides = _sides(learned, weights)
    if not all(sides):
        return ()
    measures = [partial(auc), *(partial(tpr_at_fpr, fpr=rate) for rate in fpr)]
    chosen = [strongest(side, measures) for side in sides]
    found = []
    for measure in measures:
        names = [of.get(measure(next(iter(scores.values()))).name, "") for of in chosen]
        if all(name in scores for name in names):
            pair = [scores[name] for name in names]
            one, two = (measure(side, confidence=confidence).value for side in pair)
            if one is not None and two is not None:
                gain = _difference(pair, measure, two - one, confidence, many=len(measures))
                found.append(Added(names[0], names[1], how, (one, two), *gain))
    return tuple(found)


def _halves(scores: Mapping[str, Scores]) -> tuple[dict[str, list[Scores]], dict[str, Scores]]:
    """Every attack's scores of one half of the records, and of the other."""
    half = {name: torch.from_numpy(fold_of(one.truth, 2)) for name, one in scores.items()}
    learned = {name: [one.where(half[name] == 0)] for name, one in scores.items()}
    return learned, {name: one.where(half[name] == 1) for name, one in scores.items()}


def _sides(scores: Mapping[str, Sequence[Scores]], weights: Collection[str]) -> Sides:
    """Of the attacks on outputs, and of those on weights."""
    outputs = {name: found for name, found in scores.items() if found and name not in weights}
    return outputs, {name: found for name, found in scores.items() if found and name in weights}


def _difference(
    pair: Sequence[Scores], measure: Callable[..., Risk], value: float, confidence: float, *, many: int
) -> tuple[Risk, float]:
    """The second less the first, ``surely`` and at most at a confidence that is shared out over so many figures."""
    name = measure(pair[1]).name
    fpr = fpr_of(name)
    correlation = auc_correlation(*pair) if fpr is None else tpr_correlation(*pair, fpr=fpr)
    (low, high), (surely, at_most) = (
        risk_difference(*(measure(scores, confidence=at) for scores in pair), correlation=correlation) or (-1.0, 1.0)
        for at in (confidence, 1 - (1 - confidence) / many)
    )
    return Risk(name, value, low, high, 0.0, len(pair[1].truth), surely=surely), at_most
