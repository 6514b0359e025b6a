"""The report as one page, which opens from disk and asks nothing of any network."""

from ml_privacy_meter.report import (
    about,
    charts,
    claims,
    glossary,
    others,
    people,
    rocs,
    rounds,
    threats,
    users,
    verdicts,
    weights,
    words,
)
from ml_privacy_meter.report.assessment import assessment
from ml_privacy_meter.report.charts import unchecked
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.report.html import bundle, embedded, template
from ml_privacy_meter.report.records import Packed
from ml_privacy_meter.report.shown import Shown

OPEN = 2  # attacks whose charts are all shown; of more, those of the strongest
ROWS = 200  # of a table of groups; report.json holds them all


@unchecked
def page(document: Document, records: Packed | None = None, shown: Shown | None = None) -> str:
    """The page, as HTML, with a table of these records and the content of some. What users wrote is shown as text."""
    names = words.headline(document["findings"])
    sections = [_section(number, found, document) for number, found in enumerate(document["findings"], 1)]
    together = _together(document)
    reliability = _reliability(document)
    read, watched, of_users = _weights(document), _by_round(document), _by_user(document)
    games = [_game(number, game) for number, game in enumerate(document.get("games", ()), 1)]
    drawn = [
        *(chart for part in (together, read, watched, of_users, *games) for chart in part["charts"]),
        *(chart for section in sections for chart in section["charts"]),
        *reliability,
    ]
    return template("page.html").render(
        document=document,
        records=records,
        shown=shown,
        words=words,
        names=names,
        baselines={name: words.baseline(document["findings"], name) for name in names},
        verdict=verdicts.verdict(document),
        voided=verdicts.voided(document),
        failing=words.failing(document),
        sections=sections,
        together=together,
        claimed=claims.said(document),
        ceilings=claims.row(document, names),
        weights=read,
        by_round=watched,
        by_user=of_users,
        games=games,
        people=people.people(document),
        played=threats.played(document),
        not_played=threats.not_played(document),
        other_questions=threats.other_questions(document),
        reliability=reliability,
        glossary=glossary.glossary(document),
        about=about.lines(document),
        assessment=assessment(document),
        specs=embedded({chart["key"]: chart["spec"] for chart in drawn}),
        bundle=bundle() if drawn else "",
    )


def _together(document: Document) -> Document:
    """The curves of all attacks in one chart, where there are several, and how each looks."""
    curves = {place: found for place, found in enumerate(document["findings"]) if found["roc"] is not None}
    if len(curves) < 2:
        return {"charts": [], "legend": []}
    legend = []
    for place, found in curves.items():
        colour, dash = rocs.look(place)
        auc = words.named(found["risks"], "AUC")
        text = "" if auc is None else f"AUC {words.figure(auc)}"
        legend.append({"place": place, "attack": found["attack"], "colour": colour, "dash": dash, "auc": text})
    said = "; ".join(f"{one['attack']} {one['auc']}" for one in legend)
    kinds = {
        "log": "Logarithmic axes: what happens at small errors. Rates of zero lie on the edge.",
        "linear": "Linear axes. The dashed diagonal is chance.",
    }
    return {
        "legend": legend,
        "charts": [
            _chart(
                f"all-{kind}",
                rocs.rocs(
                    list(curves.values()),
                    document["about"],
                    logarithmic=kind == "log",
                    places=list(curves),
                    claim=document["guarantee"],
                ),
                claims.captioned(caption, document),
                f"ROC curves of all attacks. {caption} {said}",
            )
            for kind, caption in kinds.items()
        ],
    }


def _weights(document: Document) -> Document:
    """What the weights add to attacks, and the lengths of gradients."""
    return {
        "foreword": weights.FOREWORD,
        "said": weights.said(document),
        "rows": weights.rows(document),
        "charts": [_chart(*one, one[2]) for one in weights.pictures(document["gradient_norms"])],
    }


def _by_round(document: Document) -> Document:
    """How the risk went while the model was trained, where somebody watched."""
    found = rounds.said(document)
    return {
        "title": rounds.TITLE,
        "said": found,
        "head": rounds.head(document) if found else [],
        "rows": rounds.rows(document) if found else [],
        "charts": [_chart(*one, one[2]) for one in rounds.pictures(document)],
    }


def _by_user(document: Document) -> Document:
    """Whose records the model was trained on, where a column says whose a record is."""
    found = users.said(document)
    if not found:
        return {"said": [], "charts": []}
    return {
        "title": users.TITLE,
        "said": found,
        "head": users.head(document),
        "rows": users.rows(document),
        "share_head": users.SHARES,
        "shares": users.shares(document),
        "exposed_title": users.exposed_title(document),
        "exposed_head": users.EXPOSED,
        "exposed": users.exposed(document),
        "charts": [_chart(*one, one[2]) for one in users.pictures(document)],
    }


