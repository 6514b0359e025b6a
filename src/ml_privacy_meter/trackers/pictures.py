"""Pictures for trackers that draw none of these themselves: ROC, privacy risk, and risk by group, as PNG."""

import math
from collections.abc import Iterator
from typing import Any

import altair as alt
import vl_convert

from ml_privacy_meter.report import blocks, weights, words
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.trackers import figures

CONFIG: dict[str, Any] = {"background": "white", "axis": {"titleFontWeight": "normal"}, "font": "sans-serif"}
SIZE: dict[str, Any] = {"width": 420, "height": 420}
MEMBERS, OTHERS = "#c2410c", "#1d4ed8"
MOST = 30  # groups in one picture
DASHED: dict[str, Any] = {"stroke": "grey", "strokeDash": [4, 4]}


def pictures(found: Document) -> Iterator[tuple[str, bytes]]:
    """Each picture's name and its PNG; risk by group is that of the strongest attack."""
    ran = figures.shown(found)
    if ran:
        yield "ROC, linear axes", png(roc(ran, logarithmic=False))
        yield "ROC, logarithmic axes", png(roc(ran, logarithmic=True))
    if found["calibration"] is not None:
        yield "privacy risk", png(probabilities(found["calibration"]["bins"]))
    for finding in sorted(ran, key=_reach)[-1:]:
        for column in dict.fromkeys(group["column"] for group, _ in figures.grouped(finding)):
            yield f"risk by {figures.part(column)}", png(groups(finding, column, found["about"]["confidence"]))
    for key, spec, _ in weights.pictures(found["gradient_norms"]):
        yield key.replace("-", " "), blocks.png(spec, SIZE["width"])


def _reach(finding: Document) -> tuple[bool, float]:
    """The attack that was chosen on reference models comes last, and else the one with the highest AUC."""
    auc = words.named(finding["risks"], "AUC") or {"value": None, "chosen": False}
    return auc["chosen"], auc["value"] or 0.0


def roc(ran: list[Document], *, logarithmic: bool) -> Any:
    """The curve of every attack, and the true positive rates of its figures with their intervals."""
    rates = [rate for one in ran for side in (one["roc"]["fpr"], one["roc"]["tpr"]) for rate in side if rate > 0]
    floor = 10.0 ** math.floor(math.log10(min(rates)) - 1e-9) if logarithmic else 0.0
    curves = [
        {"attack": one["attack"], "FPR": max(fpr, floor), "TPR": max(tpr, floor), "order": order}
        for one in ran
        for order, (fpr, tpr) in enumerate(zip(one["roc"]["fpr"], one["roc"]["tpr"], strict=True))
    ]
    marks = [
        {"attack": one["attack"], "FPR": fpr, "low": max(risk["low"], floor), "high": risk["high"]}
        for one in ran
        for risk in one["risks"]
        if (fpr := words.fpr_of(risk["name"])) is not None and fpr >= floor and risk["value"] is not None
    ]
    scale = alt.Scale(type="log" if logarithmic else "linear", domain=[floor, 1], nice=False)
    x, y = (
        alt.X("FPR:Q", scale=scale, title="false positive rate"),
        alt.Y("TPR:Q", scale=scale, title="true positive rate"),
    )
    colour = alt.Color("attack:N", sort=[one["attack"] for one in ran], legend=alt.Legend(labelLimit=300, title=None))
    diagonal = alt.InlineData(values=[{"FPR": end, "TPR": end} for end in (floor, 1)])
    chance = alt.Chart(diagonal).mark_line(**DASHED).encode(x=x, y=y)
    lines = alt.Chart(alt.InlineData(values=curves)).mark_line(clip=True)
    drawn = [chance, lines.encode(x=x, y=y, color=colour, order="order:Q")]
    if marks:
        whiskers = alt.Chart(alt.InlineData(values=marks)).mark_rule(strokeWidth=2)
        drawn.append(whiskers.encode(x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q", color=colour))
    return alt.layer(*drawn).properties(**SIZE, title="ROC; bars are the intervals of the report's figures")


def probabilities(bins: list[Document]) -> Any:
    """How the membership probabilities of members and of non-members are spread."""
    total = {key: max(1, sum(one[key] for one in bins)) for key in ("members", "non_members")}
    values = [
        {"from": one["lowest"], "to": one["highest"], "share": one[key] / total[key], "set": name}
        for one in bins
        for key, name in (("non_members", "non-members"), ("members", "members"))
    ]
    bars = alt.Chart(alt.InlineData(values=values)).mark_bar(fillOpacity=0.5, binSpacing=0)
    return bars.encode(
        x=alt.X("from:Q", scale=alt.Scale(domain=[0, 1]), title="membership probability (privacy risk)"),
        x2="to:Q",
        y2=alt.datum(0),
        y=alt.Y("share:Q", stack=None, title="share of the set"),
        color=alt.Color(
            "set:N", scale=alt.Scale(domain=["members", "non-members"], range=[MEMBERS, OTHERS]), title=None
        ),
    ).properties(**SIZE)


def groups(finding: Document, column: str, confidence: float) -> Any:
    """The figure of each group with its interval, the highest first, and how many records stand behind it."""
    held = [(group, risk) for group, risk in figures.grouped(finding) if group["column"] == column]
    name = held[0][1]["name"]
    all_of = sorted(held, key=lambda one: -float(one[1]["value"]))
    values = [
        {"group": f"{group['value']} ({group['members']:,} + {group['non_members']:,})"}
        | {key: risk[key] for key in ("low", "value", "high", "baseline")}
        for group, risk in all_of[:MOST]
    ]
    y = alt.Y("group:N", sort=None, title=None, axis=alt.Axis(labelLimit=300))
    x = alt.X("low:Q", scale=alt.Scale(zero=False, padding=10, nice=False), title=name)
    base = alt.Chart(alt.InlineData(values=values))
    drawn = [
        base.mark_rule(**DASHED).encode(x=alt.X("baseline:Q", title=name)),
        base.mark_rule(strokeWidth=2).encode(y=y, x=x, x2="high:Q"),
        base.mark_circle(size=70, opacity=1).encode(y=y, x="value:Q"),
    ]
    said = f"{name} by {column} (members + non-members), {100 * confidence:.4g}% intervals"
    more = f"{said}; the {MOST} highest of {len(all_of):,}" if len(all_of) > MOST else said
    return alt.layer(*drawn).properties(title=[more, finding["attack"]], width=SIZE["width"])


def png(chart: Any) -> bytes:
    """The chart as a PNG."""
    spec: dict[str, Any] = chart.to_dict() | {"config": CONFIG}
    return bytes(vl_convert.vegalite_to_png(spec, scale=1.5))
