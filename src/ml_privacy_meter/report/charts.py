"""The page's charts, as Vega-Lite.

Colours are the page's own, by name, so that they follow it into the dark and to print.
"""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
from altair.utils import schemapi

from ml_privacy_meter.report import words
from ml_privacy_meter.report.document import Document

Spec = dict[str, Any]

MEMBERS, OTHERS, CURVE, INK, FAINT = (f"var(--{name})" for name in ("members", "others", "curve", "ink", "faint"))
COLOURS = [f"var(--roc-{place})" for place in range(5)]  # of lines
FONT = "system-ui, sans-serif"
GROUPS = 30

CONFIG: Spec = {
    "background": None,
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": "var(--grid)",
        "domainColor": FAINT,
        "tickColor": FAINT,
        "titleFontWeight": "normal",
        "titleFontSize": 12,
        "labelFontSize": 11,
    },
    "legend": {"labelColor": INK, "labelFontSize": 12, "title": None, "orient": "top"},
}


def histogram(counts: Document, *, title: str = "score", height: int = 220, **axis: Any) -> Spec:
    """The share of the members, and that of the non-members, whose score falls into each bin."""
    edges, members, others = (counts[key] for key in ("edges", "members", "non_members"))
    linear = counts["linear_within"]
    scale = alt.Scale(zero=False, nice=False)
    ends = edges
    if linear is not None:
        scale = alt.Scale(type="symlog", constant=linear, nice=False, domain=[edges[0], edges[-1]])
    else:  # The outermost bins reach to the extremes: they are drawn as wide as the others.
        width = edges[2] - edges[1] if len(edges) > 3 else edges[1] - edges[0]
        ends = [edges[1] - width, *edges[1:-1], edges[-2] + width]
    values = [
        {"from": ends[place], "to": ends[place + 1], "share": number / max(sum(side), 1), "set": name}
        for name, side in (("non-members", others), ("members", members))
        for place, number in enumerate(side)
    ]
    colour = alt.Scale(domain=["members", "non-members"], range=[MEMBERS, OTHERS])
    encoding: Spec = {
        "x": alt.X("from:Q", scale=scale, axis=alt.Axis(title=title, grid=False, **_ticks(edges, linear) | axis)),
        "x2": alt.X2("to:Q"),
        "y2": alt.datum(0),
        "y": alt.Y("share:Q", stack=None, axis=alt.Axis(title="share of the set", format="~%", tickCount=5)),
        "color": alt.Color("set:N", scale=colour),
    }
    bars = alt.Chart(alt.InlineData(values=values)).mark_bar(fillOpacity=0.5, strokeWidth=0, binSpacing=0)
    return finish(bars.encode(**encoding), height=height)


