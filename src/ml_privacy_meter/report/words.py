"""How figures are written and what is said of them: page, summary and terminal share these words.

Everything here takes parts of the document that `report.json` holds.
"""

import math
from collections.abc import Iterable, Sequence

from ml_privacy_meter.findings import ABOVE
from ml_privacy_meter.findings import fpr_of as fpr_of
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.report.numbers import count as count
from ml_privacy_meter.report.numbers import figure as figure
from ml_privacy_meter.report.numbers import in_per_cent as in_per_cent
from ml_privacy_meter.report.numbers import interval as interval
from ml_privacy_meter.report.numbers import listed as listed
from ml_privacy_meter.report.numbers import memorized as memorized
from ml_privacy_meter.report.numbers import number as number
from ml_privacy_meter.report.numbers import one_in as one_in
from ml_privacy_meter.report.numbers import probability as probability
from ml_privacy_meter.report.numbers import stated as stated
from ml_privacy_meter.report.numbers import value as value

ROOM = 0.1  # of an interval above the baseline: beyond, the counts rule out little

CHOSEN = (
    "★ marks the attack that did best at a figure where reference models took the target’s place. It was not picked "
    "for its result on the target, so its interval is widened for the number of figures alone, not of attacks."
)

UNCALIBRATED = "Do the membership probabilities hold"  # how the name of that check begins
UNLIKE = (
    "Reference models do not behave like this model (see “Read this first”): what was learned, chosen or carried over "
    "from them may not hold for it."
)


def starred(risk: Document) -> str:
    """The `figure`, after a star where its attack was chosen for it on reference models."""
    return f"★ {figure(risk)}" if risk["chosen"] else figure(risk)


def remark(risk: Document) -> str:
    """What must be said beside a figure, if anything."""
    over = risk["ceiling"] is not None and risk["low"] is not None and risk["low"] > risk["ceiling"]
    luck = "Above its ceiling, which may be luck: of many figures, some lie high."
    return " ".join(filter(None, [luck if over and not refutes(risk) else "", risk["note"]]))


def refutes(risk: Document) -> bool:
    """Whether the figure lies above its ceiling by more than luck explains, as the check of the guarantee found."""
    return str(risk["note"]).startswith(ABOVE)


def leaks(risk: Document | None) -> bool:
    """Whether the figure surely lies above what an adversary without the model reaches.

    Surely: also if it is the highest of all figures in the report, where that is known; for an attack that was chosen
    without the target, of all figures that such attacks were chosen for.
    """
    if risk is None or risk["name"] == "error" or risk["value"] is None or risk["baseline"] is None:
        return False
    low = risk["low"] if risk["surely"] is None else risk["surely"]
    return low is not None and bool(low > risk["baseline"])


def rank(risk: Document) -> tuple[bool, bool, float]:
    """What the attacks at one figure are ordered by, as the verdict does: surely a leak, chosen, high."""
    return leaks(risk), risk["chosen"], -1.0 if risk["value"] is None else risk["value"]


def failing(document: Document) -> list[Document]:
    """The checks that were not passed, those first that void the audit."""
    failed = [check for check in document["checks"] if not check["passed"]]
    return sorted(failed, key=lambda check: not check["voids"])


def outcome(check: Document) -> str:
    """What became of a check, with a mark: "✓ passed", or what it means that it was not."""
    if check["passed"]:
        return "✓ passed"
    if check["voids"]:
        return "✗ voids the audit"
    return "– not checked" if check["says"].startswith("Not checked") else "✗ failed"


def named(risks: Iterable[Document], name: str) -> Document | None:
    return next((risk for risk in risks if risk["name"] == name), None)


def learned(document: Document) -> str:
    """Where the scale of the membership probabilities comes from."""
    if document["about"].get("strongest"):
        return "on reference models in the target’s place; who was in the target’s training set had no part in it"
    return "from this audit’s own records, by one curve for all of them"


def unlike(document: Document) -> str:
    """That the reference models do not behave like the target, where a check found so; else empty."""
    return UNLIKE if any(check["name"].startswith(UNCALIBRATED) for check in failing(document)) else ""


def calibrated(document: Document) -> str:
    """What the membership probabilities say, and how near to the truth they come."""
    found = document["calibration"]
    by_others = bool(document["about"].get("strongest"))
    again = "To see how well it holds, it was learned again for each fifth of the records from the other four. "
    return (
        "Of 100 records with a membership probability of 80%, about 80 should be training records, if training records "
        f"and others were equally many. The scale was learned {learned(document)}. {'' if by_others else again}On "
        f"average, the probabilities {'' if by_others else 'so learned '}lie {100 * found['error']:.1f} percentage "
        "points beside the shares that were found (expected calibration error "
        f"{found['error']:.3f}); with as many records, exactly right ones would seem to lie about "
        f"{100 * found['luck']:.1f} beside them, by chance. {unlike(document)}"
    ).strip()


def shares(document: Document) -> str:
    """What stands under the picture of the shares of training records by membership probability."""
    said = (
        "Share of training records among records of like probability, with intervals. On the dashed diagonal, "
        "probabilities are what they say."
    )
    if document["about"].get("strongest"):
        return said
    return f"{said} The scale was learned from these records: others would lie farther beside it."


def known(documents: Iterable[Document], name: str) -> bool:
    """Whether any of them has a value there."""
    return any(document[name] is not None for document in documents)


def headline(findings: Sequence[Document]) -> list[str]:
    """The figures by which attacks are compared: AUC and the true positive rates, or whatever there is."""
    names = list(dict.fromkeys(risk["name"] for finding in findings for risk in finding["risks"]))
    return [name for name in names if name == "AUC" or fpr_of(name) is not None] or names[:4]


