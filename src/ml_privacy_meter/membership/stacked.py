"""An attack that is learned from what other attacks compute, in rehearsals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from threadpoolctl import threadpool_limits
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership.bavaria import bavaria_scores
from ml_privacy_meter.membership.game import as_rehearsed, rehearsals
from ml_privacy_meter.membership.moments import Moments, moments, read
from ml_privacy_meter.membership.view import Attack, View, gives_log_odds, rehearsed_by
from ml_privacy_meter.signals.classifier import log_probability, logit_gap
from ml_privacy_meter.signals.sureness import of_sureness
from ml_privacy_meter.types import Scores, Signals

MOST = 200_000  # rehearsed answers that are learned from


def in_rehearsals(view: View, *, few: int = 2, **settings: Any) -> Iterator[Scores]:
    """`stacked` of the first reference models, each judged by what was learned where others played the target."""
    told = _tell(view, **settings)
    for j in range(min(few, told.member.shape[1])):
        others = (told.member == told.member[:, [j]]).any(0)  # its complement would tell
        others[j] = False
        if not others.any():
            raise InputError(f"`stacked` needs 4 or more reference models, found {len(view.references)}. Train more.")
        yield Scores(told.judge(told.features[:, [j]], told.fold, others), told.member[:, j])


@gives_log_odds
@rehearsed_by(in_rehearsals)
def stacked(
    view: View, *, also: Sequence[Attack] = (), queries: int = 1, games: int = 16, folds: int = 5, seed: int = 0
) -> Float[Tensor, " records"]:
    """Log-odds of membership, in nats, if as many members as non-members are asked about.

    A classifier is trained on what the reference models say of each record when one of them plays the target, where it
    is known who is a member; then it judges the target. No record is judged by a classifier that was trained on it.

    Sees: the target model's output for each record, the record's true label, and 4 or more reference models with the
    records that each was trained on.

    Source: ours; stacked generalisation after Wolpert, Neural Networks 5, 1992, by gradient boosting. The target is
    judged as the rehearsals were played, with as many reference models: in turn by those of each, and averaged.

    Args:
        also: further attacks, whose scores are features too.
        queries: forms in which each record is asked about.
        games: how many reference models play the target, at most.
        folds: parts of the records, each judged by what was learned from the others.

    Raises:
        InputError: there are too few reference models for a rehearsal.
    """
    told = _tell(view, also=also, queries=queries, games=games, folds=folds, seed=seed)
    shown = (as_rehearsed(view, played, seed=seed) for played in told.views)
    judged = torch.stack([_features(one, also, queries) for one in shown], 1)
    return told.judge(judged, told.fold if view.records is told.views[0].records else _folds(judged, folds, seed))


@dataclass(frozen=True)
class _Told:
    """What was seen in rehearsals, and who was a member in each."""

    views: list[View]
    features: Float[Tensor, "records games features"]
    member: Bool[Tensor, "records games"]
    fold: Int[Tensor, " records"]
    seed: int

    def judge(
        self, asked: Float[Tensor, "asked views features"], fold: Int[Tensor, " asked"], games: Tensor | None = None
    ) -> Float[Tensor, " asked"]:
        """Mean log-odds over the views, each fold's learned from the records of the others, in these games."""
        x, y = (self.features, self.member) if games is None else (self.features[:, games], self.member[:, games])
        score = torch.empty(len(asked), dtype=torch.float64)
        for k in range(int(self.fold.max()) + 1):
            there = self.fold != k
            size = int(there.sum()) * y.shape[1]
            rows = torch.randperm(size, generator=torch.Generator().manual_seed(self.seed))[:MOST]
            learned = _learned(x[there].flatten(0, 1)[rows], y[there].flatten()[rows], self.seed)
            at = asked[fold == k]
            if len(at):
                odds = torch.from_numpy(learned.decision_function(at.flatten(0, 1).numpy()))
                uneven = y[there].double().mean().logit()  # where models were trained on more or less than half
                score[fold == k] = odds.view(at.shape[:2]).mean(1) - uneven
        return score


def _tell(
    view: View, *, also: Sequence[Attack] = (), queries: int = 1, games: int = 16, folds: int = 5, seed: int = 0
) -> _Told:
    played = [*islice(rehearsals(view), games)]
    features = torch.stack([_features(game.view, also, queries) for game in played], 1)
    member = torch.stack([game.member for game in played], 1)
    return _Told([game.view for game in played], features, member, _folds(features, folds, seed), seed)


def _folds(x: Float[Tensor, "records games features"], folds: int, seed: int) -> Int[Tensor, " records"]:
    """A fold of each record, at random, and the same wherever the record stands among the others."""
    fold = torch.empty(len(x), dtype=torch.long)
    drawn = np.random.default_rng(seed).permutation(len(x)) % folds
    fold[x.sum((1, 2)).argsort(stable=True)] = torch.from_numpy(drawn)
    return fold


def _features(view: View, also: Sequence[Attack], queries: int) -> Float[Tensor, "records features"]:
    """What other attacks compute of each record, in the mean over queries; nothing depends on who asks."""
    gap = read(view, logit_gap, queries, attack="stacked")
    labels, sides = view.records.labels, _sides(gap)
    columns = [bavaria_scores(gap), gap.target.mean(1)]
    for side in sides:
        usual = (side.squares / side.count.clamp(min=1)).sqrt()
        columns += [part.mean(1) for part in (gap.target - side.mean, side.mean, usual)]
    ahead = (gap.target - torch.stack([side.mean for side in sides]).mean(0)).mean(1)
    columns.append(ahead.mean().expand_as(ahead))
    classes = labels.dtype == torch.int64 and labels.ndim == 1
    if classes or labels.dtype == torch.bool:
        columns += [_ratio(read(view, log_probability(t), queries, attack="stacked")) for t in (1.0, 2.0)]
    for signal in of_sureness(labels, spread=getattr(view.target, "spread", True)):
        seen = read(view, signal, queries, attack="stacked")
        columns.append((seen.target - moments(seen, trained=False).mean).mean(1))
    if classes:
        columns.append(_mean_of_class(ahead, labels))
    return torch.stack([*columns, *(attack(view) for attack in also)], 1).float()


def _sides(seen: Signals) -> list[Moments]:
    """Of the models not trained on each record, and of those that were, where there are any."""
    return [moments(seen, trained=trained) for trained in (False, True) if not trained or seen.inside.any()]


def _ratio(seen: Signals) -> Float[Tensor, " records"]:
    """Log of the target's probability over the mean of both sides' mean probabilities: see `rmia`."""
    sides = _sides(Signals(seen.target.exp(), seen.reference.exp(), seen.inside))
    expected = torch.stack([side.mean for side in sides]).mean(0)
    return (seen.target - expected.clamp(min=torch.finfo(torch.float64).tiny).log()).mean(1)


def _mean_of_class(values: Float[Tensor, " records"], labels: Int[Tensor, " records"]) -> Float[Tensor, " records"]:
    total = torch.zeros(int(labels.max()) + 1, dtype=torch.float64).index_add_(0, labels, values)
    return (total / labels.bincount().clamp(min=1))[labels]


def _learned(x: Float[Tensor, "answers features"], y: Bool[Tensor, " answers"], seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    growth = {"max_iter": 150, "learning_rate": 0.06, "max_leaf_nodes": 15, "l2_regularization": 1.0}
    classifier = HistGradientBoostingClassifier(**growth, early_stopping=False, random_state=seed)
    with threadpool_limits(limits=1, user_api="openmp"):  # see `quantile`: two are slower
        return classifier.fit(x.numpy(), y.numpy())
