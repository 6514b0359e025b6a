"""How figures are written and what is said of them: page, summary and terminal share these words.

Everything here takes parts of the document that `report.json` holds.
"""

from collections.abc import Iterable, Sequence

from ml_privacy_meter.findings import fpr_of as fpr_of
from ml_privacy_meter.report.document import Document

# Figures that are not shares of records, and so not written in per cent.
DECIMAL = ("AUC", "epsilon")

CHOSEN = (
    "★ marks the attack that did best at a figure where reference models took the target’s place. It was not picked "
    "for its result on the target, so its interval is widened for the number of figures alone, not of attacks."
)


def count(number: int, what: str) -> str:
    """ "1 record", "4,000 records"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def value(name: str, number: float | None) -> str:
    """One figure: "5.3%", and "0.543" for what is not a share."""
    return "–" if number is None else _digits(name, [number])[0] + ("%" if in_per_cent(name) else "")


def stated(name: str, number: float | None) -> str:
    """A number that was not measured, in as few digits as it has: "1%", "0.5"."""
    if number is None:
        return "–"
    return f"{100 * number:.3g}%" if in_per_cent(name) else f"{number:.3g}"


def interval(risk: Document) -> str:
    """ "[4.1, 6.9]", in the unit of `value`; empty where nothing was resolved."""
    if risk["value"] is None or risk["low"] is None or risk["high"] is None:
        return ""
    low, high = _digits(risk["name"], [risk["value"], risk["low"], risk["high"]])[1:]
    return f"[{low}, {high}]"


def figure(risk: Document) -> str:
    """ "5.3% [4.1, 6.9]", or "not resolvable"."""
    if risk["value"] is None:
        return "not resolvable"
    return f"{value(risk['name'], risk['value'])} {interval(risk)}".strip()


def starred(risk: Document) -> str:
    """The `figure`, after a star where its attack was chosen for it on reference models."""
    return f"★ {figure(risk)}" if risk["chosen"] else figure(risk)


def number(count: float) -> str:
    """ "61"; "fewer than 1" where rounding would say that there is none."""
    return "fewer than 1" if 0 < count < 0.95 else f"{count:,.0f}"


def probability(share: float) -> str:
    """A probability in per cent, never rounded to certainty: "97.0%", "> 99.9%"."""
    if share > 0.9995:
        return "> 99.9%"
    return f"{share:.1%}"


def remark(risk: Document) -> str:
    """What must be said beside a figure, if anything."""
    over = risk["ceiling"] is not None and risk["low"] is not None and risk["low"] > risk["ceiling"]
    claim = "Above its ceiling: the claimed guarantee does not hold, or the audit is wrong." if over else ""
    return " ".join(filter(None, [claim, risk["note"]]))


def leaks(risk: Document | None) -> bool:
    """Whether the figure surely lies above what an adversary without the model reaches.

    Surely: also if it is the highest of all figures in the report, where that is known; for an attack that was chosen
    without the target, of all figures that such attacks were chosen for.
    """
    if risk is None or risk["name"] == "error" or risk["value"] is None or risk["baseline"] is None:
        return False
    low = risk["low"] if risk["surely"] is None else risk["surely"]
    return low is not None and bool(low > risk["baseline"])


def failing(document: Document) -> list[Document]:
    """The checks that were not passed, those first that void the audit."""
    failed = [check for check in document["checks"] if not check["passed"]]
    return sorted(failed, key=lambda check: not check["voids"])


def named(risks: Iterable[Document], name: str) -> Document | None:
    return next((risk for risk in risks if risk["name"] == name), None)


def learned(document: Document) -> str:
    """Where the scale of the membership probabilities comes from."""
    if document["about"].get("strongest"):
        return "on reference models in the target’s place; who was in the target’s training set had no part in it"
    return "from this audit’s own records, for each record from others than itself"


def calibrated(document: Document) -> str:
    """What the membership probabilities say, and how near to the truth they come."""
    found = document["calibration"]
    return (
        "Of 100 records with a membership probability of 80%, about 80 should be training records, if training records "
        f"and others were equally many. The scale was learned {learned(document)}. On average, the probabilities lie "
        f"{100 * found['error']:.1f} percentage points beside the shares that were found (expected calibration error "
        f"{found['error']:.3f}); with as many records, exactly right ones would seem to lie about "
        f"{100 * found['luck']:.1f} beside them, by chance."
    )


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


def memorized(exposed: Document) -> str:
    """ "62% ± 19", with one standard error."""
    share, error = exposed["memorization"], exposed["memorization_se"]
    return "–" if share is None or error is None else _minus(f"{round(100 * share)}% ± {round(100 * error)}")


def in_per_cent(name: str) -> bool:
    return not name.startswith(DECIMAL)


def verdict(document: Document) -> str:
    """What the audit found, in a plain sentence or two, with its uncertainty."""
    best = strongest(document)
    if best is None:
        return "No attack ran to its end: this report says nothing about the model."
    found = _leak(best, document) if _leaking(best) else _nothing(best, document)
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
        return "At small errors, no attack’s figures lie surely above chance."
    error = 0.01 if any(fpr == 0.01 for fpr, _, _ in rates) else min(fpr for fpr, _, _ in rates)
    at_error = (rate for rate in rates if rate[0] == error)
    _, finding, risk = max(at_error, key=lambda rate: (rate[2]["chosen"], rate[2]["value"]))
    members = document["about"]["members"]
    low, middle, high = (f"{risk[key] * members:,.0f}" for key in ("low", "value", "high"))
    chance = number(risk["baseline"] * members)
    return (
        f"At an error of {one_in(error)} (other records wrongly taken for training records), “{finding['attack']}” "
        f"picks out {middle} [{low}, {high}] of the {members:,} training records in this audit; without the model, "
        f"{chance} would be."
    )


def _nothing(finding: Document, document: Document) -> str:
    ran = [found for found in document["findings"] if not found["failed"]]
    risk = named(finding["risks"], "AUC") or next(iter(finding["risks"]), None)
    reach = ""
    if risk is not None and risk["value"] is not None:
        chosen = " on reference models" if risk["chosen"] else ""
        reach = (
            f": the strongest{chosen}, “{finding['attack']}”, reaches {risk['name']} {figure(risk)} "
            f"({_confidence(document)} interval; without the model {stated(risk['name'], risk['baseline'])})"
        )
    return (
        f"{'This attack' if len(ran) == 1 else 'These attacks'} found no leak{reach}. That is no proof that "
        f"there is none: {_not_run(document)}."
    )


def _of_all(risk: Document, document: Document) -> str:
    """Of how many it was picked, and on what."""
    ran = sum(not finding["failed"] for finding in document["findings"])
    if ran == 1:
        return ""
    if risk["chosen"]:
        return f" (of {ran}; chosen on reference models, not for its result here)"
    return f" (of {ran}, the strongest on these records)"


def _not_run(document: Document) -> str:
    if document["about"].get("reference_models"):
        return "an attack that was not run may find one"
    return "stronger attacks (with reference models) were not run"


def _confidence(document: Document) -> str:
    return f"{100 * document['about']['confidence']:.4g}%"


def one_in(fpr: float | None) -> str:
    """ "1 in 1,000"."""
    return f"1 in {round(1 / fpr):,}" if fpr else "0"


def _digits(name: str, numbers: Sequence[float]) -> list[str]:
    """All with as many digits as the first needs."""
    if not in_per_cent(name):
        return [_minus(f"{number:.3f}") for number in numbers]
    places = 2 if abs(numbers[0]) < 0.01 else 1
    return [_minus(f"{round(100 * number, places) + 0.0:.{places}f}") for number in numbers]


def _minus(digits: str) -> str:
    return digits.replace("-", "−")
