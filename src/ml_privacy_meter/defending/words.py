"""What is said of defenses side by side: page and terminal share these words.

Everything here takes parts of the document that `defenses.json` holds.
"""

from ml_privacy_meter.comparison.words import difference_parts
from ml_privacy_meter.defending.entries import AGAIN, DEFENSE, MODEL
from ml_privacy_meter.defending.verdicts import NOT_WORTH, OPEN, WORTH
from ml_privacy_meter.report import words
from ml_privacy_meter.report.document import Document

SEES = {"outputs": "Who sees its answers", "weights": "Who has its weights"}
MARKS = {NOT_WORTH: "✗ not worth its price", WORTH: "✓ surely leaks less", OPEN: "– open"}
ALONE = " by its answers alone"
LUCK = (
    "Each row is one training. Intervals speak of other records under these very models; they do not hold the luck of "
    "training. What that may be is shown by “none, trained again”: the same recipe with another seed. A difference no "
    "larger than between these two says little of a defense."
)
REGRESSION = (
    "The records most exposed by “none” were picked for that: another training would expose some of them less, with no "
    "defense at all (regression to the mean). “None, trained again” shows how many: of a defense is only what goes "
    "beyond."
)
WRAPPED = (
    "It only changes answers: whoever has the weights is not kept from anything, nor is whoever needs labels alone."
)
OWN = (
    "Your model as it stands was attacked with reference models of the recipe. If it was trained in another way, "
    "stronger attacks may be possible, so that no other row is held against it."
)


def row_named(document: Document, kind: str) -> Document | None:
    """The row of a kind of which there is one."""
    return next((row for row in document["rows"] if row["kind"] == kind), None)


def leak(row: Document, line: Document) -> Document | None:
    """The row's strongest attack in a line."""
    held = ((one["sees"], one["figure"]) for one in row["leaks"])
    return dict(zip(held, row["leaks"], strict=True)).get((line["sees"], line["figure"]))


def joint(name: str, found: Document | None) -> Document | None:
    """A figure with the ends that hold for all figures together, as other rooms write figures."""
    return None if found is None else {
        "name": name,
        "value": found["value"],
        "low": found["joint_low"],
        "high": found["joint_high"],
    }  # fmt: skip


def figure(name: str, found: Document | None) -> str:
    """ "0.612 [0.590, 0.634]"; a dash where it is not known."""
    wide = joint(name, found)
    return "–" if wide is None else words.figure(wide)


def less_none(name: str, difference: Document | None) -> str:
    """ "−0.031 [−0.052, −0.010]", of an interval that holds all differences together."""
    if difference is None:
        return "–"
    wide = {"value": difference["value"], "low": difference["sure_low"], "high": difference["sure_high"]}
    return " ".join(difference_parts(name, wide))


def mark(row: Document) -> str:
    """The verdict in a word or two."""
    said = MARKS.get(row["verdict"]["says"], "yardstick")
    return said + ALONE if row["verdict"]["says"] == WORTH and row["defense"]["wraps"] else said


def reasons(row: Document) -> list[str]:
    """Why the verdict is what it is, in sentences."""
    verdict, said = row["verdict"], []
    if verdict["beaten_by"]:
        others = words.listed([f"“{name}”" for name in verdict["beaten_by"]])
        many = len(verdict["beaten_by"]) > 1
        said.append(
            f"{others} {'have' if many else 'has'} at least its accuracy and surely leak{'' if many else 's'} less."
        )
    if verdict["no_gain"]:
        said.append("Surely less accurate than “none”, and its leaks are not surely smaller.")
    if verdict["less"]:
        said.append(f"Surely leaks less than “none”: {words.listed(verdict['less'])}.")
    if verdict["more"]:
        said.append(f"Surely leaks more than “none”: {words.listed(verdict['more'])}.")
    if not said and row["kind"] == DEFENSE:
        said.append("Neither surely better nor surely dearer than “none”, which does not show that they are alike.")
    if row["defense"] and row["defense"]["wraps"]:
        said.append(f"{row['defense']['says']} {OTHERS_TOO if row['defense']['trains'] else WRAPPED}")
    elif row["defense"]:
        said.append(row["defense"]["says"])
    if row["kind"] == MODEL:
        said.append(OWN)
    if row["kind"] == AGAIN and not (verdict["less"] or verdict["more"]):
        said.append("The same recipe with another seed: what lies between the two is luck.")
    return [one for one in said if one]


OTHERS_TOO = "Its answers are changed as well: whoever has the weights meets the model behind them, not attacked here."


def summary(document: Document) -> list[str]:
    """What came of it, in a few sentences."""
    tried = [row for row in document["rows"] if row["kind"] == DEFENSE]
    said = []
    for verdict, what in (
        (WORTH, "Surely leak less than no defense, and nothing that was tried surely beats them"),
        (NOT_WORTH, "Not worth their price"),
        (OPEN, "Open, as neither is sure by the rules below"),
    ):
        found = [row for row in tried if row["verdict"]["says"] == verdict]
        names = [f"“{row['name']}”{ALONE if mark(row).endswith(ALONE) else ''}" for row in found]
        said += [f"{what}: {words.listed(names)}."] if names else []
    more = [f"“{row['name']}”" for row in tried if row["verdict"]["more"]]
    said += [f"Surely leak more than no defense: {words.listed(more)}."] if more else []
    if any(row["void"] for row in document["rows"]):
        said.insert(0, "A check failed that voids audits: beside these, nothing is called sure.")
    again = row_named(document, AGAIN)
    if again is not None and (again["verdict"]["less"] or again["verdict"]["more"]):
        said.append(
            "The luck of training alone made a difference here that these intervals call sure (“none, trained again” "
            "against “none”): differences of that size are no proof of a defense. Try again with another seed."
        )
    return said


def corrected(document: Document) -> str:
    """How the choice among many is made up for."""
    about = document["about"]
    level = f"{100 * about['confidence']:.4g}%"
    return (
        "The best of many, picked by the same records, looks better than it is. So intervals here are wide enough to "
        f"hold all {about['figures']:,} figures together at {level} (each at {100 * about['joint_confidence']:.5g}%). "
        f"“Surely” means that an interval leaves out 0 that is wide enough to hold all {about['differences']:,} "
        f"differences between models together at {level} (each at {100 * about['sure_confidence']:.5g}%; Bonferroni)."
    )


RULES = (
    "A defense is not worth its price if another that was tried, or none at all, has at least its test accuracy, "
    "surely leaks less in one of the figures above, and surely more in none; or if it is surely less accurate than "
    "“none” and surely leaks less in none of them. What only changes answers beats nothing that protects the weights "
    "too, and is compared by attacks on answers alone. Neither “none, trained again” nor your own model beats any. "
    "“Surely leaks less” holds for the attacks that were played, and is no proof against others."
)
