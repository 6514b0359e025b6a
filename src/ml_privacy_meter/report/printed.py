"""What is printed of a report, in order: a list of blocks, each a heading, sentences, a table or charts.

A block holds text and drawings only; how it looks is the template's business.
"""

from ml_privacy_meter.report import about, adversaries, blocks, charts, claims, glossary, rocs, verdicts, words
from ml_privacy_meter.report.blocks import WIDE, Block, Cell
from ml_privacy_meter.report.charts import unchecked
from ml_privacy_meter.report.document import Document

SIDE_BY_SIDE = 5  # figures that fit beside the name of an attack or group
GROUPS = 20  # rows of a table; report.json holds them all


@unchecked
def printed(document: Document) -> list[Block]:
    """The whole report: what speaks against it first, then the verdict, then all that stands behind it."""
    found = document["findings"]
    return [
        *_warnings(document),
        *_verdict(document),
        *adversaries.people(document),
        *adversaries.views(document),
        *_compared(document),
        *adversaries.together(document),
        *adversaries.weights_read(document),
        *adversaries.by_round(document),
        *adversaries.by_user(document),
        *adversaries.other_games(document),
        *_carried(document),
        *(block for one in found for block in _attack(one, document)),
        *_exposed(document),
        *_calibration(document),
        *_about(document),
        blocks.heading("What the figures mean"),
        {"kind": "terms", "terms": glossary.glossary(document), "sticky": False},
        *_checks(document),
    ]


def _warnings(document: Document) -> list[Block]:
    failed = [
        {"name": check["name"], "voids": check["voids"], "says": check["says"], "ids": ", ".join(check["ids"])}
        for check in words.failing(document)
    ]
    failed += [
        {"name": f"The attack {found['attack']} failed", "voids": False, "says": found["failed"], "ids": ""}
        for found in document["findings"]
        if found["failed"]
    ]
    return [{"kind": "warnings", "title": "Read this first", "items": failed}] if failed else []


def _verdict(document: Document) -> list[Block]:
    said = document["about"]
    given = {name: said.get(name) for name in about.TITLES}
    failed = sum(bool(one["failed"]) for one in document["findings"])
    counts = [(about.TITLES[name], f"{given[name]:,}") for name in ("members", "non_members")]
    for quality, form in (("accuracy", "{:.1%}"), ("loss", "{:.4g}")):
        names = (f"member_{quality}", f"non_member_{quality}")
        counts += [(about.TITLES[name], form.format(given[name])) for name in names if given[name] is not None]
    counts.append(("Attacks played", f"{len(document['findings'])}" + (f", {failed} failed" if failed else "")))
    return [{"kind": "verdict", "title": "Verdict", "text": verdicts.verdict(document), "counts": counts}]


def _compared(document: Document) -> list[Block]:
    found = document["findings"]
    names = words.headline(found)
    if not names:
        return []
    note = (
        "Brackets hold intervals. Bold: the interval lies above what is reached without the model, even when it is "
        "widened for the number of figures."
    )
    note += f" {words.CHOSEN}" if words.chosen(found) else ""
    above = blocks.heading("Attacks side by side")
    if len(names) > SIDE_BY_SIDE:
        rows = [
            [one["attack"], name, _starred(one, name), words.baseline([one], name) or "–"]
            for one in found
            for name in names
        ]
        head = ["Attack", "Figure", "Value and interval", "Without the model"]
        return [above, blocks.table(head, rows, caption=note, widths=(1, 1)), *_claimed(document)]
    rows = [[one["attack"], *(_starred(one, name) for name in names)] for one in found]
    rows.append(["Without the model", *(words.baseline(found, name) for name in names)])
    rows += [row] if (row := claims.row(document, names)) else []
    return [above, blocks.table(["Attack", *names], rows, caption=note), *_claimed(document)]


def _claimed(document: Document) -> list[Block]:
    """What the claimed guarantee allows, where one is."""
    said = claims.said(document)
    return [blocks.heading(claims.TITLE), *map(blocks.said, said)] if said else []


