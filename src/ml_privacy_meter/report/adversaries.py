"""What is printed of the adversaries: how many records they pick out, what they see, their curves in one chart."""

from ml_privacy_meter.report import blocks, charts, claims, others, rocs, rounds, threats, users, weights, words
from ml_privacy_meter.report.blocks import Block
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.report.people import people as counted

NAMED = dict(zip(charts.COLOURS, ("blue", "orange", "green", "purple", "grey"), strict=True))


def people(document: Document) -> list[Block]:
    """A sentence for each error."""
    said = [blocks.said(one["says"]) for one in counted(document)]
    return [blocks.heading("How many training records are identified"), *said] if said else []


def views(document: Document) -> list[Block]:
    """What each attack was assumed to see, and what nobody was assumed to see."""
    rows = [[one["attack"], blocks.capital(one["sees"]), blocks.capital(one["says"])] for one in document["findings"]]
    missing = [[says, blocks.capital(what)] for says, what in threats.not_played(document)]
    table = blocks.table(["Attack", "The adversary sees", "The score is"], rows, widths=(1, 1.3, 1.7))
    return [
        blocks.heading("Which adversaries were played"),
        *([table] if rows else [blocks.said("No attack was played.")]),
        blocks.table(["Not tested: an adversary who sees", "What that is"], missing, widths=(1, 1.3)),
        blocks.said(threats.other_questions(document), small=True),
    ]


def together(document: Document) -> list[Block]:
    """The curves of all attacks in one chart, where there are several."""
    curves = {place: found for place, found in enumerate(document["findings"]) if found["roc"] is not None}
    if len(curves) < 2:
        return []
    how = (rocs.look(place) for place in curves)
    named = "; ".join(
        f"{found['attack']}: {NAMED[colour]}, {'dashed ' + '-'.join(map(str, dash)) if dash[1] else 'unbroken'}"
        for found, (colour, dash) in zip(curves.values(), how, strict=True)
    )
    pictures = [
        blocks.picture(
            rocs.rocs(
                list(curves.values()),
                document["about"],
                logarithmic=bent,
                places=list(curves),
                claim=document["guarantee"],
            ),
            claims.captioned(f"ROC of all attacks, {'logarithmic' if bent else 'linear'} axes. {named}.", document),
            f"ROC curves of all attacks, {'logarithmic' if bent else 'linear'} axes. The tables hold their figures.",
        )
        for bent in (True, False)
    ]
    return [{"kind": "pictures", "pictures": pictures}]


def weights_read(document: Document) -> list[Block]:
    """What the weights add to attacks, and how long gradients are, where weights were read."""
    found, drawn = weights.said(document), weights.pictures(document["gradient_norms"])
    if not found and not drawn:
        return []
    pictures = [blocks.picture(spec, caption, caption) for _, spec, caption in drawn]
    head = ["Figure", "Outputs alone", "Weights", "Difference"]
    return [
        blocks.heading("What the weights of the model add"),
        *map(blocks.said, [weights.FOREWORD, *found] if found else []),
        *([blocks.table(head, weights.rows(document), widths=(1, 2, 2))] if found else []),
        *([{"kind": "pictures", "pictures": pictures}] if pictures else []),
    ]


def by_round(document: Document) -> list[Block]:
    """How the risk went while the model was trained, where somebody watched."""
    found = rounds.said(document)
    if not found:
        return []
    pictures = [blocks.picture(spec, caption, caption) for _, spec, caption in rounds.pictures(document)]
    table = blocks.table(rounds.head(document), rounds.rows(document), widths=(1, 2, 2, 1, 1))
    return [blocks.heading(rounds.TITLE), *map(blocks.said, found), {"kind": "pictures", "pictures": pictures}, table]


def by_user(document: Document) -> list[Block]:
    """Whose records the model was trained on, where a column says whose a record is."""
    found = users.said(document)
    if not found:
        return []
    pictures = [blocks.picture(spec, caption, caption) for _, spec, caption in users.pictures(document)]
    head, parts, exposed = users.head(document), users.shares(document), users.exposed(document)
    return [
        blocks.heading(users.TITLE),
        *map(blocks.said, found),
        *([{"kind": "pictures", "pictures": pictures}] if pictures else []),
        blocks.table(head, users.rows(document), widths=(2, *[1] * (len(head) - 1))),
        *([blocks.table(users.SHARES, parts, widths=(2, 2, 1, 2))] if parts else []),
        *([blocks.said(users.exposed_title(document))] if exposed else []),
        *([blocks.table(users.EXPOSED, exposed, widths=(2, 1, 1, 1, 1))] if exposed else []),
    ]


def other_games(document: Document) -> list[Block]:
    """A section for each game beside membership."""
    return [block for game in document.get("games", ()) for block in _game(game)]


def _game(game: Document) -> list[Block]:
    failed = [
        {"name": one["name"], "voids": one["voids"], "says": one["says"], "ids": ""} for one in others.failing(game)
    ]
    drawn = [blocks.picture(spec, caption, caption) for _, spec, caption in others.pictures(game)]
    rows = [
        [
            one["attack"],
            risk["name"],
            _figure(risk, excess),
            words.stated(risk["name"], risk["baseline"]),
            f"{risk['trials']:,}",
        ]
        for one, figures in others.rows(game)
        for risk, excess in figures
    ]
    rows += [[one["attack"], "failed", one["failed"], "", ""] for one in game["tried"] if one["failed"]]
    groups = (blocks.table(head, table, caption=caption) for caption, head, table in others.groups(game))
    return [
        blocks.heading(others.title(game), above="Game"),
        blocks.said(others.prose(game["question"])),
        *([{"kind": "warnings", "title": "Read this first", "items": failed}] if failed else []),
        {"kind": "terms", "terms": others.terms(game), "sticky": False},
        blocks.table(others.HEAD, rows, caption=others.BOLD, widths=(1.2, 1.4)),
        *([{"kind": "pictures", "pictures": drawn}] if drawn else []),
        *groups,
        *map(blocks.said, others.notes(game)),
        blocks.table(["Adversary", "Sees", "Does"], others.adversaries(game), widths=(1, 1.3, 1.7)),
        blocks.table(["What", "Value"], others.how(game), widths=(1, 2.4)),
    ]


def _figure(risk: Document, excess: bool) -> blocks.Cell:
    """A figure; only one that the verdict rests on may be bold."""
    return blocks.cell(risk if excess else {name: value for name, value in risk.items() if name != "surely"})