def _ticks(edges: Sequence[float], linear: float | None) -> dict[str, Any]:
    """Marks at 0 and at powers of ten on a scale that bends; a few anywhere on one that does not."""
    if linear is None:
        return {"tickCount": 8}
    top = math.floor(math.log10(max(abs(edges[0]), abs(edges[-1]))))
    powers = [10.0**power for power in range(top, math.ceil(math.log10(linear)) - 1, -1)]
    thinned = powers[:: max(1, len(powers) // 4)]
    inside = [tick for tick in (*(-p for p in thinned), 0.0, *thinned) if edges[0] <= tick <= edges[-1]]
    return {"values": sorted(inside), "format": "~g"}


def reliability(bins: Sequence[Document]) -> Spec:
    """The share of members in each bin, with its interval, over the mean of their probabilities; and the diagonal."""
    axis: Spec = {"values": [0, 0.25, 0.5, 0.75, 1], "format": "~%"}
    scale = alt.Scale(domain=[0, 1], nice=False)
    x = alt.X("says:Q", scale=scale, axis=alt.Axis(title="membership probability", **axis))
    y = alt.Y("low:Q", scale=scale, axis=alt.Axis(title="share of members", **axis))
    keys = ("low", "share", "high")
    values = [{"says": one["probability"]} | {key: one[key] for key in keys} for one in bins]
    base = alt.Chart(alt.InlineData(values=values))
    interval = base.mark_rule(stroke=CURVE, strokeWidth=2).encode(x=x, y=y, y2="high:Q")
    dot = base.mark_circle(color=CURVE, size=70, opacity=1).encode(x=x, y="share:Q")
    diagonal = alt.Chart(alt.InlineData(values=[{"says": end, "low": end} for end in (0, 1)]))
    right = diagonal.mark_line(stroke=FAINT, strokeDash=[4, 4], strokeWidth=1.5).encode(x=x, y=y)
    return finish(alt.layer(right, interval, dot), height=280)


def groups(shown: Sequence[Document], name: str) -> Spec:
    """One figure of each group as a dot with its interval, in the order given, beside the baseline."""
    risks = [(group["value"], words.named(group["risks"], name)) for group in shown]
    values = [
        {"group": group, "low": risk["low"], "value": risk["value"], "high": risk["high"], "said": words.figure(risk)}
        for group, risk in risks
        if risk is not None
    ]
    baseline = next(risk["baseline"] for _, risk in risks if risk is not None)
    order = [value["group"] for value in values]
    y = alt.Y("group:N", sort=order, axis=alt.Axis(title=None, labelLimit=130, grid=True, ticks=False, domain=False))
    percent: Spec = {"labelExpr": "format(datum.value * 100, '~g') + '%'"} if words.in_per_cent(name) else {}
    x = alt.X("low:Q", scale=alt.Scale(zero=False, padding=10), axis=alt.Axis(title=name, tickCount=5, **percent))
    base = alt.Chart(alt.InlineData(values=values))
    tooltip = [alt.Tooltip("group:N"), alt.Tooltip("said:N", title=name)]
    interval = base.mark_rule(stroke=CURVE, strokeWidth=2).encode(y=y, x=x, x2=alt.X2("high:Q"))
    dot = base.mark_circle(color=CURVE, size=70, opacity=1).encode(y=y, x=alt.X("value:Q"), tooltip=tooltip)
    chance = alt.Chart(alt.InlineData(values=[{"baseline": baseline}])).mark_rule(stroke=FAINT, strokeDash=[4, 4])
    return finish(alt.layer(chance.encode(x=alt.X("baseline:Q")), interval, dot), height=24 * len(values))


def tradeoff(points: Sequence[Document], x_title: str, y_title: str, *, shares: Sequence[bool]) -> Spec:
    """Named points with intervals both ways, joined in the order given.

    Args:
        points: each with ``name``, ``said``, and for x and y ``value``, ``low`` and ``high`` (``x_low``, ``y_high``).
        shares: whether x, and whether y, is written in per cent.
    """
    in_per_cent: Spec = {"labelExpr": "format(datum.value * 100, '.4~g') + '%'"}
    scale = alt.Scale(zero=False, padding=16)
    axes = [
        alt.Axis(title=t, tickCount=5, **(in_per_cent if s else {}))
        for t, s in zip((x_title, y_title), shares, strict=True)
    ]
    values = [point | {"order": place} for place, point in enumerate(points)]
    base = alt.Chart(alt.InlineData(values=values))
    x, y = alt.X("x_value:Q", scale=scale, axis=axes[0]), alt.Y("y_value:Q", scale=scale, axis=axes[1])
    joined = base.mark_line(stroke=FAINT, strokeWidth=1.5, strokeDash=[4, 4]).encode(x=x, y=y, order="order:Q")
    upright = base.mark_rule(stroke=CURVE, strokeWidth=2).encode(x=x, y=alt.Y("y_low:Q", axis=axes[1]), y2="y_high:Q")
    across = base.mark_rule(stroke=CURVE, strokeWidth=2).encode(x=alt.X("x_low:Q", axis=axes[0]), x2="x_high:Q", y=y)
    dot = base.mark_circle(color=CURVE, size=70, opacity=1).encode(x=x, y=y, tooltip=[alt.Tooltip("said:N", title=" ")])
    middle = (min(p["x_low"] for p in points) + max(p["x_high"] for p in points)) / 2
    labels = []
    for side, sign in (("left", 1), ("right", -1)):  # towards the middle, where there is room
        some = [one for one in values if (one["x_value"] <= middle) == (sign > 0)]
        if not some:
            continue
        here = alt.Chart(alt.InlineData(values=some))
        look: Spec = {"align": side, "dx": 9 * sign, "dy": -13, "fontSize": 12, "fill": INK, "limit": 120}
        halo = here.mark_text(**look, stroke="var(--paper)", strokeWidth=4)
        labels += [one.encode(x=x, y=y, text="name:N") for one in (halo, here.mark_text(**look))]
    return finish(alt.layer(joined, *labels, across, upright, dot), height=280)


def lines(
    values: Sequence[Document],
    x_title: str,
    y_title: str,
    *,
    logarithmic: bool,
    percent: bool = False,
    chance: float | None = None,
) -> Spec:
    """Lines with a band for their intervals, in the colours of the page.

    Args:
        values: the points: each with ``at``, ``value``, ``low``, ``high``, the line it is ``of`` and what is ``said``.
        logarithmic: whether the horizontal axis is.
        percent: whether the values are written in per cent.
        chance: where a dashed line marks chance.
    """
    names, places = (list(dict.fromkeys(value[key] for value in values)) for key in ("of", "at"))
    in_per_cent: Spec = {"labelExpr": "format(datum.value * 100, '~g') + '%'"} if percent else {}
    scale = alt.Scale(type="log") if logarithmic else alt.Scale(zero=False, padding=8)
    x = alt.X("at:Q", scale=scale, axis=alt.Axis(title=x_title, values=sorted(places)))
    y_axis = alt.Axis(title=y_title, tickCount=5, **in_per_cent)
    y = alt.Y("low:Q", scale=alt.Scale(zero=False, padding=8), axis=y_axis)
    colour = alt.Color(
        "of:N", scale=alt.Scale(domain=names, range=[COLOURS[k % len(COLOURS)] for k in range(len(names))])
    )
    base = alt.Chart(alt.InlineData(values=list(values)))
    band = base.mark_area(opacity=0.12).encode(x=x, y=y, y2="high:Q", color=colour)
    line = base.mark_line(strokeWidth=2, point={"size": 30}).encode(
        x=x, y="value:Q", color=colour, tooltip=[alt.Tooltip("of:N"), alt.Tooltip("said:N")]
    )
    parts = [band, line]
    if chance is not None:
        level = alt.Chart(alt.InlineData(values=[{"low": chance}]))
        parts.insert(0, level.mark_rule(stroke=FAINT, strokeDash=[4, 4]).encode(y=y))
    return finish(alt.layer(*parts), height=260)


# Altair holds each part of a chart against its schema, which takes as long as all the rest of a page; tests do that.
unchecked = schemapi.debug_mode(False)


def finish(chart: Any, height: Any) -> Spec:
    """The chart as the page draws it: as wide as its place, so high, and with no address in it."""
    spec: Spec = chart.properties(width="container", height=height).to_dict(validate=schemapi.DEBUG_MODE)
    # What the user's own Altair theme says is none of the report's business, and neither is an address.
    spec.pop("$schema", None)
    return spec | {"config": CONFIG, "autosize": {"type": "fit-x", "contains": "padding"}}
