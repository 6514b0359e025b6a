"""The plots of the original ML Privacy Meter, as PNG."""

import re
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ml_privacy_meter.attack.results import Epochs
from ml_privacy_meter.attack.testing import BY_NORM
from ml_privacy_meter.membership import describe
from ml_privacy_meter.report import Report
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.trackers import figures
from ml_privacy_meter.trackers.pictures import MEMBERS, OTHERS, SIZE, groups, png, probabilities, roc

BINS = np.linspace(0, 1, 21)
MANY = 40  # classes that stand closer together
SIDES = {True: "members", False: "non-members"}
COLOUR = alt.Scale(domain=["members", "non-members"], range=[MEMBERS, OTHERS])


def of_attack(report: Report, name: str, probability: np.ndarray, epochs: Epochs) -> dict[str, bytes]:
    """Each plot of one attack, by the name of its file: privacy risk, ROC, gradient norms, and all of it by class.

    Args:
        probability: of membership, in the order of the report's records.
    """
    table, found = report.records, figures.without_ids(report)
    member = table["member"].to_numpy()
    drawn = {
        "accuracy": _epochs(name, epochs),
        "privacy_risk": _risk(probability, member, f"Privacy risk, {name}"),
        "roc": _roc(found, [name]),
    }
    norms = f"score: {describe(BY_NORM)}"
    if norms in table:
        kind = table.get("class", pd.Series("all", table.index))
        drawn["gradient_norm"] = _norms(-table[norms].to_numpy(), member, kind.to_numpy())
    if "class" in table:
        drawn |= _by_class(table["class"].to_numpy(), name, probability, member)
    for finding in figures.shown(found):
        if finding["attack"] == name and any(group["column"] == "class" for group, _ in figures.grouped(finding)):
            drawn["risk_by_class"] = groups(finding, "class", found["about"]["confidence"])
    return {key: png(chart) for key, chart in drawn.items()}


def of_several(report: Report, names: Sequence[str]) -> dict[str, bytes]:
    """ROC curves of several attacks, and their accuracies beside the model's own."""
    found = figures.without_ids(report)
    return {"roc": png(_roc(found, names)), "comparison": png(_comparison(report, names))}


def _by_class(kind: np.ndarray, name: str, probability: np.ndarray, member: np.ndarray) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    for value in np.unique(kind):
        here = kind == value
        file = "privacy_risk_label" + re.sub(r"[^\w-]", "_", str(value))
        while file in drawn:  # of names that differ in signs alone
            file += "_"
        drawn[file] = _risk(probability[here], member[here], f"Privacy risk, {name}, class {value}")
    return drawn


def _risk(probability: np.ndarray, member: np.ndarray, title: str) -> Any:
    inside, outside = (np.histogram(probability[side], BINS)[0].tolist() for side in (member, ~member))
    ends = zip(BINS[:-1].tolist(), BINS[1:].tolist(), inside, outside, strict=True)
    keys = ("lowest", "highest", "members", "non_members")
    said = f"{int(member.sum()):,} members, {int((~member).sum()):,} non-members"
    return probabilities([dict(zip(keys, one, strict=True)) for one in ends]).properties(title=[title, said])


def _roc(found: Document, names: Sequence[str]) -> Any:
    """The curves of these attacks, then of the thresholds beside them, each with its AUC."""
    ran = sorted(figures.shown(found), key=lambda one: one["attack"] not in names)
    return roc([{**one, "attack": _with_auc(one)} for one in ran], logarithmic=False)


def _with_auc(finding: Document) -> str:
    area = next(risk for risk in finding["risks"] if risk["name"] == "AUC")
    if area["value"] is None:
        return str(finding["attack"])
    return f"{finding['attack']}: AUC {area['value']:.3f} [{area['low']:.3f}, {area['high']:.3f}]"


