"""How many of the lowest bits of its weights a model does not need: room in which anything may lie unseen."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ml_privacy_meter import signals, targets
from ml_privacy_meter.encoding import rounded
from ml_privacy_meter.encoding.floats import MANTISSA, as_integers, floats
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.games import Curve, Line
from ml_privacy_meter.risk.rates import success
from ml_privacy_meter.signals import Reader
from ml_privacy_meter.types import Records

KEPT = (2, 4, 7, 10, 16)  # bits of the mantissa: 7 are bfloat16's, 10 float16's
LOST = 0.005  # accuracy that may be lost


@dataclass(frozen=True)
class Room:
    """What weights may hold that the model does not need.

    Args:
        weights: how many.
        spare: lowest bits of each that accuracy does not need, and that are not 0 in all of them.
        kept: bits of the mantissa that are left without them.
        curve: accuracy on non-members by the bits that are kept.
    """

    weights: int
    spare: int
    kept: int
    curve: Curve

    @property
    def bits(self) -> int:
        return self.weights * self.spare

    @property
    def accuracy(self) -> tuple[Risk, Risk]:
        """Of the model as it is, and with so many bits kept."""
        of = dict(self.curve.lines[0].points)
        return of[max(of)], of[float(self.kept)]


def room_of(opened: targets.Opened, sides: tuple[Records, Records], reader: Reader, confidence: float) -> Room | None:
    """The room in a model's weights; None where they are not known, or records have no classes."""
    if not isinstance(opened.inner, nn.Module) or opened.after is not None:
        return None
    held = list(floats(opened.inner.state_dict()).values())
    target, _, asked = targets.fit(opened, *sides)
    if not held or asked.labels.dtype != torch.int64 or asked.labels.ndim != 1:
        return None
    whole = max(MANTISSA[weight.dtype] for weight in held)
    commonest = float(asked.labels.bincount().max()) / len(asked)
    points = []
    for kept in (*(few for few in KEPT if few < whole), whole):
        if kept < whole:
            target, *_ = targets.fit(replace(opened, inner=rounded(opened.inner, kept), key=""), *sides)
        else:
            target, *_ = targets.fit(opened, *sides)
        hits = reader.signal(signals.correct, target, asked)
        points.append((float(kept), success(hits, baseline=commonest, confidence=confidence)))
    full = points[-1][1].value or 0.0
    kept = int(next(few for few, risk in points if (risk.value or 0.0) >= full - LOST))
    spare = max(0, whole - kept - min(_zeros(weight, whole) for weight in held))
    curve = Curve(
        "How much accuracy hangs on the lower bits of the weights",
        "bits of the mantissa that are kept",
        "accuracy on non-members",
        (Line("the model, its weights rounded", tuple(points)),),
    )
    return Room(sum(weight.numel() for weight in held), spare, kept, curve)


def _zeros(weight: Tensor, whole: int) -> int:
    """How many of the lowest bits are 0 in all weights, of a mantissa as wide as the widest."""
    integers, narrower = as_integers(weight).flatten().long(), whole - MANTISSA[weight.dtype]
    zeros = [place for place in range(MANTISSA[weight.dtype]) if bool((integers >> place & 1).any())]
    return narrower + (zeros[0] if zeros else MANTISSA[weight.dtype])
