"""Which adversaries were played, by what they see, and which were not."""

import re
from collections.abc import Sequence
from typing import Any

from ml_privacy_meter.report import others, words
from ml_privacy_meter.report.document import Document

LABELS, OUTPUTS, POPULATION, REFERENCES, QUERIES = "labels", "outputs", "population", "references", "queries"
KNOWN = "known"
MOMENTS, UPDATES = "moments", "updates"
WHOLE, WHOLE_POPULATION, WHOLE_REFERENCES, WHOLE_KNOWN = "whole", "whole+population", "whole+references", "whole+known"

LEVELS = {
    LABELS: "Only whether the predicted label is right",
    OUTPUTS: "The model’s outputs",
    POPULATION: "The outputs, and other records of the same kind",
    REFERENCES: "The outputs, and reference models trained like the audited one",
    KNOWN: "The outputs, and other records of which it is known whether they were trained on",
    QUERIES: "Answers to many queries around each record",
    WHOLE: "The whole model",
    WHOLE_POPULATION: "The whole model, and other records of the same kind",
    WHOLE_REFERENCES: "The whole model, and reference models trained like the audited one",
    WHOLE_KNOWN: "The whole model, and other records of which it is known whether they were trained on",
    MOMENTS: "The model at several moments of its training",
    UPDATES: "The model while it is trained, and what is changed in its weights",
}
WHITE = (WHOLE, WHOLE_POPULATION, WHOLE_REFERENCES, WHOLE_KNOWN)

# What no attack saw, each with what it would show; the first only where none saw the weights.
BEYOND = {
    "The whole model": "its weights, inner layers or gradients, as whoever downloads the model has them",
    "The model while it is trained": "checkpoints, or the updates of federated training",
}
WATCHED = {  # what is left to say where somebody watched the training
    LEVELS[UPDATES]: "updates of federated training, of each client or of all together",
    "The model while it is trained, and changes it": "servers or participants that send other weights than they should",
}

LESS = {  # where updates were seen, but not of each client
    "average": "updates of federated training, of each client: those of all together alone were seen",
    "differences": "updates of federated training, of each client: how the whole model changed was all that was seen",
}

_WHETHER = r"whether (they|it|each|these|the (target )?model)\b.*\b(member|trained)|known (non-)?members|membership"
LAST_LAYER = "of which the gradients of the last layer are read"

UNASKED = {  # what else can be asked, by the game that asks it
    "attribute": "whether hidden attributes of a record can be inferred",
    "property": "whether facts about the training set as a whole can be",
    "reconstruction": "whether records themselves can be reconstructed",
    "inversion": "what the records of a class look like",
    "extraction": "whether the model can be copied by asking it",
    "memorization": "which records the model knows by heart",
    "encoding": "whether data were hidden in the weights on purpose",
    "synthetic": "what synthetic records tell of those that their generator was trained on",
}
OWN = ("memorization", "synthetic")  # of which nothing is missed where there are no such models, or no such records


def other_questions(document: Document) -> str:
    """What was asked, and what was not."""
    games = others.played(document)
    asked = ["whether a given record was in the training set"] if document["findings"] else []
    asked += ["whose records were"] if document.get("by_user") is not None else []
    asked += [what for game, what in UNASKED.items() if game in games]
    missing = [] if document["findings"] else ["whether a given record was in the training set"]
    missing += [what for game, what in UNASKED.items() if game not in games and game not in OWN]
    said = f"{'Only one question was' if len(asked) == 1 else 'What was'} asked: {words.listed(asked) or 'nothing'}."
    return f"{said} Not asked: {words.listed(missing)}." if missing else said


def played(document: Document) -> list[dict[str, Any]]:
    """What the adversaries saw whose attacks ran to their end, from the least to the most.

    An entry holds the ``level`` (None where the attack's own words fit no level known here), ``sees`` in plain words,
    the names of its ``attacks``, of those that ``failed``, and under ``best`` for each headline figure the ``attack``
    that is best at it (see `words.rank`), with its ``risk``, or None.
    """
    findings = document["findings"]
    names = words.headline(findings)
    order = [*LEVELS, *dict.fromkeys(said for found in findings if (said := _own(found)) is not None)]
    entries = []
    for place in order:
        here = [found for found in findings if place in (level(found["sees"]), _own(found))]
        ran = [found for found in here if not found["failed"]]
        if ran:
            known = LEVELS.get(place)
            entries.append(
                {
                    "level": place if known else None,
                    "sees": known or place[:1].upper() + place[1:],
                    "attacks": [found["attack"] for found in ran],
                    "failed": [found["attack"] for found in here if found["failed"]],
                    "best": {name: _best(ran, name) for name in names},
                }
            )
    return entries


