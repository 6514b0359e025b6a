"""How the risk went while the model was trained: words, a table and charts."""

from typing import Any

import altair as alt

from ml_privacy_meter.report import charts, words
from ml_privacy_meter.report.document import Document

TITLE = "How the risk went while the model was trained"
LOSS, UPDATES = "loss of the model there", "update that followed"
NAMES = {"accuracy": "Accuracy", "loss": "Mean loss"}


def said(document: Document) -> list[str]:
    """What was watched, by whom, and how far the risk went; empty where nobody watched."""
    found = document["by_round"]
    if found is None:
        return []
    unit, moments = found["unit"], found["moments"]
    seen = f"{words.count(found['seen'] - 1, unit)} and the model itself were seen"
    if len(moments) < found["seen"]:
        seen += f"; {len(moments)} of these moments are shown, spread evenly over the training"
    first, last = moments[0], moments[-1]
    went = (
        f"The AUC of the loss was {words.figure(first['loss'])} at {unit} {first['number']} and "
        f"{words.figure(last['loss'])} in the end."
    )
    updates = [one for one in moments if one["update"] is not None and one["update"]["value"] is not None]
    if updates:
        top = max(updates, key=lambda one: one["update"]["value"])
        went += (
            f" That of a single update was highest at {unit} {top['number']}: {words.figure(top['update'])}; the "
            "highest of many lies high by chance, too."
        )
    return [f"Watched by {found['viewer']}. {seen}. {went} Each interval speaks for one moment."]


def head(document: Document) -> list[str]:
    """Of the table."""
    found = document["by_round"]
    name = NAMES[found["quality"]]
    return [found["unit"].capitalize(), f"AUC, {LOSS}", f"AUC, {UPDATES}", f"{name}, members", f"{name}, non-members"]


def rows(document: Document) -> list[list[str]]:
    """A row for each moment that is shown."""
    found = document["by_round"]
    return [
        [
            str(one["number"]) + (" (the model)" if place == len(found["moments"]) else ""),
            words.figure(one["loss"]),
            "–" if one["update"] is None else words.figure(one["update"]),
            *("–" if one[side] is None else _quality(one[side], found) for side in ("member", "non_member")),
        ]
        for place, one in enumerate(found["moments"], 1)
    ]


def pictures(document: Document) -> list[tuple[str, charts.Spec, str]]:
    """A key, a chart and its caption: the risk, and the accuracy beside it."""
    found = document["by_round"]
    if found is None:
        return []
    quality, unit = NAMES[found["quality"]].lower(), found["unit"]
    risk = f"AUC by {unit}, with intervals: of the {LOSS}, and of the {UPDATES} where it was seen. Dashed: chance."
    beside = f"{quality.capitalize()} by {unit}, on members and on non-members."
    return [("by-round-risk", _risks(found), risk), ("by-round-quality", _qualities(found), beside)]


def _risks(found: Document) -> charts.Spec:
    """A line with a band for each kind of risk."""
    values = [
        {"number": one["number"], "of": name, "said": words.figure(one[key])}
        | {end: one[key][end] for end in ("low", "value", "high")}
        for key, name in (("loss", LOSS), ("update", UPDATES))
        for one in found["moments"]
        if one[key] is not None and one[key]["value"] is not None
    ]
    names = list(dict.fromkeys(value["of"] for value in values))
    base = alt.Chart(alt.InlineData(values=values))
    x = _x(found)
    y = alt.Y("low:Q", scale=alt.Scale(zero=False, padding=8), axis=alt.Axis(title="AUC", tickCount=5))
    colour = _colour(names, [charts.CURVE, charts.MEMBERS][: len(names)])
    band = base.mark_area(opacity=0.2).encode(x=x, y=y, y2="high:Q", color=colour)
    line = base.mark_line(strokeWidth=2, point={"size": 30}).encode(
        x=x, y="value:Q", color=colour, tooltip=[alt.Tooltip("number:Q", title=found["unit"]), alt.Tooltip("said:N")]
    )
    chance = alt.Chart(alt.InlineData(values=[{"low": 0.5}])).mark_rule(stroke=charts.FAINT, strokeDash=[4, 4])
    return charts.finish(alt.layer(chance.encode(y=y), band, line), height=260)


def _qualities(found: Document) -> charts.Spec:
    values = [
        {"number": one["number"], "set": name, "value": one[key]}
        for key, name in (("member", "members"), ("non_member", "non-members"))
        for one in found["moments"]
        if one[key] is not None
    ]
    shares: dict[str, Any] = {"format": "~%"} if found["quality"] == "accuracy" else {}
    axis = alt.Axis(title=NAMES[found["quality"]].lower(), tickCount=5, **shares)
    line = alt.Chart(alt.InlineData(values=values)).mark_line(strokeWidth=2, point={"size": 30})
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), axis=axis)
    colour = _colour(["members", "non-members"], [charts.MEMBERS, charts.OTHERS])
    return charts.finish(line.encode(x=_x(found), y=y, color=colour), height=260)


def _x(found: Document) -> alt.X:
    step: dict[str, Any] = {"tickMinStep": 1, "grid": False}
    return alt.X("number:Q", scale=alt.Scale(nice=False), axis=alt.Axis(title=found["unit"], format="d", **step))


def _colour(names: list[str], colours: list[str]) -> alt.Color:
    field = "set:N" if "members" in names else "of:N"
    return alt.Color(field, scale=alt.Scale(domain=names, range=colours))


def _quality(value: float, found: Document) -> str:
    return f"{value:.1%}" if found["quality"] == "accuracy" else f"{value:.4g}"