def _game(number: int, game: Document) -> Document:
    """One game beside membership."""
    key = f"game-{number}"
    return {
        **game,
        "key": key,
        "title": others.title(game),
        "terms": others.terms(game),
        "question": others.prose(game["question"]),
        "compared": others.compared(game),
        "rows": list(others.rows(game)),
        "notes": others.notes(game),
        "groups": others.groups(game),
        "adversaries": others.adversaries(game),
        "how": others.how(game),
        "failing": others.failing(game),
        "charts": [_chart(f"{key}-{place}", spec, said, said) for place, spec, said in others.pictures(game)],
    }


def _section(number: int, found: Document, document: Document) -> Document:
    key = f"attack-{number}"
    best = verdicts.strongest(document)
    few = sum(one["roc"] is not None for one in document["findings"]) <= OPEN
    columns = [_column(f"{key}-{place}", *column) for place, column in enumerate(_columns(found))]
    drawn = [chart for column in columns for chart in column["charts"]]
    pictures = [] if found["roc"] is None else _pictures(key, found, document)
    ceilings = any(risk["ceiling"] is not None for risk in found["risks"])
    return {
        **found,
        "key": key,
        "open": few or found is best,
        "pictures": pictures,
        "columns": columns,
        "sees": found["sees"][:1].upper() + found["sees"][1:],
        "ceilings": ceilings,
        "remarks": any(words.remark(risk) for risk in found["risks"]),
        "charts": pictures + drawn,
    }


def _pictures(key: str, found: Document, document: Document) -> list[Document]:
    said = "; ".join(f"{risk['name']} {words.figure(risk)}" for risk in found["risks"][:5])
    attack = found["attack"]
    linear, bent = (
        rocs.rocs([found], document["about"], logarithmic=logarithmic, claim=document["guarantee"])
        for logarithmic in (False, True)
    )
    return [
        _chart(
            f"{key}-linear",
            linear,
            claims.captioned("ROC, linear axes. The dashed diagonal is chance.", document),
            f"ROC curve of {attack} on linear axes. {said}",
        ),
        _chart(
            f"{key}-log",
            bent,
            claims.captioned(
                "ROC, logarithmic axes: what happens at small errors. Rates of zero lie on the edge.", document
            ),
            f"ROC curve of {attack} on logarithmic axes. {said}",
        ),
        _chart(
            f"{key}-histogram",
            charts.histogram(found["histogram"]),
            "Scores of members and of non-members. The less the two overlap, the more the model leaks. "
            "The outermost bars hold all scores beyond them.",
            f"Histogram of the scores of {attack}, members against non-members.",
        ),
    ]


def _reliability(document: Document) -> list[Document]:
    """Whether membership probabilities mean what they say, and how many records have which."""
    calibration = document["calibration"]
    if calibration is None:
        return []
    bins = calibration["bins"]
    many = round(1 / (bins[0]["highest"] - bins[0]["lowest"]))
    held = {round(one["lowest"] * many): one for one in bins}
    counts: Document = {"edges": [place / many for place in range(many + 1)], "linear_within": None}
    for kind in ("members", "non_members"):
        counts[kind] = [held[place][kind] if place in held else 0 for place in range(many)]
    return [
        _chart(
            "reliability",
            charts.reliability(bins),
            words.shares(document),
            f"Reliability plot. Expected calibration error {words.value('error', calibration['error'])}.",
        ),
        _chart(
            "probabilities",
            charts.histogram(counts, title="membership probability", height=256, format="~%", tickCount=5),
            "How the membership probabilities of members and of non-members are spread.",
            "Histogram of the membership probabilities, members against non-members.",
        ),
    ]


def _columns(found: Document) -> list[tuple[str, list[Document]]]:
    names = dict.fromkeys(group["column"] for group in found["groups"])
    return [(name, [group for group in found["groups"] if group["column"] == name]) for name in names]


def _column(key: str, name: str, found: list[Document]) -> Document:
    """The groups of one column, the most exposed first; what cannot be resolved comes last."""
    figures = list(dict.fromkeys(risk["name"] for group in found for risk in group["risks"]))
    known = {risk["name"] for group in found for risk in group["risks"] if risk["value"] is not None}
    figure = "AUC" if "AUC" in known else next((one for one in figures if one in known), None)
    value = [(words.named(group["risks"], figure or "") or {"value": None})["value"] for group in found]
    order = sorted(range(len(found)), key=lambda row: -2.0 if value[row] is None else value[row], reverse=True)
    ranked = [found[row] for row in order]
    shown = ranked[: min(charts.GROUPS, sum(one is not None for one in value))]
    drawn = []
    if figure is not None:
        caption = (
            f"{figure} by {name}, highest first, with intervals: {len(shown)} of {len(found):,} groups; "
            "those left out are lower, or too small to resolve. The dashed line is chance."
            if len(shown) < len(found)
            else f"{figure} by {name}, highest first, with intervals. The dashed line is chance."
        )
        drawn = [_chart(key, charts.groups(shown, figure), caption, f"{caption} The table holds the figures.")]
    return {"name": name, "groups": ranked[:ROWS], "total": len(found), "figures": figures, "charts": drawn}


def _chart(key: str, spec: charts.Spec, caption: str, alternative: str) -> Document:
    return {"key": key, "spec": spec, "caption": caption, "alternative": alternative}