def _starred(found: Document, name: str) -> Cell:
    return "failed" if found["failed"] else blocks.cell(words.named(found["risks"], name))


def _carried(document: Document) -> list[Block]:
    rows = [
        [one["attack"], words.stated("FPR", held["fpr"]), blocks.cell(held["reached"]), blocks.cell(held["tpr"])]
        for one in document["findings"]
        for held in one["carried"]
    ]
    if not rows:
        return []
    said = (
        "Above, the threshold of each true positive rate is set by the audit’s own other records. Somebody who attacks "
        "does not have those: they set it on models of their own, where they know who is in, and carry it over. The "
        "rate of wrong accusations that they reach is then another than the one they aimed at. Read each TPR beside "
        f"the FPR that was reached: without the model, the two would be equal. {words.unlike(document)}"
    ).strip()
    head = ["Attack", "Intended FPR", "FPR reached", "TPR"]
    return [blocks.heading("Thresholds carried over"), blocks.said(said), blocks.table(head, rows)]


def _attack(found: Document, document: Document) -> list[Block]:
    made = [blocks.heading(found["attack"], above="Attack")]
    if found["failed"]:
        made.append(blocks.said(f"This attack failed, so it says nothing about the model. {found['failed']}"))
    terms = [("The adversary sees", blocks.capital(found["sees"])), ("The score is", blocks.capital(found["says"]))]
    made.append({"kind": "terms", "terms": terms, "sticky": True})
    if found["risks"]:
        made.append(_figures(found))
    if found["roc"] is not None:
        made.append({"kind": "pictures", "pictures": _pictures(found, document)})
    columns = dict.fromkeys(group["column"] for group in found["groups"])
    return made + [block for column in columns for block in _groups(found, column)]


def _figures(found: Document) -> Block:
    ceilings = any(risk["ceiling"] is not None for risk in found["risks"])
    remarks = any(words.remark(risk) for risk in found["risks"])
    head = ["Figure", *(["Remark"] if remarks else []), "Value and interval", "Without the model"]
    head += ["Ceiling"] * ceilings + ["Records"]
    rows = [
        [
            risk["name"],
            *([words.remark(risk)] if remarks else []),
            blocks.cell(risk),
            words.stated(risk["name"], risk["baseline"]),
            *([words.stated(risk["name"], risk["ceiling"])] if ceilings else []),
            f"{risk['trials']:,}",
        ]
        for risk in found["risks"]
    ]
    return blocks.table(head, rows, caption=f"Figures of {found['attack']}", widths=(1, 1.4) if remarks else (1,))


def _pictures(found: Document, document: Document) -> list[Block]:
    said = "; ".join(f"{risk['name']} {words.figure(risk)}" for risk in found["risks"][:5])
    linear, bent = (
        rocs.rocs([found], document["about"], logarithmic=logarithmic, claim=document["guarantee"])
        for logarithmic in (False, True)
    )
    told = (
        "Scores of members and of non-members. The less the two overlap, the more the model leaks. The outermost bars "
        "hold all scores beyond them."
    )
    at_small = "ROC, logarithmic axes: what happens at small errors. Rates of zero lie on the edge."
    at_all = "ROC, linear axes. The dashed diagonal is chance."
    return [
        blocks.picture(linear, claims.captioned(at_all, document), f"ROC curve, linear axes. {said}"),
        blocks.picture(bent, claims.captioned(at_small, document), f"ROC curve, logarithmic axes. {said}"),
        blocks.picture(
            charts.histogram(found["histogram"], height=120),
            told,
            "Histogram of scores, members against non-members.",
            WIDE,
        ),
    ]


