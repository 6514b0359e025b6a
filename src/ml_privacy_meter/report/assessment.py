"""A draft of a data protection impact assessment: what the audit knows of it, and blanks for the rest.

It is made of sections with blocks: a text, items, a table or a blank. The page and `dpia.md` show the same ones.
"""

from ml_privacy_meter.report import evidence, others, verdicts, words
from ml_privacy_meter.report.blanks import BLANKS, blank, filled
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.report.people import people

INTRO = (
    "A draft to be completed by the controller, in the four parts that Article 35(7) GDPR asks for. The audit has "
    "filled in what it measured; it knows nothing of what is marked as to be completed. It is no legal advice, and "
    "does not say whether the processing is lawful or whether the model may be released."
)
TOO_FEW = "There are too few records to measure anything: no evidence of a risk, and none that there is no risk."
MEASURES = (
    "Training with differential privacy, whose guarantee bounds what any attack of this kind can reach.",
    "Training that learns less by heart: fewer epochs, more regularisation, a smaller model, more records, duplicates "
    "removed.",
    "Leaving out, or treating with special care, the records that are exposed the most (records.parquet ranks them). "
    "Others may take their place.",
    "Answers with less detail (a label in place of probabilities, fewer digits). It hampers the attacks that read "
    "detail, not all attacks.",
    "Limits on who may ask the model and how often, with records of what is asked; care with its file, since whoever "
    "holds it can ask without limits.",
)
FOUND = "These figures are what these attacks reached, not the most that can be reached."
NAMED = {  # the other attacks that paragraph 55 of EDPB Opinion 28/2024 names, by the game that plays each
    "attribute inference": "attribute",
    "exfiltration": "",
    "regurgitation of training data": "",
    "model inversion": "inversion",
    "reconstruction": "reconstruction",
}


def assessment(document: Document) -> Document:
    """What stands at the head (``title``, ``intro``, ``open``, ``warnings``), and the ``sections``."""
    sections = [_description(document), _necessity(document), *_risks(document), _measures(document)]
    return {
        "title": "Data protection impact assessment (draft)",
        "intro": INTRO,
        "open": f"{len(BLANKS) - filled(document)} of {len(BLANKS)} blanks are still to be completed.",
        "void": evidence.void(document),
        "warnings": _warnings(document),
        "sections": sections,
    }


def _warnings(document: Document) -> list[Document]:
    """Why the figures may not be used, or not as they stand; empty where nothing is known against them."""
    failing, ran = words.failing(document), evidence.ran(document)
    said = []
    if evidence.void(document):
        said.append(
            _text(
                "Do not file this draft as it stands: the audit is void. A check has failed on which all of its "
                "figures hang, so that they measure something else than what the model reveals. They are left out "
                "here. Mend the cause and run the audit again."
            )
        )
    if others.alone(document):
        said.append(
            _text(
                "Whether records can be told to be training records was not asked: of that risk, this draft says "
                "nothing. Do not file it as an audit of membership."
            )
        )
    elif not ran:
        said.append(
            _text(
                "No attack ran to its end. This audit is no evidence of a risk, and none that there is no risk. Do not "
                "file it as an audit of this model."
            )
        )
    if ran and not evidence.resolved(document):
        said.append(_text(f"{TOO_FEW} Do not file it as an audit of this model."))
    items = [f"{words.outcome(one)[2:].capitalize()}: {one['name']} {one['says']}" for one in failing]
    items += [
        f"The attack “{found['attack']}” failed, so that it is not known what it would have found. {found['failed']}"
        for found in document["findings"]
        if found["failed"]
    ]
    for game in document.get("games", ()):
        title = others.title(game)
        items += [f"{title}: {words.outcome(one)[2:]}: {one['name']} {one['says']}" for one in others.failing(game)]
        items += [f"{title}: “{one['attack']}” failed. {one['failed']}" for one in game["tried"] if one["failed"]]
    if items and not said:
        said.append(_text("Read these before the figures, and file them together."))
    return [*said, _items(items)] if items else said


