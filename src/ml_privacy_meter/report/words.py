"""How figures are written and what is said of them: page, summary and terminal share these words.

Everything here takes parts of the document that `report.json` holds.
"""

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
