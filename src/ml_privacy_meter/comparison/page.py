"""A comparison as one page, which opens from disk and asks nothing of any network."""

from ml_privacy_meter.comparison import words
from ml_privacy_meter.report import charts, glossary
from ml_privacy_meter.report import words as figure_words
from ml_privacy_meter.report.charts import unchecked
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.report.html import bundle, embedded, template

SIDES = {"non_members": "non-members", "members": "members"}


@unchecked
def page(document: Document) -> str:
    """The page, as HTML. Whatever a user wrote is shown as text."""
    drawn = _tradeoffs(document)
    specs = {chart["key"]: chart["spec"] for row in drawn for chart in row}
    return template("comparison.html", room="ml_privacy_meter.comparison").render(
        document=document,
        first=document["reports"][0],
        others=document["reports"][1:],
        words=figure_words,
        said=words,
        attacks=_attacks(document),
        tradeoffs=drawn,
        meanings=[(name, glossary.meaning(name)) for name in dict.fromkeys(r["figure"] for r in document["figures"])],
        specs=embedded(specs),
        bundle=bundle() if specs else "",
    )


def _attacks(document: Document) -> list[tuple[str, list[Document]]]:
    """The rows of each attack, those of the leading one first."""
    names = sorted(
        dict.fromkeys(row["attack"] for row in document["figures"]), key=lambda name: name != document["leading"]
    )
    return [(name, [row for row in document["figures"] if row["attack"] == name]) for name in names]


def _tradeoffs(document: Document) -> list[list[Document]]:
    """Charts of the leading attack's figures against the model's quality on either side, a row a side."""
    rows = [
        row
        for row in document["figures"]
        if row["attack"] == document["leading"] and all(one and one["value"] is not None for one in row["risks"])
    ]
    kinds = {report["quality"]["of"] for report in document["reports"]}
    if not rows or len(kinds) > 1:
        return []
    shown = (
        [rows[0], rows[-1]] if len(rows) > 1 else rows
    )  # the AUC, and the rate at the smallest error that is resolved
    known = [side for side in SIDES if all(one["quality"][side]["value"] is not None for one in document["reports"])]
    return [[_tradeoff(document, row, side, kinds == {"accuracy"}) for row in shown] for side in known]


def _tradeoff(document: Document, row: Document, side: str, shares: bool) -> Document:
    what = f"{'accuracy' if shares else 'mean loss'} on {SIDES[side]}"
    points = [
        _point(report, risk, report["quality"][side], words.quality(report["quality"], side))
        for report, risk in zip(document["reports"], row["risks"], strict=True)
    ]
    name = row["figure"]
    caption = (
        f"{name} of “{row['attack']}” against {what}. Lines hold intervals; the reports are joined in the order given."
    )
    alternative = "; ".join(point["said"] for point in points)
    in_per_cent = (shares, figure_words.in_per_cent(name))
    return {
        "key": f"{side}-{name}",
        "spec": charts.tradeoff(points, what, name, shares=in_per_cent),
        "caption": caption,
        "alternative": f"{caption} {alternative}",
    }


def _point(report: Document, risk: Document, held: Document, quality: str) -> Document:
    ends = {end: held["value"] if held[end] is None else held[end] for end in ("low", "high")}
    return {
        "name": report["name"],
        "said": f"{report['name']}: {risk['name']} {words.figure(risk)}, {quality}",
        **{f"x_{key}": one for key, one in {"value": held["value"], **ends}.items()},
        **{f"y_{key}": risk[key] for key in ("value", "low", "high")},
    }
