"""What the model's weights add to an attack, and how long gradients are: words and charts."""

from collections.abc import Collection
from typing import Any

import altair as alt

from ml_privacy_meter.report import charts, threats, verdicts, words
from ml_privacy_meter.report.document import Document

CLASSES = 20  # in the chart; report.json holds them all
FOREWORD = (
    "Whoever holds the file of the model sees more than its answers. Below, the strongest attack that reads weights "
    "(white-box) is set beside the strongest that reads the outputs alone (black-box), on the same records."
)
CHOICE = {
    "rehearsals": "Both were chosen where reference models took the target’s place, not for what they reach here.",
    "half": "Both were chosen on one half of the records, and are compared on the other half.",
}
MORE = {
    threats.WHOLE_REFERENCES: "from reference models",
    threats.WHOLE_KNOWN: "from records whose membership is known",
}
NORMS = (
    "How far one record alone would pull the weights: the length of the gradient of its loss, by all weights. Records "
    "that a model was trained on tend to pull less. The outermost bars hold all that lies beyond."
)


def said(document: Document) -> list[str]:
    """A sentence for each figure, and how the attacks were chosen; empty unless attacks of both kinds ran."""
    found = document["added"]
    if not found:
        return []
    after = [CHOICE[how] for how in dict.fromkeys(one["how"] for one in found)]
    known = knowing(document)
    after += [
        f"“{name}” was also shown other records of which it knew whether they are members: not all that it reaches "
        "comes from the weights."
        for name in known
        if any(one["weights"] == name for one in found)
    ]
    if any(one["surely"] <= 0 for one in found):
        after.append(_caution(document))
    if verdicts.voided(document):
        after.append("The audit is void (see “Read this first”): this is what its figures would say at face value.")
    return [*(sentence(one, known) for one in found), " ".join(after)]


def _caution(document: Document) -> str:
    """What it does not mean that no gain was shown."""
    played = {threats.level(one["sees"]) for one in document["findings"] if not one["failed"]}
    missing = " or ".join(says for level, says in MORE.items() if level not in played)
    without = f", and none was played here that learns {missing}" if missing else ""
    return (
        "Where no gain was shown, the weights are not thereby safe to give away: other attacks may get more out of "
        f"them{without}."
    )


def knowing(document: Document) -> list[str]:
    """The attacks on weights that were also shown whether other records are members."""
    return [one["attack"] for one in document["findings"] if threats.level(one["sees"]) == threats.WHOLE_KNOWN]


def sentence(one: Document, known: Collection[str] = ()) -> str:
    """What the weights add to one figure, with its interval; for an attack that is ``known``, not they alone."""
    who = "White-box access" + " with other records of known membership" * (one["weights"] in known)
    pair, name = f"“{one['weights']}” over “{one['outputs']}”", one["figure"]
    unit = " percentage points" if words.in_per_cent(name) else ""
    if one["surely"] > 0:
        return f"{who} adds {difference(one)}{unit} to the {name}: {pair}."
    if one["at_most"] < 0:
        return (
            f"At the {name}, the white-box attack stays below the black-box one, {difference(one)}{unit}: {pair}. "
            "Whoever has the weights can run both."
        )
    apart = one["low"] > 0 or one["high"] < 0
    alone = " The interval leaves out 0 only as long as it is not widened for the number of figures." * apart
    subject = f"{who} was" if one["weights"] in known else "These white-box attacks were"
    return f"{subject} not shown to add anything to the {name}: {difference(one)}{unit}, {pair}.{alone}"


def difference(one: Document) -> str:
    """ "+0.021 [0.010, 0.032]", or in percentage points."""
    shares = words.in_per_cent(one["figure"])
    value, low, high = (one[key] * (100 if shares else 1) for key in ("value", "low", "high"))
    digits = ".1f" if shares else ".3f"
    return f"{value:+{digits}} [{low:{digits}}, {high:{digits}}]".replace("-", "−")


