"""The result as one page, which opens from disk and asks nothing of any network."""

from typing import Any

import altair as alt

from ml_privacy_meter.comparison import words as compared
from ml_privacy_meter.defending import words
from ml_privacy_meter.defending.entries import DEFENSE
from ml_privacy_meter.defending.verdicts import NOT_WORTH, WORTH
from ml_privacy_meter.report import charts, glossary
from ml_privacy_meter.report import words as figure_words
from ml_privacy_meter.report.charts import unchecked
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.report.html import bundle, embedded, template

HEIGHT = 400
LOOKS = {  # of a point: its colour and its shape, so that nobody needs the colour to tell
    "surely leaks less": (charts.CURVE, "circle"),
    "open": (charts.OTHERS, "diamond"),
    "not worth its price": (charts.FAINT, "cross"),
    "no defense": (charts.MEMBERS, "square"),
}


@unchecked
def page(document: Document) -> str:
    """The page, as HTML. Whatever a user wrote is shown as text."""
    drawn = [_frontier(document, line) for line in document["about"]["lines"]]
    specs = {one["key"]: one["spec"] for one in drawn}
    return template("defenses.html", room="ml_privacy_meter.defending").render(
        document=document,
        about=document["about"],
        lines=document["about"]["lines"],
        rows=document["rows"],
        words=figure_words,
        compared=compared,
        said=words,
        frontiers=drawn,
        meanings=[(name, glossary.meaning(name)) for name in dict.fromkeys(one["figure"] for one in drawn)],
        specs=embedded(specs),
        bundle=bundle() if specs else "",
    )


def _frontier(document: Document, line: Document) -> Document:
    """A chart of test accuracy against what the strongest attack reaches, in one line."""
    points = [
        _point(number, row, line, found)
        for number, row in enumerate(document["rows"], 1)
        if (found := words.leak(row, line)) is not None
    ]
    left_out = [f"“{row['name']}”" for row in document["rows"] if words.leak(row, line) is None]
    caption = (
        "Numbers are those of the table. Lines hold intervals that hold all figures of this page together. The dashed "
        "line is what is reached without the model."
    )
    if left_out:
        caption += (
            f" Not attacked with its weights, since other answers stand before them: {figure_words.listed(left_out)}."
        )
    what = f"{line['figure']} of the strongest attack against test accuracy. {words.SEES[line['sees']]}."
    return {
        **line,
        "key": f"{line['sees']} {line['figure']}",
        "title": f"{line['figure']}: {words.SEES[line['sees']].lower()}",
        "spec": _spec(points, line["figure"]),
        "caption": caption,
        "alternative": f"{what} {'; '.join(point['said'] for point in points)}",
    }


def _point(number: int, row: Document, line: Document, found: Document) -> Document:
    accuracy = row["accuracy"]["non_members"]
    kind = row["verdict"]["says"]
    look = (
        "no defense" if row["kind"] != DEFENSE else {WORTH: "surely leaks less", NOT_WORTH: NOT_WORTH}.get(kind, "open")
    )
    figure, right = words.figure(line["figure"], found), words.figure("accuracy", accuracy)
    return {
        "number": str(number),
        "look": look,
        "said": f"{row['name']}: {line['figure']} {figure} by {found['attack']}, test accuracy {right}",
        "baseline": found["baseline"],
        **{f"x_{end}": accuracy[key] for end, key in _ENDS.items()},
        **{f"y_{end}": found[key] for end, key in _ENDS.items()},
    }


_ENDS = {"value": "value", "low": "joint_low", "high": "joint_high"}


def _numbered(points: list[Document]) -> list[Document]:
    """The points with the numbers that stand beside them: those of points in one place stand together."""
    if not points:
        return []
    spans = {x: max(one[f"{x}_high"] for one in points) - min(one[f"{x}_low"] for one in points) for x in "xy"}
    groups: list[list[Document]] = []
    for point in points:
        near = [
            group
            for group in groups
            if all(abs(group[0][f"{x}_value"] - point[f"{x}_value"]) < span / 25 for x, span in spans.items())
        ]
        if near:
            near[0].append(point)
        else:
            groups.append([point])
    first = {group[0]["number"]: ", ".join(one["number"] for one in group) for group in groups}
    return [point | {"numbers": first.get(point["number"], "")} for point in points]


def _spec(points: list[Document], figure: str) -> charts.Spec:
    percent: Any = {"labelExpr": "format(datum.value * 100, '.4~g') + '%'"}
    scale = alt.Scale(zero=False, padding=18)
    across = alt.Axis(title="test accuracy", tickCount=6, **percent)
    upright = alt.Axis(title=figure, tickCount=6, **(percent if figure_words.in_per_cent(figure) else {}))
    base = alt.Chart(alt.InlineData(values=_numbered(points)))
    x, y = alt.X("x_value:Q", scale=scale, axis=across), alt.Y("y_value:Q", scale=scale, axis=upright)
    domain = [look for look in LOOKS if any(point["look"] == look for point in points)]
    legend = alt.Legend(columns=2, symbolOpacity=1)
    colour, shape = (
        kind("look:N", legend=legend, scale=alt.Scale(domain=domain, range=[LOOKS[look][part] for look in domain]))
        for part, kind in enumerate((alt.Color, alt.Shape))
    )
    thin: Any = {"strokeWidth": 1.5, "opacity": 0.55}
    tooltip = [alt.Tooltip("said:N", title=" ")]
    parts = [
        alt.Chart(alt.InlineData(values=[{"y": min(point["baseline"] for point in points)}] if points else []))
        .mark_rule(stroke=charts.FAINT, strokeDash=[4, 4])
        .encode(y=alt.Y("y:Q", scale=scale, axis=upright)),
        base.mark_rule(**thin).encode(x=x, y=alt.Y("y_low:Q", axis=upright), y2="y_high:Q", color=colour),
        base.mark_rule(**thin).encode(x=alt.X("x_low:Q", axis=across), x2="x_high:Q", y=y, color=colour),
        base.mark_point(filled=True, size=110, opacity=1).encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip),
    ]
    look: Any = {"align": "left", "dx": 8, "dy": -10, "fontSize": 13, "fontWeight": 600, "fill": charts.INK}
    halo = base.mark_text(**look, stroke="var(--paper)", strokeWidth=4)
    labels = [one.encode(x=x, y=y, text="numbers:N") for one in (halo, base.mark_text(**look))]
    return charts.finish(alt.layer(*parts, *labels), height=HEIGHT)