def _description(document: Document) -> Document:
    about = document["about"]
    rows = [
        ("Model", about.get("model")),
        ("Key of the model", (about.get("keys") or {}).get("model")),
        ("Training records in the audit", words.count(about["members"], "record")),
        ("Other records in the audit", words.count(about["non_members"], "record")),
        ("Reference models, trained for the audit", about.get("reference_models")),
        ("Attacks played", _played(document)),
        ("Other secrets asked about", "; ".join(map(others.title, document.get("games", ()))) or None),
        ("Audited with", f"ML Privacy Meter {about['version']}, seed {about['seed']}"),
        ("Audited on", document["times"].get("started")),
    ]
    table = {
        "kind": "table",
        "caption": "What was audited; report.json holds all settings, versions and keys.",
        "head": ["", ""],
        "rows": [[title, str(value)] for title, value in rows if value is not None],
        "numbers": [],
    }
    known = (
        "whether somebody who has a record, and sees what the attacks below see, can tell that it was among the "
        "training records"
    )
    others_asked = "what stands under “Other secrets than membership”"
    asked_about = [known] * (not others.alone(document)) + [others_asked] * bool(document.get("games"))
    scope = (
        f"What the audit covers: {words.listed(asked_about)}. It covers no other processing of these data, such as "
        "collecting them."
    )
    asked = ("controller", "reason", "purposes", "data", "people", "access")
    blocks = [_text(scope), table, *(blank(document, name) for name in asked)]
    return _section("(a) Description of the processing and its purposes", "Article 35(7)(a) GDPR", blocks)


def _played(document: Document) -> str | None:
    done = len(evidence.ran(document))
    return None if others.alone(document) else f"{len(document['findings'])}, of which ran to their end: {done}"


def _necessity(document: Document) -> Document:
    about, blocks = document["about"], []
    inside, outside = about.get("member_accuracy"), about.get("non_member_accuracy")
    if inside is not None and outside is not None and not evidence.void(document):
        blocks.append(
            _text(
                f"The model is right on {inside:.1%} of the training records and on {outside:.1%} of other records. "
                "What it does better on its training records is of no use for records that it has not seen, which is "
                "what a model is usually for; it is also what attacks on membership live on. A small difference does "
                "not mean that nothing is revealed."
            )
        )
    blocks += [blank(document, name) for name in ("legal_basis", "necessity", "rights")]
    return _section("(b) Necessity and proportionality", "Article 35(7)(b) GDPR", blocks)


def _risks(document: Document) -> list[Document]:
    sections = [_attacks(document)]
    if not (why := evidence.missing(document)):
        sections += [_people(document), _groups(document)]
    else:
        missing = f"No figures: {why}. It is not known how many people are at risk, nor which."
        sections.append(_section("People at risk", "", [_text(missing), blank(document, "groups")]))
    games = document.get("games", ())
    if games:
        found = _items(
            [f"{others.title(game)}. {others.prose(game['without'] + ' ' + game['verdict'])}" for game in games]
        )
        sections.append(_section("Other secrets than membership", "", [found]))
    untested = _items(evidence.untested(document))
    said = _text("Nothing is known from this audit of the following. That no figure speaks of it is no comfort.")
    return [*sections, _opinion(document), _section("What was not tested", "", [said, untested])]


def _attacks(document: Document) -> Document:
    said = (
        "Membership inference is to learn that a record was used for training. It is "
        "a risk by itself where membership reveals something, and a sign that more may be learned. The names are "
        "those of NIST AI 100-2 E2025 (“Adversarial Machine Learning”) and of the ICO’s guidance on AI and data "
        "protection."
    )
    blocks = [
        _text(said),
        *([evidence.played(document)] if document["findings"] else []),
        blank(document, "impact"),
        blank(document, "means"),
    ]
    return _section("(c) Risks to the rights and freedoms of data subjects", "Article 35(7)(c) GDPR", blocks)


def _people(document: Document) -> Document:
    caution = (
        "Records are counted, not people. The counts are of the training records in this audit; if those were drawn at "
        "random from all training records, the same shares are to be expected among all."
    )
    verdict = verdicts.verdict(document) if evidence.resolved(document) else TOO_FEW
    said = [verdict, evidence.limits(document), caution]
    texts = [_text(one) for one in said if one]
    table = evidence.counts(document)
    return _section("People at risk", "", [texts[0], *([table] if table["rows"] else []), *texts[1:]])


