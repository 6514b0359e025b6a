"""What an audit can say of risks to people: attacks by their official names, counts, groups, what is not known."""

import math
import re
from collections.abc import Sequence
from statistics import NormalDist

from ml_privacy_meter.report import others, threats, words
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.report.people import people

# The other privacy attacks of NIST AI 100-2 E2025, and what each would have to show.
OTHER_ATTACKS = {  # by the game that asks about each
    "attribute": "Attribute inference, a kind of data reconstruction (NISTAML.032): whether an unknown column of a "
    "training record can be learned from the model.",
    "reconstruction": "Data reconstruction (NISTAML.032), with model inversion: whether the content of a training "
    "record can be learned from the model.",
    "property": "Property inference (NISTAML.034): whether it can be learned what the training records are like as a "
    "whole, such as the share of a group among them.",
    "extraction": "Model extraction (NISTAML.031): whether the model can be copied by asking it, and the copy then be "
    "attacked at will.",
}
NAMED_GROUPS = 10
SURE = 0.9  # a membership probability from which on records are counted as exposed


def void(document: Document) -> bool:
    """Whether a check has failed on which all figures hang."""
    return any(check["voids"] for check in words.failing(document))


def ran(document: Document) -> list[Document]:
    """The attacks that ran to their end."""
    return [found for found in document["findings"] if not found["failed"]]


def missing(document: Document) -> str:
    """Why there are no figures of membership; empty where there are."""
    if void(document):
        return "the audit is void"
    if others.alone(document):
        return "whether records are training records was not asked"
    return "" if ran(document) else "no attack ran to its end"


def resolved(document: Document) -> bool:
    """Whether any figure could be measured with these counts."""
    return any(risk["value"] is not None for found in ran(document) for risk in found["risks"])


def played(document: Document) -> Document:
    """A table of the attacks with their names in NIST AI 100-2 and in the ICO's guidance, and what each reached."""
    rows = []
    for found in document["findings"]:
        auc = words.named(found["risks"], "AUC")
        reached = "left out: the audit is void" if void(document) else "–" if auc is None else words.figure(auc)
        nist, ico = _knowledge(found["sees"])
        rows.append(
            [
                found["attack"],
                found["sees"][:1].upper() + found["sees"][1:],
                f"Membership inference (NISTAML.033), {nist}",
                f"Membership inference, {ico}",
                "failed: no result" if found["failed"] else reached,
            ]
        )
    head = ["Attack", "What the adversary sees", "NIST AI 100-2 E2025", "ICO guidance", "AUC (0.5 is chance)"]
    return {"kind": "table", "caption": "The attacks that were played, each against this model.", "head": head} | {
        "rows": rows,
        "numbers": [4],
    }


def _knowledge(sees: str) -> tuple[str, str]:
    """What NIST and the ICO call an adversary who sees this."""
    if re.search(
        r"\b(?<!not its )(?<!no )(parameters?|weights|gradients?|activations?|inner layers?)\b", sees, re.IGNORECASE
    ):
        return "white-box", "white box"
    if sees.startswith("Not said"):
        return "knowledge not stated by its author", "access not stated by its author"
    if "reference model" in sees:
        return (
            "gray-box: answers of the model, and knowledge of how and on what kind of data it was trained",
            "black box",
        )
    return "black-box: answers of the model", "black box"


def white_box(document: Document, attack: str) -> bool:
    """Whether the attack of this name reads more of the model than its answers."""
    return any(found["attack"] == attack and _knowledge(found["sees"])[0] == "white-box" for found in ran(document))


