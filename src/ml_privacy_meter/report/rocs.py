"""The ROC of one attack or of many in one chart, as Vega-Lite."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
from jaxtyping import Float, Int
from scipy.stats import beta

from ml_privacy_meter.report import words
from ml_privacy_meter.report.charts import COLOURS, FAINT, INK, Spec, finish
from ml_privacy_meter.report.document import Document

# Five colours that no colour-blindness confuses, and four dashes: no two of twenty curves share both.
DASHES = [[1, 0], [7, 3], [2, 2], [9, 3, 2, 3]]
POINTS = 100  # of a curve that stands beside others
READ = 30  # of a curve: places where it can be read with its intervals, twice over


def look(place: int) -> tuple[str, list[int]]:
    """Colour and dashes of the curve at this place."""
    return COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]


def rocs(
    found: Sequence[Document],
    about: Document,
    *,
    logarithmic: bool,
    places: Sequence[int] = (0,),
    claim: Document | None = None,
) -> Spec:
    """The curves beside the diagonal, on which an attack lies that learns nothing; under the pointer, their intervals.

    ``places`` say how each looks; a claimed guarantee is drawn as the most that it allows. The
    parameter ``picked`` is the place of the curve that stands out, -1 for none.
    """
    floor = _floor(found)
    lines, points = [], []
    for finding, place in zip(found, places, strict=True):
        fpr, tpr = (np.array(finding["roc"][kind]) for kind in ("fpr", "tpr"))
        read = _read(fpr, tpr, finding)
        whole = len(found) == 1 or len(fpr) <= POINTS
        kept = np.arange(len(fpr)) if whole else np.union1d(read, _thinned(fpr, tpr, logarithmic))
        lines += [_point(place, fpr[row], tpr[row], floor if logarithmic else 0) for row in kept]
        said = _said(finding["attack"], fpr[read], tpr[read], about)
        at = [_point(place, fpr[row], tpr[row], floor if logarithmic else 0) for row in read]
        points += [where | {"said": text} for where, text in zip(at, said, strict=True)]
    ends = [floor if logarithmic else 0.0, 1.0]
    allowed = [] if claim is None else _allowed(claim, ends[0])
    return finish(_layers(lines, points, places, ends, logarithmic, allowed), height=300)


def _allowed(claim: Document, floor: float) -> list[Spec]:
    """The largest true positive rates that the claim allows, from the corner of the chart on."""
    fpr, tpr = np.array(claim["fpr"]), np.array(claim["tpr"])
    inside = fpr[fpr > floor]
    points = zip([floor, *inside], [np.interp(floor, fpr, tpr), *tpr[fpr > floor]], strict=True)
    return [_point(0, across, up, floor) for across, up in points]


def _layers(
    lines: list[Spec],
    points: list[Spec],
    places: Sequence[int],
    ends: list[float],
    logarithmic: bool,
    allowed: list[Spec],
) -> Any:
    x, y = (_axis(field, title, ends, logarithmic) for field, title in (("x", "false"), ("y", "true")))
    diagonal = alt.Chart(alt.InlineData(values=[{"x": end, "y": end} for end in ends]))
    chance = diagonal.mark_line(stroke=FAINT, strokeDash=[4, 4], strokeWidth=1.5).encode(x=x, y=y)
    colours, dashes = zip(*(look(place) for place in places), strict=True)
    colour = alt.Color("of:N", legend=None, scale=alt.Scale(domain=list(places), range=list(colours)))
    dash = alt.StrokeDash("of:N", legend=None, scale=alt.Scale(domain=list(places), range=list(dashes)))
    picked = alt.param(name="picked", value=-1)
    clear = alt.condition("picked < 0 || datum.of === picked", alt.value(1), alt.value(0.15))
    curves = alt.Chart(alt.InlineData(values=tuple(lines))).mark_line(strokeWidth=2.25, clip=True)
    near = alt.selection_point(name="near", on="pointerover", clear="pointerout", empty=False)
    seen = alt.condition(near, alt.value(1), alt.value(0))
    dots = alt.Chart(alt.InlineData(values=tuple(points))).mark_circle(size=200)
    most = alt.Chart(alt.InlineData(values=tuple(allowed))).mark_line(stroke=INK, strokeDash=[1, 3], strokeWidth=2)
    return alt.layer(
        chance,
        *([most.encode(x=x, y=y, order=alt.Order("x:Q"))] if allowed else []),
        curves.encode(
            x=x, y=y, color=colour, strokeDash=dash, opacity=alt.OpacityValue(**clear), order=alt.Order("n:Q")
        ),
        dots.transform_filter("picked < 0 || datum.of === picked")
        .encode(x=x, y=y, color=colour, tooltip=alt.Tooltip("said:N"), opacity=alt.OpacityValue(**seen))
        .add_params(near),
    ).add_params(picked)


def _axis(field: str, kind: str, ends: list[float], logarithmic: bool) -> Any:
    scale = alt.Scale(type="log" if logarithmic else "linear", domain=ends, nice=False)
    powers = [10.0**power for power in range(round(math.log10(ends[0])), 1)] if logarithmic else []
    # Binary fractions would print 0.1% as 0.10000000000000001%.
    label: Spec = {"labelExpr": "format(datum.value * 100, '~g') + '%'", "labelOverlap": True}
    axis = alt.Axis(title=f"{kind} positive rate", values=powers or [0, 0.25, 0.5, 0.75, 1], **label)
    return (alt.X if field == "x" else alt.Y)(f"{field}:Q", scale=scale, axis=axis)


def _point(place: int, fpr: float, tpr: float, floor: float) -> Spec:
    return {"of": place, "x": round(max(float(fpr), floor), 7), "y": round(max(float(tpr), floor), 7)}


def _said(attack: str, fpr: np.ndarray, tpr: np.ndarray, about: Document) -> list[dict[str, str]]:
    """What is read at each point: both rates at one threshold, each with its interval."""
    texts = []
    for kind, rate, trials in (("FPR", fpr, about["non_members"]), ("TPR", tpr, about["members"])):
        low, high = exact(np.round(rate * trials).astype(int), trials, about["confidence"])
        keyed = zip(rate.tolist(), low.tolist(), high.tolist(), strict=True)
        texts.append([words.figure({"name": kind, "value": v, "low": a, "high": b}) for v, a, b in keyed])
    return [{"title": attack, "FPR": one, "TPR": other} for one, other in zip(*texts, strict=True)]


def exact(
    hits: Int[np.ndarray, " points"], trials: int, confidence: float
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Lower and upper ends of Clopper and Pearson's intervals, one for each count of hits."""
    tail = (1 - confidence) / 2
    low = np.where(hits > 0, beta.ppf(tail, np.maximum(hits, 1), trials - hits + 1), 0.0)
    high = np.where(hits < trials, beta.ppf(1 - tail, hits + 1, np.maximum(trials - hits, 1)), 1.0)
    return low, high