def _groups(document: Document) -> Document:
    said = (
        "“Distinctly” means that the interval of a group, widened for the number of groups compared, lies wholly above "
        "that of all records."
    )
    return _section("Groups", "", [_items(evidence.groups(document)), _text(said), blank(document, "groups")])


def _opinion(document: Document) -> Document:
    asked = (
        "The question of the Opinion (of 17 December 2024), paragraph 43: for a model to be considered anonymous, both "
        "the likelihood of direct (including probabilistic) extraction of personal data of people whose data were used "
        "to train it, and the likelihood of obtaining such data from queries, intentionally or not, should be "
        "insignificant for any data subject, taking into account all the means reasonably likely to be used. An audit "
        "cannot answer it with yes or no. What it can add:"
    )
    return _section(
        "The question of EDPB Opinion 28/2024",
        "Recital 26 GDPR",
        [_text(asked), _items(_answers(document)), blank(document, "anonymity")],
    )


def _answers(document: Document) -> list[str]:
    ran = evidence.ran(document)
    why = evidence.missing(document)
    if why and (evidence.void(document) or not others.played(document)):
        return [f"Nothing: {why}. It gives no figure for this question, in neither direction."]
    if why:
        return [_named(document), f"Of membership, nothing: {why}.", FOUND]
    counts = [
        f"From {'the weights' if evidence.white_box(document, one['attack']) else 'queries'}: "
        f"{one['says'][:1].lower()}{one['says'][1:]}"
        for one in people(document)
    ]
    exposed = evidence.most_exposed(document)
    white = any(evidence.white_box(document, found["attack"]) for found in ran)
    return [
        _named(document),
        *counts,
        f"For any data subject, not on average: {exposed or 'no probabilities of single records are known.'}",
        "Direct extraction, from the parameters of the model: "
        + (
            "the white-box attacks above read them, to tell who was a member, and nothing else."
            if white
            else "not measured. No attack on membership read them."
        ),
        f"The means that were assumed: {'; '.join(evidence.sees_of(ran))}. Other means were not tried.",
        FOUND,
    ]


def _named(document: Document) -> str:
    """Which of the attacks that the Opinion names were played."""
    games = others.played(document)
    named = {"membership inference": bool(evidence.ran(document))} | {what: of in games for what, of in NAMED.items()}
    done, left = ([what for what, is_played in named.items() if is_played is one] for one in (True, False))
    done_said = f"{words.listed(done) or 'none'} {'were' if len(done) > 1 else 'was'} played"
    return (
        f"Of the attacks that paragraph 55 of the Opinion names, {done_said}; {words.listed(left)} were not. Paragraph "
        "55 also says that passing tests can only be evidence for resistance to the attacks that were tested."
    )


def _measures(document: Document) -> Document:
    blocks = [
        _text("The audit does not know which measures are in place. Those that are commonly considered for this risk:"),
        _items([*MEASURES]),
        _text("What a measure does for this model is known only when the changed model has been audited again."),
    ]
    claim = document["guarantee"]
    if claim is not None and not evidence.void(document):
        over = [
            f"“{found['attack']}”, {risk['name']} {words.figure(risk)}"
            for found in evidence.ran(document)
            for risk in found["risks"]
            if words.refutes(risk)
        ]
        said = f"exceeded by {words.listed(over)}: it does not hold, or the audit is wrong" if over else "not refuted"
        blocks.append(
            _text(
                f"The guarantee that is claimed for the training ({claim['says']}) was {said}. Not "
                "being refuted is no proof."
            )
        )
    blocks += [blank(document, name) for name in ("measures", "residual", "advice", "review")]
    return _section("(d) Measures envisaged", "Article 35(7)(d) GDPR", blocks)


def _section(title: str, source: str, blocks: list[Document]) -> Document:
    return {"title": title, "source": source, "blocks": blocks}


def _text(said: str) -> Document:
    return {"kind": "text", "text": said}


def _items(said: list[str]) -> Document:
    return {"kind": "items", "said": said}
