"""What is said of a comparison: page and terminal share these words.

Everything here takes parts of the document that `comparison.json` holds.
"""

from collections.abc import Iterable

from ml_privacy_meter.report import words
from ml_privacy_meter.report.document import Document

MARKED = (
    "Of marked differences, the interval leaves out 0 even when the confidence is shared out over all differences here."
)
PAIRS = (
    "The records are the same, so differences are taken record by record, and the luck of which records were audited "
    "falls out of them as far as both models share it."
)
TRAINING = (
    "Each interval speaks of other records under these very models. It does not hold the luck of training: two models "
    "that were trained alike but for their seed differ, too. Whether a defence, and not a lucky training, made the "
    "difference takes several models of each kind."
)
MEAN = (
    "The largest of many rises are partly chance: a new audit, or a model trained again, would on average show smaller "
    "ones for the same records (regression to the mean). A list of the largest rises is hardly ever empty, not even "
    "between two models that are equally private. It says where to look, and nothing sure of one record."
)
CONTROL = (
    "Non-members were in neither training set: their rises and falls show how far probabilities move with no training "
    "record at stake."
)


def warned(warning: Document) -> str:
    """One warning, as a line."""
    return f"{warning['report']}: {warning['title']} {warning['says']}"


def figure(risk: Document | None) -> str:
    """ "5.3% [4.1, 6.9]"; a dash where the report does not hold it."""
    return "–" if risk is None else words.figure(risk)


def difference(name: str, found: Document | None) -> str:
    """ "+5.3 [4.1, 6.9]", in per cent points where the figure is in per cent; why not, where it is not compared."""
    if found is None:
        return "–"
    if found["value"] is None:
        return f"not compared: {found['note']}" if found["note"] != "not resolvable" else found["note"]
    return " ".join(difference_parts(name, found))


def difference_parts(name: str, found: Document) -> tuple[str, str]:
    """ "+5.3" and "[+4.1, +6.9]", with as many digits."""
    value, low, high = (_signed(name, found[key], like=found["value"]) for key in ("value", "low", "high"))
    return value, f"[{low}, {high}]"


def points(number: float | None) -> str:
    """A change of a probability, in per cent points: "+12.3"."""
    return "–" if number is None else _signed("probability", number, like=1)


def _signed(name: str, number: float, *, like: float) -> str:
    scaled, places = (100 * number, 2 if abs(like) < 0.01 else 1) if words.in_per_cent(name) else (number, 3)
    text = f"{round(scaled, places) + 0.0:+.{places}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def quality(found: Document, side: str) -> str:
    """ "87.5% [85.6, 89.2]", or a mean loss."""
    held = found[side]
    if held["value"] is None:
        return "–"
    if found["of"] == "loss":
        return f"{held['value']:.4g}"
    return figure(dict(held, name="accuracy"))


def qualities(document: Document) -> bool:
    """Whether any report says how well its model does."""
    return any(one["quality"]["non_members"]["value"] is not None for one in document["reports"])


def summary(document: Document) -> list[str]:
    """A sentence or two for each report but the first: how far the leading attack's figure lies from the first's."""
    return [_summary(document, place) for place in range(1, len(document["reports"]))]


def _summary(document: Document, place: int) -> str:
    first, other = document["reports"][0], document["reports"][place]
    row = next(
        (one for one in document["figures"] if (one["attack"], one["figure"]) == (document["leading"], "AUC")), None
    )
    if row is None:
        return f"“{other['name']}” against “{first['name']}”: no attack’s AUC could be compared in all reports."
    if first["void"] or other["void"]:
        said = f"cannot be set beside “{first['name']}”, as a check failed that voids an audit. At face value"
    else:
        said = _surely(document, place) or (
            f"cannot be told from “{first['name']}” by these records, which does not show that the two leak alike"
        )
    return (
        f"“{other['name']}” {said}: “{row['attack']}” reaches AUC {figure(row['risks'][place])} against "
        f"{figure(row['risks'][0])}, a difference of {difference('AUC', row['differences'][place])}."
        f"{_at_small_errors(document, place)}{_of_others(document, place)}{_of_quality(first, other)}"
    )


def _surely(document: Document, place: int) -> str:
    """In what the leading attack's figures surely differ from the first report's: in one direction, or in both."""
    rows = [one for one in document["figures"] if one["attack"] == document["leading"]]
    fell, rose = (_sure(rows, place, rising=rising) for rising in (False, True))
    beside = f"“{document['reports'][0]['name']}”"
    if fell and rose:
        less, more = words.listed(fell), words.listed(rose)
        return f"gives mixed results beside {beside} to this attack (it leaks less by {less}, more by {more})"
    known = [one["figure"] for one in rows if one["differences"][place]["value"] is not None]
    by = "" if len(fell or rose) == len(known) else f", by {words.listed(fell or rose)}"
    return f"leaks {'less' if fell else 'more'} than {beside} to this attack{by}" if fell or rose else ""


