"""What only the controller knows of an impact assessment: marked blanks, and the answers that fill them."""

import re
from collections.abc import Mapping

from ml_privacy_meter._checks import InputError, one_of
from ml_privacy_meter.report.document import Document

# Each blank by its name in `[assessment]`, and what belongs there.
BLANKS = {
    "controller": (
        "who the controller is (and joint controllers and processors), a contact, and the data protection officer if "
        "there is one"
    ),
    "reason": (
        "why this assessment is made: which part of Article 35(1) or 35(3) GDPR, or of the supervisory authority’s "
        "list under Article 35(4), applies, or why one is made although none does"
    ),
    "purposes": (
        "what the model is for, who decides what with its answers and about whom, and the legitimate interest that is "
        "pursued, where one is relied on"
    ),
    "data": (
        "the categories of personal data in the training records and where they come from; whether special categories "
        "(Article 9 GDPR) or data on criminal convictions and offences (Article 10 GDPR) are among them"
    ),
    "people": (
        "whose data these are and how many people they are (this audit counts records, and one person may have "
        "several); whether children or other vulnerable people are among them"
    ),
    "access": (
        "who can ask the model, and in what detail it answers; who holds its file, and whether it is or will be "
        "published or passed on, also to third countries; how long training records and model are kept"
    ),
    "legal_basis": (
        "the legal basis of training the model and of using it (Article 6 GDPR; with special categories also Article "
        "9(2) GDPR)"
    ),
    "necessity": (
        "why the purpose cannot be reached with fewer records or columns, with anonymous or synthetic data, or with a "
        "simpler model (data minimisation, Article 5(1)(c) GDPR), and why what is done is proportionate to it"
    ),
    "rights": (
        "how data subjects are informed, and how access, rectification, erasure and objection are handled, for the "
        "data and for a model that was trained on them (Articles 12 to 22 GDPR)"
    ),
    "impact": (
        "what it would mean for a person that others learn that a record of theirs was used for training (if all "
        "training records are of patients with an illness, for instance, it reveals the illness), and how severe that "
        "would be"
    ),
    "means": (
        "who might try to learn it and why, and which means are reasonably likely to be used: what they can see of the "
        "model, what data, skill, time and money they have (Recital 26 GDPR names costs, time and available technology)"
    ),
    "groups": (
        "whether the groups above, or groups that this audit was not told of, stand for children, minorities or other "
        "vulnerable people, and what follows for them"
    ),
    "anonymity": (
        "where the model is said to be anonymous: the controller’s own answer to this question, with the evidence for "
        "the attacks and means that this audit did not try"
    ),
    "measures": (
        "the measures in place and those envisaged, also for security (Article 32 GDPR) and data protection by design "
        "and by default (Article 25 GDPR); who is responsible for each, and by when"
    ),
    "residual": (
        "the risk that remains after these measures, who accepts it and why; where it remains high, the prior "
        "consultation of the supervisory authority (Article 36(1) GDPR)"
    ),
    "advice": (
        "the advice of the data protection officer (Article 35(2) GDPR) and, where appropriate, the views of data "
        "subjects or their representatives (Article 35(9) GDPR)"
    ),
    "review": (
        "when this assessment is looked at again (Article 35(11) GDPR): at the latest when the model is trained anew, "
        "answers more people, or answers in more detail"
    ),
}


def check_answers(answers: Mapping[str, object]) -> dict[str, str]:
    """The answers, each to a blank that there is; empty ones are left out.

    Raises:
        InputError: one is to no blank, or no text.
    """
    for name, answer in answers.items():
        one_of(name, BLANKS, "blank of the impact assessment")
        if not isinstance(answer, str):
            raise InputError(f"An answer for the impact assessment must be text, found `{name}` = {answer!r:.80}.")
    return {name: str(answers[name]) for name in BLANKS if str(answers.get(name, "")).strip()}


def blank(document: Document, name: str) -> Document:
    """A block that holds the controller's answer, in paragraphs, or says what belongs there."""
    answer = (document["about"].get("assessment") or {}).get(name, "")
    paragraphs = [part for part in re.split(r"\n\s*\n", str(answer)) if part.strip()]
    return {"kind": "blank", "name": name, "asks": BLANKS[name], "answer": paragraphs}


def filled(document: Document) -> int:
    """How many of the blanks have an answer."""
    return sum(bool(blank(document, name)["answer"]) for name in BLANKS)
