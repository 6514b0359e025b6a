"""What is said of a claim of differential privacy, in sentences and in Markdown."""

import math
from collections.abc import Mapping
from typing import Any

from ml_privacy_meter.canaries.planted import KINDS
from ml_privacy_meter.report.markdown import escape

Document = Mapping[str, Any]
TITLES = {
    "refuted": "Claim refuted",
    "consistent": "Consistent with the claim",
    "untestable": "Not testable with so few canaries",
}
LARGE = 20.0  # an epsilon that a billion canaries could not refute
WEAK = (
    "- Canaries among the records are weak: they may miss noise that was left out, or wrong clipping, where canaries "
    "in gradient space (`GradientCanaries`) find it. Hold the claim against these too before relying on it."
)


def number(value: float) -> str:
    """With two decimals, never rounded up: a bound is a lower one."""
    return f"{math.floor(100 * value) / 100:.2f}"


def claim(document: Document) -> str:
    """The claim in words."""
    return f"epsilon {document['claim']['epsilon']:g} at delta {document['claim']['delta']:g}"


def verdict(document: Document) -> str:
    """What the audit comes to, in a few sentences."""
    bound, epsilon = document["bounds"][0], document["claim"]["epsilon"]
    said, share = claim(document), f"{100 * document['confidence']:g}%"
    shown = f"shows epsilon to be at least {number(bound['value'])}"
    found = "shows no epsilon of 0.01 or more" if bound["value"] < 0.01 else shown
    if document["verdict"] == "refuted":
        return (
            f"Claim refuted at confidence {share}: this training does not keep to {said}. The audit {found}; the true "
            "one may be far larger."
        )
    if document["verdict"] == "consistent":
        return (
            f"Consistent with the claim of {said}: the audit {found}, and could have shown up to "
            f"{number(bound['most'])}. It is no proof of the claim: other canaries, or more, may still refute it."
        )
    return (
        f"Not testable with so few canaries: {document['canaries']['count']:,} can show an epsilon of "
        f"{number(bound['most'])} at most, and the claim is {said}. That the audit {found} speaks neither for nor "
        f"against the claim. {_more(epsilon, document['confidence'])}"
    )


def _more(epsilon: float, confidence: float) -> str:
    if epsilon > LARGE:
        return "So large a claim is beyond what any number of canaries in one training can test."
    return f"It takes more than {fewest(epsilon, confidence):,} canaries."


def fewest(epsilon: float, confidence: float) -> int:
    """A number of canaries of which all must be guessed right to refute this epsilon, were delta 0."""
    return math.floor(math.log(1 - confidence) / -math.log1p(math.exp(-epsilon)))


def remark(document: Document) -> str:
    """What is to be said of bounds that judge nothing; empty where nothing is."""
    over = [one for one in document["bounds"] if not one["judges"] and one["value"] > document["claim"]["epsilon"]]
    if document["verdict"] == "refuted" or not over:
        return ""
    return (
        f"The bound that holds inside the Gaussian family alone ({number(over[0]['value'])}) lies above the claim. By "
        "itself it refutes nothing, as the mechanism may be of another family. Repeat the audit with another seed and "
        "more canaries."
    )


def markdown(document: Document) -> str:
    """The audit of a claim for somebody who has to decide what the claim is worth."""
    rows = [
        f"| {one['name']} | {number(one['value'])} | {number(one['most'])} | {'yes' if one['judges'] else 'no'} | "
        f"{escape(one['note'])} |"
        for one in document["bounds"]
    ]
    canaries, delta = document["canaries"], document["claim"]["delta"]
    how = [f"- {name.replace('_', ' ')}: {escape(value)}" for name, value in document["how"].items()]
    held = [f"- {one['name']}: {escape(one['assumes'], room=600)}." for one in document["bounds"]]
    parts = [
        f"# {TITLES[document['verdict']]}",
        verdict(document),
        remark(document),
        f"Claimed: {claim(document)}. Confidence: {100 * document['confidence']:g}%.",
        "| bound | epsilon is at least | could have shown at most | judges the claim | what was counted |\n"
        "|---|---|---|---|---|\n" + "\n".join(rows),
        "## What was done",
        f"{canaries['count']:,} canaries were made, and a fair coin for each put {canaries['inside']:,} of them into "
        "the training. It was then guessed from what the training gave which ones were in. The more of the guesses "
        "are right, the larger epsilon must be.",
        "\n".join(how),
        "## What must hold",
        "\n".join(held),
        "## What it does not say",
        _limits(document, delta),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _limits(document: Document, delta: float) -> str:
    said = [
        "- A bound is not the epsilon of the training. The protection that a model has is what a proof and an "
        "accountant say, provided that no audit refutes them.",
        '- "Consistent" means that these canaries have shown nothing against the claim.',
        *[WEAK] * (document["how"].get("canaries") in KINDS and document["verdict"] != "refuted"),
        f"- The verdict is about this training function and delta {delta:g}. A claim for another number of records, "
        "steps or epochs is another claim.",
        "- Epsilon is about one record in or out. A person with several records is less protected.",
    ]
    if size := document["how"].get("trained_on"):
        said += [
            f"- A delta of {delta:g} is not below one over the {size:,} records of the training: a mechanism may keep "
            "to it and publish a record."
        ] * (delta * size >= 1)
    return "\n".join(said)