def _sure(rows: Iterable[Document], place: int, *, rising: bool) -> list[str]:
    """The figures that surely rose, or fell."""
    found = [(one["figure"], one["differences"][place]) for one in rows]
    return [name for name, one in found if one["surely"] and (one["value"] > 0) == rising]


def _at_small_errors(document: Document, place: int) -> str:
    """What the leading attack does where it may err least: an average can fall while a few records lie open.

    It names the smallest error at which the two are compared, and any other at which they surely differ.
    """
    rows = [one for one in document["figures"] if one["attack"] == document["leading"] and one["figure"] != "AUC"]
    known = [one for one in rows if one["differences"][place]["value"] is not None]
    said = ""
    for row in known:
        name, found = row["figure"], row["differences"][place]
        if found["surely"] or row is known[-1]:
            said += (
                f" {name}: {figure(row['risks'][place])} against {figure(row['risks'][0])}, a difference of "
                f"{difference(name, found)} points."
            )
    return said


def _of_others(document: Document, place: int) -> str:
    """The other attacks of which a figure surely rose, whatever the leading attack says."""
    attacks = dict.fromkeys(one["attack"] for one in document["figures"] if one["attack"] != document["leading"])
    rows = {name: [one for one in document["figures"] if one["attack"] == name] for name in attacks}
    risen = {name: found for name in attacks if (found := _sure(rows[name], place, rising=True))}
    named = words.listed([f"“{name}” ({words.listed(found)})" for name, found in risen.items()])
    return f" Other attacks that surely reach more than in the first: {named}." if risen else ""


def overview(document: Document) -> str:
    """How many differences there are, and how many are sure ones."""
    held = [one for row in document["figures"] for one in row["differences"][1:]]
    known = [one for one in held if one["value"] is not None]
    less, more = (sum(one["surely"] and (one["value"] < 0) == below for one in known) for below in (True, False))
    return (
        f"Of {words.count(len(known), 'difference')} over all attacks and figures, {less:,} surely lie below 0 (these "
        f"attacks find less, which others may find), {more:,} surely above (they find more). “Surely”: even when the "
        "confidence is shared out over all of them, and never beside an audit that is void. Not compared: "
        f"{len(held) - len(known):,}."
    )


def _of_quality(first: Document, other: Document) -> str:
    here, there = (one["quality"] for one in (other, first))
    if here["of"] != there["of"] or None in (here["non_members"]["value"], there["non_members"]["value"]):
        return ""
    what = "Accuracy" if here["of"] == "accuracy" else "Mean loss"
    return f" {what} on non-members: {quality(here, 'non_members')} against {quality(there, 'non_members')}."


def changed(name: str, first: str, found: Document) -> str:
    """How many records rose and fell."""
    members, others = found["members"], found["non_members"]
    rose, fell, also_rose, also_fell = (_share(one, way) for one in (members, others) for way in ("rose", "fell"))
    said = (
        f"From “{first}” to “{name}”, the membership probability rose by more than 10 points for {rose} of "
        f"{words.count(members['records'], 'training record')}, and fell by more for {fell}. Of "
        f"{words.count(others['records'], 'non-member')}, it rose by more for {also_rose}, and fell by more for "
        f"{also_fell}."
    )
    if not found["other_attack"]:
        return said
    return (
        f"{said} For {words.count(found['other_attack'], 'record')}, the two probabilities rest on different attacks, "
        "each with a scale of its own, so that a change may come from that alone."
    )


def _share(counts: Document, way: str) -> str:
    return f"{counts[way]:,}" + (f" ({counts[way] / counts['records']:.1%})" if counts["records"] else "")


def also(found: Document) -> list[str]:
    """What reference models tell of these records, where anything is known."""
    names = ("memorization", "vulnerability")
    return [name for name in names if any(value is not None for one in found["rose_most"] for value in one[name])]


def before_and_after(record: Document, name: str) -> str:
    """ "12% ± 3, then 45% ± 6"."""
    pairs = range(2)
    if name == "memorization":
        keys = ("memorization", "memorization_se")
        return ", then ".join(words.memorized({key: record[key][place] for key in keys}) for place in pairs)
    return ", then ".join(words.value(name, record[name][place]) for place in pairs)