def baseline(findings: Iterable[Document], name: str) -> str:
    """What is reached without the model; several values where the attacks differ in it."""
    risks = [named(finding["risks"], name) for finding in findings]
    return " / ".join(dict.fromkeys(stated(name, risk["baseline"]) for risk in risks if risk is not None))


def chosen(findings: Iterable[Document]) -> bool:
    """Whether attacks were chosen on reference models."""
    return any(risk["chosen"] for finding in findings for risk in finding["risks"])


def verdict(document: Document) -> str:
    """What the audit found, in a plain sentence or two, with its uncertainty."""
    best = strongest(document)
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
    return any(check["voids"] for check in failing(document))


def strongest(document: Document) -> Document | None:
    """The attack that the verdict speaks of; None where none ran to its end."""
    ran = [finding for finding in document["findings"] if not finding["failed"]]
    return max(ran, key=_strength, default=None)


def _strength(finding: Document) -> tuple[bool, bool, float]:
    auc = named(finding["risks"], "AUC") or {"value": None, "chosen": False}
    return bool(_leaking(finding)), auc["chosen"], auc["value"] or 0.0


def _leaking(finding: Document) -> list[Document]:
    return [risk for risk in finding["risks"] if risk["name"] in headline([finding]) and leaks(risk)]


def _leak(finding: Document, document: Document) -> str:
    auc = named(finding["risks"], "AUC") or _leaking(finding)[0]
    whole = (
        "Training records can be told from others" if leaks(auc) else "A few training records can be told from others"
    )
    said = (
        f"{whole}: the attack “{finding['attack']}”{_of_all(auc, document)} reaches "
        f"{auc['name']} {figure(auc)} ({_confidence(document)} interval; without the model "
        f"{stated(auc['name'], auc['baseline'])})."
    )
    return f"{said} {_picked_out(document)}"


def _picked_out(document: Document) -> str:
    """What the strongest attack does at a small error: at one in a hundred, or else the smallest that leaks."""
    rates = [
        (fpr, finding, risk)
        for finding in document["findings"]
        for risk in _leaking(finding)
        if (fpr := fpr_of(risk["name"])) is not None
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
    chance = number(risk["baseline"] * members)
    return (
        f"At an error of {one_in(error)} (other records wrongly taken for training records), “{finding['attack']}” "
        f"picks out {middle} [{low}, {high}] of the {members:,} training records in this audit; without the model, "
        f"{chance} would be."
    )


def _nothing(finding: Document, document: Document) -> str:
    ran = [found for found in document["findings"] if not found["failed"]]
    risk = named(finding["risks"], "AUC") or next(iter(finding["risks"]), None)
    reach = kind = room = ""
    if risk is not None and risk["value"] is not None:
        chosen = " on reference models" if risk["chosen"] else ""
        reach = (
            f": the strongest{chosen}, “{finding['attack']}”, reaches {risk['name']} {figure(risk)} "
            f"({_confidence(document)} interval; without the model {stated(risk['name'], risk['baseline'])})"
        )
        if risk["baseline"] is not None and risk["low"] > risk["baseline"]:
            kind = " that is surely more than luck"  # the figure's own interval would call it one
        if risk["baseline"] is not None and risk["high"] < risk["baseline"]:
            room = " That lies below what is reached without the model: turned around, the attack would find a leak."
        if risk["baseline"] is not None and risk["high"] - risk["baseline"] > ROOM:
            room = f" With so few records, {risk['name']} {value(risk['name'], risk['high'])} cannot be ruled out."
    return (
        f"{'This attack' if len(ran) == 1 else 'These attacks'} found no leak{kind}{reach}.{room} That is no proof "
        f"that there is none: {_not_run(document)}."
    )


def _unmeasured(document: Document) -> str:
    """The errors that no attack's figures could be taken at, for want of records."""
    risks = [risk for finding in document["findings"] for risk in finding["risks"] if fpr_of(risk["name"]) is not None]
    known = {risk["name"] for risk in risks if risk["value"] is not None}
    names = dict.fromkeys(risk["name"] for risk in risks if risk["name"] not in known)
    if not names:
        return ""
    errors = listed([one_in(fpr_of(name)) for name in names])
    return (
        f"{'An error' if len(names) == 1 else 'Errors'} of {errors} cannot be measured with so few other records "
        f"({document['about']['non_members']:,}): what happens there is not known."
    )


def _doubted(document: Document) -> str:
    """Where attacks were chosen on reference models that are not like the target: which may be the stronger one."""
    aucs = [(named(one["risks"], "AUC"), one["attack"]) for one in document["findings"] if not one["failed"]]
    known = [(risk, attack) for risk, attack in aucs if risk is not None and risk["value"] is not None]
    if not unlike(document) or not chosen(document["findings"]):
        return ""
    said = f"{UNLIKE} The strongest attack here may be another than the one that was chosen."
    best, attack = max(known, key=lambda pair: pair[0]["value"], default=({"chosen": True}, ""))
    if best["chosen"]:
        return said
    return f"{said} On these records, the highest AUC is that of “{attack}”: {figure(best)}."


def _refuted(document: Document) -> str:
    """That a figure lies surely above what the claimed guarantee allows, where one does."""
    risks = (risk for finding in document["findings"] for risk in finding["risks"])
    found = "The claimed guarantee does not hold, or the audit is wrong (see “Read this first”)."
    return found if any(map(refutes, risks)) else ""


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
    beside = chosen(ran) or any("reference model" in found.get("sees", "") for found in ran)
    alone = "stronger attacks (with reference models) were not run"
    return "an attack that was not run may find one" if beside else alone


def _confidence(document: Document) -> str:
    return f"{100 * document['about']['confidence']:.4g}%"