def not_played(document: Document) -> list[tuple[str, str]]:
    """What an adversary might see whom no attack stands for, and what that is, in plain words."""
    found = {one["level"] for one in played(document)}
    tried = {level(one["sees"]) for one in document["findings"] if one["failed"]}
    why = {name: "the attacks that see this failed" if name in tried else "no attack was run" for name in LEVELS}
    white = found | tried if found & {*WHITE} else tried
    asked = [name for name in LEVELS if name not in WHITE or (white & {*WHITE} and name != WHOLE_POPULATION)]
    asked = [name for name in asked if name not in (KNOWN, MOMENTS, UPDATES) or name in tried]
    missing = [(LEVELS[name], why[name]) for name in asked if name not in found]
    whole, *others = BEYOND.items()
    missing += [] if white & {*WHITE} else [whole]
    if found & {MOMENTS, UPDATES}:
        updates, active = WATCHED.items()
        seen = (document.get("by_round") or {}).get("updates", "none")
        less = (updates[0], LESS[seen]) if seen in LESS and (found | tried) & {UPDATES} else updates
        others = [active] if seen == "clients" and (found | tried) & {UPDATES} else [less, active]
    return missing + _last_layer_alone(document) + others


def _last_layer_alone(document: Document) -> list[tuple[str, str]]:
    """The levels at which no more than the gradients of one layer of the whole model was read."""
    ran = [one for one in document["findings"] if not one["failed"]]
    found = []
    for place in (WHOLE, WHOLE_REFERENCES, WHOLE_KNOWN):
        here = [one["sees"].lower() for one in ran if level(one["sees"]) == place]
        if here and all(LAST_LAYER in sees for sees in here):
            says = LEVELS[place].replace("The whole model", "The whole model beyond its last layer", 1)
            found.append((says, "attacks read the gradients of the last layer alone"))
    return found


def level(sees: str) -> str | None:
    """The level of an attack that ``sees`` this, None where its words are none that are known here."""
    said = " ".join(sees.lower().split())
    if said.startswith("the weights that were sent out in each round of the target's training"):
        return UPDATES
    if said.startswith("the target model, and the same model at earlier moments of its training"):
        return MOMENTS
    if "of every point of each range in place of the record" in said:
        return QUERIES
    if re.match(r"whether the target model's predicted label is the true one(\.?$|, for many noisy copies)", said):
        return LABELS
    if re.match(r"the target model's weights(,|\.|$)", said):
        return _of_weights(said)
    if not said.startswith("the target model's output for each record"):
        return None
    rest = said.removeprefix("the target model's output for each record").strip(" ,.")
    rest = rest.removeprefix("and ").removeprefix("the record's true label").strip(" ,.")
    if not rest:
        return OUTPUTS
    if re.match(r"(and )?(\d+ or more )?reference models with the records that each was trained on", rest):
        return REFERENCES
    if not re.match(r"(and )?other records, with labels", rest):
        return None
    return KNOWN if re.search(_WHETHER, rest) else POPULATION


def _of_weights(said: str) -> str:
    """The level of an attack on weights, by what else it sees."""
    if re.search(r"reference models?\b", said):
        return WHOLE_REFERENCES
    if re.search(_WHETHER, said):
        return WHOLE_KNOWN
    return WHOLE_POPULATION if "other records" in said else WHOLE


def _own(found: Document) -> str | None:
    """An attack's own words for what it sees, where they fit no level."""
    return None if level(found["sees"]) else found["sees"].strip() or "not said by the attack"


def _best(ran: Sequence[Document], name: str) -> dict[str, Any] | None:
    pairs = [
        {"attack": found["attack"], "risk": risk}
        for found in ran
        if (risk := words.named(found["risks"], name)) is not None
    ]
    return max(pairs, key=lambda pair: words.rank(pair["risk"]), default=None)
