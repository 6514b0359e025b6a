"""The leaves of a decision tree, found by walking from each to its borders."""

from collections import deque
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.extraction.game import Answers, Copy, Points, View


@dataclass(frozen=True)
class Boxes:
    """What a tree answers within each of some boxes, the first where several hold a point; elsewhere, in the nearest.

    Args:
        low, high: the borders of each box; a point on ``high`` lies within, one on ``low`` does not.
        reach: the width of each feature, by which distances are measured.
    """

    low: Float[Tensor, "boxes features"]
    high: Float[Tensor, "boxes features"]
    answers: Float[Tensor, "boxes outputs"]
    reach: Float[Tensor, " features"]

    def __call__(self, points: Points) -> Answers:
        parts = [self._away(some).argmin(1) for some in torch.split(points, 256)]
        return self.answers[torch.cat(parts)] if parts else self.answers[:0]

    def hold(self, point: Tensor) -> bool:
        """Whether a point lies in one of them."""
        return bool(((point > self.low) & (point <= self.high)).all(1).any())

    def beside(self, low: Tensor, high: Tensor, answer: Answers) -> "Boxes":
        """With one more; smaller ones come first: where two overlap, the larger is likelier two leaves in one."""
        lows, highs = torch.cat([self.low, low[None]]), torch.cat([self.high, high[None]])
        size = ((highs - lows) / self.reach).clamp(min=1e-12).log().sum(1)
        order = torch.argsort(size, stable=True)
        return Boxes(lows[order], highs[order], torch.cat([self.answers, answer])[order], self.reach)

    def _away(self, points: Points) -> Float[Tensor, "points boxes"]:
        outside = torch.maximum(self.low - points[:, None], points[:, None] - self.high).clamp(min=0) / self.reach
        return outside.sum(2)


def trace_tree(view: View, *, halvings: int = 14) -> Copy:
    """The boxes that a decision tree divides space into, found by following each feature until the answer changes.

    A leaf is known by its answer. What is assumed: that where the answers at both ends of a line are equal, nothing
    lies between, so leaves of equal answers may be taken for one; and that the target is a tree at all. Probabilities
    tell most leaves apart, labels few.

    Sees: answers to its queries, public records without labels, and the bounds of each feature.

    Source: Tramer et al., Stealing Machine Learning Models via Prediction APIs, USENIX Security 2016, section 4.2, path
    finding. Departures: a point is passed over where it lies in a box that is known, not where its answer is known, so
    that leaves of equal answers are found apart where lines tell; and when there is nothing left to follow, public
    records are asked about, and followed where the boxes are wrong.

    Args:
        halvings: how often the place of a border is halved: it is known to the range of a feature by 2 to that power.
    """
    if view.choices:
        raise InputError("`trace_tree` walks along numbers, found columns of words. Name other attacks.")
    if view.left < 2 * len(view.low) + 1:
        raise InputError(
            f"`trace_tree` looks both ways along each feature, which takes {2 * len(view.low) + 1} queries, found "
            f"{view.left}. Allow more."
        )
    reach, none = (view.high - view.low).clamp(min=1e-12), view.low[None][:0]
    found = Boxes(none, none, view.ask(view.pool[:0]), reach)
    order = torch.randperm(len(view.pool), generator=torch.Generator().manual_seed(view.seed))
    beyond, later = deque[Tensor](), deque(view.pool[order])
    while view.left > 2 * len(reach) and (beyond or later):
        checked = not beyond
        point = (beyond or later).popleft()
        known = found.hold(point)
        if known and not checked:
            continue
        answer = view.ask(point[None])
        if known and bool((found(point[None]) == answer).all()):
            continue
        low, high, across = _borders(view, point, answer, halvings)
        found = found.beside(low, high, answer)
        beyond.extend(across)
    return found


def _borders(
    view: View, point: Tensor, answer: Answers, halvings: int
) -> tuple[Tensor, Tensor, Float[Tensor, "across features"]]:
    """Where the answer changes below and above, along each feature; and a point beyond each of these borders."""
    wide = len(point)
    feature, up = torch.arange(wide).repeat(2), torch.arange(2 * wide) >= wide
    ends = torch.cat([view.low, view.high])
    differs = _asked(view, point, feature, ends, answer)
    feature, up, other = feature[differs], up[differs], ends[differs]
    same = point[feature]
    for _ in range(halvings):
        if not 0 < len(feature) <= view.left:
            break
        middle = (same + other) / 2
        moved = _asked(view, point, feature, middle, answer)
        same, other = torch.where(moved, same, middle), torch.where(moved, middle, other)
    low, high = torch.nextafter(view.low, view.low - 1), view.high.clone()  # the lowest value lies within
    border = (same + other) / 2
    low[feature[~up]], high[feature[up]] = border[~up], border[up]
    return low, high, _moved(point, feature, other)


def _asked(view: View, point: Tensor, feature: Tensor, value: Tensor, answer: Answers) -> Bool[Tensor, " lines"]:
    """Whether the answer is another one where a feature has another value, for each pair of these."""
    return (view.ask(_moved(point, feature, value)) != answer).any(1)


def _moved(point: Tensor, feature: Tensor, value: Tensor) -> Points:
    points = point.repeat(len(feature), 1)
    points[torch.arange(len(feature)), feature] = value
    return points