def _groups(found: Document, column: str) -> list[Block]:
    """The groups of one column, those of the highest figure first; what cannot be resolved comes last."""
    groups = [group for group in found["groups"] if group["column"] == column]
    risks = [risk for group in groups for risk in group["risks"]]
    names = list(dict.fromkeys(risk["name"] for risk in risks))[:SIDE_BY_SIDE]
    known = [name for name in names if any(risk["name"] == name and risk["value"] is not None for risk in risks)]
    first = "AUC" if "AUC" in known else next(iter(known), "")
    ranked = sorted(groups, key=lambda group: -_height(group, first))
    resolved = [group for group in ranked if _height(group, first) > -1][:GROUPS]
    rows = [
        [
            group["value"],
            f"{group['members']:,}",
            f"{group['non_members']:,}",
            *(blocks.cell(words.named(group["risks"], name)) for name in names),
        ]
        for group in ranked[:GROUPS]
    ]
    some = "" if len(groups) <= GROUPS else f": the first {GROUPS} of {len(groups):,}; report.json holds all"
    caption = f"Figures of {found['attack']} by {column}{some}"
    made = [blocks.heading(f"By {column}", level=2)]
    if resolved:
        order = (
            f"{first} by {column}, highest first, with intervals. The dashed line is chance. Of many groups, some lie "
            "high or low by chance."
        )
        alternative = f"{first} by {column}. The table holds the figures."
        made.append(
            {"kind": "pictures", "pictures": [blocks.picture(charts.groups(resolved, first), order, alternative, WIDE)]}
        )
    return [*made, blocks.table([column, "Members", "Non-members", *names], rows, caption=caption)]


def _height(group: Document, name: str) -> float:
    risk = words.named(group["risks"], name)
    return -2.0 if risk is None or risk["value"] is None else float(risk["value"])


def _exposed(document: Document) -> list[Block]:
    shown = document["exposed"]
    if not shown:
        return []
    classes = shown[0]["class"] is not None
    memorization, vulnerability = (words.known(shown, name) for name in ("memorization", "vulnerability"))
    head = ["Record", *["Class"] * classes, "Attack", "Membership probability"]
    head += ["Memorization"] * memorization + ["Vulnerability"] * vulnerability
    rows = [
        [
            one["id"],
            *([one["class"]] if classes else []),
            one["attack"],
            words.probability(one["membership_probability"]),
            *([words.memorized(one)] if memorization else []),
            *([words.value("vulnerability", one["vulnerability"])] if vulnerability else []),
        ]
        for one in shown
    ]
    caption = (
        f"The {words.count(len(shown), 'training record')} to which an attack gave the highest membership probability. "
        f"A list of the highest is never empty: read it beside the verdict. {words.unlike(document)}"
    ).strip()
    return [
        blocks.heading("Most exposed training records"),
        blocks.table(head, rows, caption=caption, widths=(1.5, *([1] if classes else []), 1.5)),
    ]


def _calibration(document: Document) -> list[Block]:
    held = document["calibration"]
    if held is None:
        return []
    rows = [
        [
            f"{words.stated('share', one['lowest'])} to {words.stated('share', one['highest'])}",
            words.value("share", one["probability"]),
            blocks.cell(one | {"name": "share", "value": one["share"]}),
            f"{one['members']:,}",
            f"{one['non_members']:,}",
        ]
        for one in held["bins"]
    ]
    under = "Share of members among records of like probability, if members and non-members were equally many"
    drawn = blocks.picture(
        charts.reliability(held["bins"]), words.shares(document), "Reliability plot. The table holds the figures.", WIDE
    )
    head = ["Probability", "On average", "Share of members", "Members", "Non-members"]
    return [
        blocks.heading("Membership probabilities"),
        blocks.said(words.calibrated(document)),
        {"kind": "pictures", "pictures": [drawn]},
        blocks.table(head, rows, caption=under),
    ]


def _about(document: Document) -> list[Block]:
    rows = [list(line) for line in about.lines(document)]
    return [blocks.heading("How it was measured"), blocks.table(["What", "Value"], rows, widths=(1, 2.4))]


def _checks(document: Document) -> list[Block]:
    passed = [check for check in document["checks"] if check["passed"]]
    rows = [[words.outcome(check), check["name"], check["says"]] for check in words.failing(document) + passed]
    said = "Questions on which it hangs whether the figures may be read." if rows else "No check was made."
    made = [blocks.heading("Checks of the audit itself"), blocks.said(said)]
    return [*made, blocks.table(["Outcome", "Question", "Answer"], rows, widths=(1, 2, 3))] if rows else made