def rows(document: Document) -> list[list[str]]:
    """For each figure: its name, both attacks with what they reach, and the difference."""
    return [
        [
            one["figure"],
            *(
                f"{one[side]}: {words.value(one['figure'], reached)}"
                for side, reached in zip(("outputs", "weights"), one["reached"], strict=True)
            ),
            difference(one),
        ]
        for one in document["added"]
    ]


def histogram(norms: Document) -> charts.Spec:
    """The share of the members, and that of the non-members, whose gradient is so long; on a logarithmic axis."""
    sides = (("non-members", norms["non_members"]), ("members", norms["members"]))
    values = [
        {
            "from": norms["edges"][place],
            "to": norms["edges"][place + 1],
            "share": count / max(sum(side), 1),
            "set": name,
        }
        for name, side in sides
        for place, count in enumerate(side)
    ]
    bars = alt.Chart(alt.InlineData(values=values)).mark_bar(fillOpacity=0.5, strokeWidth=0, binSpacing=0)
    encoding: dict[str, Any] = {
        "x": alt.X("from:Q", scale=_logarithmic(), axis=alt.Axis(title="gradient norm", grid=False, **_TICKS)),
        "x2": alt.X2("to:Q"),
        "y": alt.Y("share:Q", stack=None, axis=alt.Axis(title="share of the set", format="~%", tickCount=5)),
        "y2": alt.datum(0),
        "color": alt.Color("set:N", scale=_COLOURS),
    }
    return charts.finish(bars.encode(**encoding), height=220)


def by_class(norms: Document) -> charts.Spec:
    """The middle half of the gradient norms of members and of non-members, and their medians, for each class."""
    shown = norms["classes"][:CLASSES]
    values = [
        {"class": one["value"], "set": name}
        | dict(zip(("low", "middle", "high"), one[side]["quantiles"][1:4], strict=True))
        for one in shown
        for name, side in (("members", "members"), ("non-members", "non_members"))
    ]
    least = min((v["low"] for v in values if v["low"] > 0), default=1e-12)
    values = [v | {key: max(v[key], least) for key in ("low", "middle", "high")} for v in values]
    order = [one["value"] for one in shown]
    y = alt.Y("class:N", sort=order, axis=alt.Axis(title=None, labelLimit=130, grid=True, ticks=False, domain=False))
    aside = alt.YOffset("set:N", sort=["members", "non-members"])
    x = alt.X("low:Q", scale=_logarithmic(), axis=alt.Axis(title="gradient norm", **_TICKS))
    base = alt.Chart(alt.InlineData(values=values))
    colour = alt.Color("set:N", scale=_COLOURS)
    half = base.mark_rule(strokeWidth=2).encode(y=y, yOffset=aside, x=x, x2="high:Q", color=colour)
    dot = base.mark_circle(size=60, opacity=1).encode(y=y, yOffset=aside, x="middle:Q", color=colour)
    return charts.finish(alt.layer(half, dot), height=28 * len(order))


def pictures(norms: Document | None) -> list[tuple[str, charts.Spec, str]]:
    """A key, a chart and its caption: over all, and by class where there are several."""
    if norms is None:
        return []
    made = [("gradient-norms", histogram(norms), NORMS)]
    if len(norms["classes"]) > 1:
        of = len(norms["classes"])
        which = f"the {CLASSES} of {of:,} classes whose medians lie" if of > CLASSES else "classes whose medians lie"
        left = " The others are in report.json." if of > CLASSES else ""
        caption = (
            f"Gradient norms by class: the middle half, and the median as a dot; {which} farthest apart first.{left}"
        )
        made.append(("gradient-norms-by-class", by_class(norms), caption))
    return made


def _logarithmic() -> alt.Scale:
    return alt.Scale(type="log", nice=False)


_TICKS: dict[str, Any] = {"format": "~g", "tickCount": 6}
_COLOURS = alt.Scale(domain=["members", "non-members"], range=[charts.MEMBERS, charts.OTHERS])