def _norms(norm: np.ndarray, member: np.ndarray, kind: np.ndarray) -> Any:
    """Of each class and side, the middle of its gradient norms, half and nine tenths of them."""
    rows = []
    for (value, side), part in pd.DataFrame({"norm": norm, "kind": kind, "side": member}).groupby(["kind", "side"]):
        cuts = np.maximum(part["norm"].quantile([0.05, 0.25, 0.5, 0.75, 0.95]), 1e-12).tolist()
        named = dict(zip(("p05", "p25", "p50", "p75", "p95"), cuts, strict=True))
        rows.append({"class": str(value), "set": SIDES[bool(side)], **named})
    names = [str(value) for value in np.unique(kind)]
    step, thick, point = (10, 3, 30) if len(names) > MANY else (24, 4, 50)
    x = alt.X("class:N", sort=names, title="class", axis=alt.Axis(labelAngle=0, labelOverlap=True))
    beside = alt.XOffset("set:N", sort=list(SIDES.values()))
    colour = alt.Color("set:N", scale=COLOUR, title=None)
    scale = alt.Scale(type="log", nice=False, padding=10)
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=x, xOffset=beside, color=colour)
    return alt.layer(
        base.mark_rule().encode(y=alt.Y("p05:Q", scale=scale, title="norm of the gradient"), y2="p95:Q"),
        base.mark_rule(strokeWidth=thick).encode(y=alt.Y("p25:Q", scale=scale), y2="p75:Q"),
        base.mark_circle(size=point, opacity=1).encode(y=alt.Y("p50:Q", scale=scale)),
    ).properties(
        title=["Gradient norms by class", "median, half and nine tenths of the records"],
        width=max(SIZE["width"], step * len(names)),
        height=SIZE["height"],
    )


def _epochs(name: str, epochs: Epochs) -> Any:
    rows: list[dict[str, Any]] = []
    names, stages = [], []
    for what, curve in epochs.named.items():
        network, _, stage = what.partition(", ")
        names.append(network)
        stages.append(stage)
        rows += [
            {"epoch": epoch, "accuracy": value, "network": network, "stage": stage}
            for epoch, value in enumerate(curve, 1)
        ]
    stroke, dash = alt.Legend(symbolType="stroke"), alt.Legend(symbolType="stroke", symbolStrokeColor="grey")
    encoded: dict[str, Any] = {
        "x": alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1)),
        "y": alt.Y("accuracy:Q", scale=alt.Scale(zero=False)),
        "color": alt.Color("network:N", sort=list(dict.fromkeys(names)), title=None, legend=stroke),
    }
    if any(stages):
        dashes = alt.Scale(domain=list(dict.fromkeys(stages)), range=[[4, 4], [1, 0]])
        encoded["strokeDash"] = alt.StrokeDash("stage:N", scale=dashes, title=None, legend=dash)
    lines = alt.Chart(alt.InlineData(values=rows)).mark_line(point={"size": 12})
    return lines.encode(**encoded).properties(
        **SIZE, title=[f"Accuracy of {name}", "on records held back from its training"]
    )


def _comparison(report: Report, names: Sequence[str]) -> Any:
    """Balanced accuracy of each attack with its interval, thresholds too; and the model's accuracy on either side."""
    rows = []
    beside = [one.attack for one in report.findings if one.attack not in names and not one.failed]
    for name in [*names, *beside]:
        risk = report.risks[name]["balanced accuracy"]
        rows.append({"attack": name, "learned": name in names, "value": risk.value, "low": risk.low, "high": risk.high})
    sides = {"members": report.about.get("member_accuracy"), "non-members": report.about.get("non_member_accuracy")}
    own = [{"set": side, "value": value} for side, value in sides.items() if value is not None]
    x = alt.X("attack:N", sort=None, title=None, axis=alt.Axis(labelAngle=-30, labelLimit=300))
    y = alt.Y("value:Q", scale=alt.Scale(domain=[0, 1]), title="accuracy")
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=x)
    drawn = [
        base.mark_bar(opacity=0.5, size=40).encode(
            y=y, color=alt.when(alt.datum.learned).then(alt.value("#4c78a8")).otherwise(alt.value("grey"))
        ),
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title="accuracy"), y2="high:Q"),
    ]
    if own:
        colour = alt.Color("set:N", scale=COLOUR, title="the model's own accuracy")
        lines = alt.Chart(alt.InlineData(values=own)).mark_rule(strokeDash=[4, 4])
        drawn.append(lines.encode(y=alt.Y("value:Q", title="accuracy"), color=colour))
    said = f"{100 * report.about['confidence']:.4g}% intervals; dotted: guessing; grey: attacks that learn nothing"
    drawn.append(alt.Chart(alt.InlineData(values=[{"value": 0.5}])).mark_rule(strokeDash=[1, 3]).encode(y=y))
    width = max(SIZE["width"], 90 * len(rows))
    return alt.layer(*drawn).properties(
        title=["Balanced accuracy of attacks", said], width=width, height=SIZE["height"]
    )
