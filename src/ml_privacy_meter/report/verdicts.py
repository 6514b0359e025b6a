"""What an audit found, in a plain sentence or two."""

import math

from ml_privacy_meter.report import others, words
from ml_privacy_meter.report.document import Document

ROOM = 0.1  # of an interval above the baseline: beyond, the counts rule out little


def verdict(document: Document) -> str:
    """What the audit found, in a plain sentence or two, with its uncertainty."""
    return " ".join(filter(None, [_of_membership(document), others.summary(document)]))


def _of_membership(document: Document) -> str:
    best = strongest(document)
    if others.alone(document):
        return "Whether records can be told to be training records was not asked."
    if best is None:
        return "No attack ran to its end: this report says nothing about the model."
    found = _leak(best, document) if _leaking(best) else _nothing(best, document)
    found = " ".join(filter(None, [found, _unmeasured(document), _doubted(document), _refuted(document)]))
    if voided(document):
        return (
            "This audit does not measure the model as it stands: a check on which its figures hang has "
            f"failed (see “Read this first”). Taken at face value, its figures would say: {found}"
        )
    return found


def voided(document: Document) -> bool:
    """Whether a check has failed on which all figures hang."""
    return any(check["voids"] for check in words.failing(document))


def strongest(document: Document) -> Document | None:
    """The attack that the verdict speaks of; None where none ran to its end."""
    ran = [finding for finding in document["findings"] if not finding["failed"]]
    return max(ran, key=_strength, default=None)


def _strength(finding: Document) -> tuple[bool, bool, float]:
    auc = words.named(finding["risks"], "AUC") or {"value": None, "chosen": False}
    return bool(_leaking(finding)), auc["chosen"], auc["value"] or 0.0


def _leaking(finding: Document) -> list[Document]:
    return [risk for risk in finding["risks"] if risk["name"] in words.headline([finding]) and words.leaks(risk)]


def _leak(finding: Document, document: Document) -> str:
    auc = words.named(finding["risks"], "AUC") or _leaking(finding)[0]
    whole = (
        "Training records can be told from others"
        if words.leaks(auc)
        else "A few training records can be told from others"
    )
    said = (
        f"{whole}: the attack “{finding['attack']}”{_of_all(auc, document)} reaches "
        f"{auc['name']} {words.figure(auc)} ({_confidence(document)} interval; without the model "
        f"{words.stated(auc['name'], auc['baseline'])})."
    )
    return f"{said} {_picked_out(document)}"


def _picked_out(document: Document) -> str:
    """What the strongest attack does at a small error: at one in a hundred, or else the smallest that leaks."""
    rates = [
        (fpr, finding, risk)
        for finding in document["findings"]
        for risk in _leaking(finding)
        if (fpr := words.fpr_of(risk["name"])) is not None
    ]
    if not rates:
        among = " that could be measured" if _unmeasured(document) else ""
        return f"At the small errors{among}, no attack’s figures lie surely above chance."
    error = 0.01 if any(fpr == 0.01 for fpr, _, _ in rates) else min(fpr for fpr, _, _ in rates)
    at_error = (rate for rate in rates if rate[0] == error)
    _, finding, risk = max(at_error, key=lambda rate: (rate[2]["chosen"], rate[2]["value"]))
    members = document["about"]["members"]
    middle = f"{risk['value'] * members:,.0f}"
    low, high = f"{math.floor(risk['low'] * members + 1e-9):,}", f"{math.ceil(risk['high'] * members - 1e-9):,}"
    chance = words.number(risk["baseline"] * members)
    return (
        f"At an error of {words.one_in(error)} (other records wrongly taken for training records), "
        f"“{finding['attack']}” picks out {middle} [{low}, {high}] of the {members:,} training records in this audit; "
        f"without the model, {chance} would be."
    )


def _nothing(finding: Document, document: Document) -> str:
    ran = [found for found in document["findings"] if not found["failed"]]
    risk = words.named(finding["risks"], "AUC") or next(iter(finding["risks"]), None)
    reach = kind = room = ""
    if risk is not None and risk["value"] is not None:
        chosen = " on reference models" if risk["chosen"] else ""
        reach = (
            f": the strongest{chosen}, “{finding['attack']}”, reaches {risk['name']} {words.figure(risk)} "
            f"({_confidence(document)} interval; without the model {words.stated(risk['name'], risk['baseline'])})"
        )
        if risk["baseline"] is not None and risk["low"] > risk["baseline"]:
            kind = " that is surely more than luck"  # the figure's own interval would call it one
        if risk["baseline"] is not None and risk["high"] < risk["baseline"]:
            room = " That lies below what is reached without the model: turned around, the attack would find a leak."
        if risk["baseline"] is not None and risk["high"] - risk["baseline"] > ROOM:
            most = words.value(risk["name"], risk["high"])
            room = f" With so few records, {risk['name']} {most} cannot be ruled out."
    return (
        f"{'This attack' if len(ran) == 1 else 'These attacks'} found no leak{kind}{reach}.{room} That is no proof "
        f"that there is none: {_not_run(document)}."
    )


def _unmeasured(document: Document) -> str:
    """The errors that no attack's figures could be taken at, for want of records."""
    every = (risk for finding in document["findings"] for risk in finding["risks"])
    risks = [risk for risk in every if words.fpr_of(risk["name"]) is not None]
    known = {risk["name"] for risk in risks if risk["value"] is not None}
    names = dict.fromkeys(risk["name"] for risk in risks if risk["name"] not in known)
    if not names:
        return ""
    errors = words.listed([words.one_in(words.fpr_of(name)) for name in names])
    return (
        f"{'An error' if len(names) == 1 else 'Errors'} of {errors} cannot be measured with so few other records "
        f"({document['about']['non_members']:,}): what happens there is not known."
    )


def _doubted(document: Document) -> str:
    """Where attacks were chosen on reference models that are not like the target: which may be the stronger one."""
    aucs = [(words.named(one["risks"], "AUC"), one["attack"]) for one in document["findings"] if not one["failed"]]
    known = [(risk, attack) for risk, attack in aucs if risk is not None and risk["value"] is not None]
    if not words.unlike(document) or not words.chosen(document["findings"]):
        return ""
    said = f"{words.UNLIKE} The strongest attack here may be another than the one that was chosen."
    best, attack = max(known, key=lambda pair: pair[0]["value"], default=({"chosen": True}, ""))
    if best["chosen"]:
        return said
    return f"{said} On these records, the highest AUC is that of “{attack}”: {words.figure(best)}."


def _refuted(document: Document) -> str:
    """That a figure lies surely above what the claimed guarantee allows, where one does."""
    risks = (risk for finding in document["findings"] for risk in finding["risks"])
    found = "The claimed guarantee does not hold, or the audit is wrong (see “Read this first”)."
    return found if any(map(words.refutes, risks)) else ""


def _of_all(risk: Document, document: Document) -> str:
    """Of how many it was picked, and on what."""
    ran = sum(not finding["failed"] for finding in document["findings"])
    if ran == 1:
        return ""
    if risk["chosen"]:
        return f" (of {ran}; chosen on reference models, not for its result here)"
    return f" (of {ran}, the strongest on these records)"


def _not_run(document: Document) -> str:
    ran = [found for found in document["findings"] if not found["failed"]]
    beside = words.chosen(ran) or any("reference model" in found.get("sees", "") for found in ran)
    alone = "stronger attacks (with reference models) were not run"
    return "an attack that was not run may find one" if beside else alone


def _confidence(document: Document) -> str:
    return f"{100 * document['about']['confidence']:.4g}%"