def counts(document: Document) -> Document:
    """A table of the training records that are identified at each error."""
    rows = []
    for found in people(document):
        identified, attack = "not resolvable: too few records", "–"
        wrongly = f"{found['wrongly']:,} of {found['non_members']:,}"
        if found["identified"] is not None:
            sure = "" if found["leaks"] else ", not surely above chance"
            identified = f"{found['identified']:,} [{found['low']:,}, {found['high']:,}] of {found['members']:,}{sure}"
            attack = found["attack"]
        rows.append([found["error"], identified, words.number(found["chance"]), wrongly, attack])
    return {
        "kind": "table",
        "caption": (
            "Training records of this audit that the best attack identifies, with "
            f"{100 * document['about']['confidence']:.4g}% intervals, and how many other records it wrongly takes for "
            "training records at the same time. “Not surely above chance”: chance may explain it, considering how many "
            "figures were taken. “Not resolvable” does not mean that nobody is identified."
        ),
        "head": ["Error", "Training records identified", "By chance", "Others wrongly taken, at most", "Attack"],
        "rows": rows,
        "numbers": [1, 2, 3],
    }


def limits(document: Document) -> str:
    """What the figures leave open, whatever they say: how strong the attacks were, and what cannot be excluded."""
    said = []
    if not any("reference model" in found["sees"] for found in ran(document)):
        said.append(
            "No attack that ran to its end had reference models, with which the strongest known attacks of this kind "
            "work. What these attacks did not find is weak evidence that it is not there."
        )
    counted = people(document)
    resolved = [found for found in counted if found["identified"] is not None]
    if resolved:
        last = resolved[-1]
        said.append(
            f"At an error of {last['error']}, it may be up to {last['high']:,} of {last['members']:,} training records "
            f"for the attack “{last['attack']}” (the upper end of its interval), and more for attacks that were not "
            "played."
        )
    if len(resolved) < len(counted):
        where = "At smaller errors" if resolved else "At these errors"
        said.append(
            f"{where}, this audit has too few records to say how many are identified. That is no evidence that none is."
        )
    return " ".join(said)


def most_exposed(document: Document) -> str:
    """What is known of the single records that are exposed the most; empty where nothing is."""
    if not document["exposed"] or document["calibration"] is None:
        return ""
    if words.unlike(document):
        return "the membership probabilities of single records do not hold for this model, and are left out."
    bins = [one for one in document["calibration"]["bins"] if one["lowest"] >= SURE - 1e-9]
    members, others = (sum(one[kind] for one in bins) for kind in ("members", "non_members"))
    about = document["about"]
    return (
        f"membership probabilities of {SURE:.0%} or more are given to {members:,} of {about['members']:,} training "
        f"records and to {others:,} of {about['non_members']:,} other records. The highest of a training record is "
        f"{words.probability(document['exposed'][0]['membership_probability'])} (if training records and others were "
        "equally many; 50% says nothing)."
    )


def groups(document: Document) -> list[str]:
    """For each column reported on, which groups are distinctly more exposed, and which are too small to tell."""
    shown = [found for found in ran(document) if found["groups"] and words.named(found["risks"], "AUC")]
    if not shown:
        return ["No group was reported on: whether some people are more exposed than others is not known."]
    aucs = [(words.named(found["risks"], "AUC") or {}, found) for found in shown]
    whole, found = max(aucs, key=lambda pair: (pair[0]["chosen"], pair[0]["value"] or 0.0))
    columns = dict.fromkeys(group["column"] for group in found["groups"])
    # Where the attack was picked for its result on these records, groups are compared for each that it was picked from.
    tries = len(found["groups"]) * (1 if whole["chosen"] else len(shown))
    said = [_column(document, found, whole, name, tries) for name in columns]
    if list(columns) == ["class"]:
        said.append(
            "No column of groups was given beside the class: whether children, minorities or other people are more "
            "exposed than the rest is not known. Name such columns as groups to have them reported."
        )
    return said