def _read(fpr: np.ndarray, tpr: np.ndarray, finding: Document) -> Int[np.ndarray, " points"]:
    """Points of the curve, each the last at or below a rate: the corners, where the figures of the report lie."""
    named = [rate for risk in finding["risks"] if (rate := words.fpr_of(risk["name"])) is not None]
    across = np.concatenate([named, np.geomspace(fpr[fpr > 0][0], 1, READ), np.linspace(0, 1, READ)])
    return _last(fpr, tpr, across)


def _thinned(fpr: np.ndarray, tpr: np.ndarray, logarithmic: bool) -> Int[np.ndarray, " points"]:
    spread = np.geomspace(fpr[fpr > 0][0], 1, POINTS) if logarithmic else np.linspace(0, 1, POINTS)
    top = _last(fpr, tpr, spread)
    return np.union1d(top, (top + 1).clip(max=len(fpr) - 1))  # both ends of the step to the right


def _last(fpr: np.ndarray, tpr: np.ndarray, across: np.ndarray) -> Int[np.ndarray, " points"]:
    places = np.searchsorted(fpr, across + 1e-12, side="right") - 1
    return np.unique(np.concatenate([places, [0, len(tpr) - 1]]).astype(int))


def _floor(found: Sequence[Document]) -> float:
    """The power of ten below the smallest rate that the counts can show, where the logarithmic axes begin."""
    rates = [rate for one in found for side in (one["roc"]["fpr"], one["roc"]["tpr"]) for rate in side if rate > 0]
    return float(10.0 ** math.floor(math.log10(min(rates)) - 1e-9))