def _column(document: Document, found: Document, whole: Document, name: str, tries: int) -> str:
    mine = [group for group in found["groups"] if group["column"] == name]
    risks = [(group, words.named(group["risks"], "AUC")) for group in mine]
    known = [(group, risk) for group, risk in risks if risk is not None and risk["value"] is not None]
    above = [
        (group, risk)
        for group, risk in known
        if whole["high"] is not None and _widened(risk, document["about"]["confidence"], tries) > whole["high"]
    ]
    above.sort(key=lambda pair: -pair[1]["value"])
    said = f"By {name} (attack “{found['attack']}”, all records: AUC {words.figure(whole)}): "
    if above:
        named = [f"“{group['value']}” (AUC {words.figure(risk)})" for group, risk in above[:NAMED_GROUPS]]
        more = f" and {len(above) - NAMED_GROUPS:,} more" if len(above) > NAMED_GROUPS else ""
        said += (
            f"of {words.count(len(mine), 'group')}, distinctly more exposed than the whole: {', '.join(named)}{more}."
        )
    elif known:
        said += (
            f"of {words.count(len(known), 'group')} with enough records, none is distinctly more exposed than the "
            "whole. Smaller differences would not have been seen."
        )
    else:
        said += "no group has enough records."
    few = [group["value"] for group, risk in risks if risk is None or risk["value"] is None]
    if few:
        named_few = ", ".join(f"“{value}”" for value in few[:NAMED_GROUPS]) + (
            ", ..." if len(few) > NAMED_GROUPS else ""
        )
        said += (
            f" {words.count(len(few), 'group')} too small to tell ({named_few}): nothing is known of them, and rare "
            "groups are often those at risk."
        )
    return said


def _widened(risk: Document, confidence: float, tries: int) -> float:
    """The lower end of the interval of an AUC when the confidence is shared out over so many comparisons."""
    value, low = (_logit(risk[key]) for key in ("value", "low"))
    wide, narrow = (NormalDist().inv_cdf(1 - (1 - confidence) / 2 / many) for many in (tries, 1))
    return 1 / (1 + math.exp(min(700.0, (value - low) * wide / narrow - value)))


def _logit(share: float) -> float:
    inside = min(max(share, 1e-9), 1 - 1e-9)
    return math.log(inside / (1 - inside))


def untested(document: Document) -> list[str]:
    """What this audit did not test, as far as the report knows."""
    about, sees = document["about"], [found["sees"] for found in ran(document)]
    asked = others.played(document)
    said = [what for game, what in OTHER_ATTACKS.items() if game not in asked]
    if void(document) or not resolved(document):
        said.insert(0, "Membership inference itself: this audit gives no figure for it that could be used.")
    tried = (one for game in document.get("games", ()) for one in game["tried"] if not one["failed"])
    if not any(_knowledge(one)[0] == "white-box" for one in (*sees, *(one["sees"] for one in tried))):
        held = " although the auditor held them" if about.get("access") == "parameters" else ""
        said.append(
            f"Access to the whole model: no attack read its parameters, gradients or inner layers{held}. Whoever holds "
            "the file of the model can do more than the attacks above."
        )
    elif sees and all(threats.LAST_LAYER in one.lower() for one in sees if _knowledge(one)[0] == "white-box"):
        said.append(
            "The whole model but its last layer: the attacks that read weights used the gradients of the last layer "
            "alone."
        )
    if not any("reference model" in one for one in sees):
        said.append("Attacks with reference models, which are the strongest known of this kind.")
    failed = [found["attack"] for found in document["findings"] if found["failed"]]
    if failed:
        said.append(f"What {words.listed([f'“{name}”' for name in failed])} would have found, since it failed.")
    rates = [found["fpr"] for found in people(document) if found["identified"] is not None]
    if rates and not void(document):
        said.append(f"Errors rarer than {words.one_in(min(rates))}.")
    said += [
        f"Training records that are not among the {about['members']:,} of this audit.",
        "Other training runs: one model was audited as it stands. One trained anew, with another seed or on other "
        "records, may reveal more or less.",
        "Updates that are exchanged while a model is trained on several sites (federated learning), earlier versions "
        "of the model, and adversaries who can add records to the training data.",
        "What can be learned about a person from several records, or together with other sources.",
    ]
    return said


def sees_of(findings: Sequence[Document]) -> list[str]:
    """What the adversaries of these attacks see, each once."""
    return list(dict.fromkeys(found["sees"].rstrip(".") for found in findings))
