"""How many training records are picked out: counts in place of rates, as somebody would say them."""

import math
from collections.abc import Sequence
from typing import Any

from ml_privacy_meter.report import verdicts, words
from ml_privacy_meter.report.document import Document


def people(document: Document) -> list[dict[str, Any]]:
    """Counts of training records that the best attack picks out, one entry for each true positive rate of the report.

    ``figure`` and ``fpr`` name the rate, ``error`` says it ("1 in 1,000"). ``attack`` is the one chosen on reference
    models (``chosen``), or else the highest of ``of`` attacks on these records. ``identified``, ``low`` and ``high``
    are counts of the ``members``, None where the counts cannot resolve the rate (then ``note`` says why); ``chance`` is
    what is reached without the model, ``wrongly`` the most of the ``non_members`` that are picked out beside them.
    ``leaks`` says whether the count lies surely above chance, ``voided`` whether a check has failed on which all counts
    hang, and ``says`` all of it in a sentence or two.
    """
    ran = [finding for finding in document["findings"] if not finding["failed"]]
    names = [name for name in words.headline(ran) if words.fpr_of(name) is not None]
    return [_counted(document, ran, name) for name in names]


def _counted(document: Document, ran: Sequence[Document], name: str) -> dict[str, Any]:
    pairs = [(finding, risk) for finding in ran if (risk := words.named(finding["risks"], name)) is not None]
    finding, risk = max(pairs, key=lambda pair: words.rank(pair[1]))
    fpr = words.fpr_of(name) or 0.0
    members, others = document["about"]["members"], document["about"]["non_members"]
    known = risk["value"] is not None
    found = {
        "figure": name,
        "fpr": fpr,
        "error": words.one_in(fpr),
        "attack": finding["attack"],
        "chosen": risk["chosen"],
        "of": len(pairs),
        "members": members,
        "non_members": others,
        "identified": round(risk["value"] * members) if known else None,
        "low": math.floor(risk["low"] * members + 1e-9) if known else None,
        "high": math.ceil(risk["high"] * members - 1e-9) if known else None,
        "chance": risk["baseline"] * members,
        "wrongly": int(fpr * others + 1e-9),
        "leaks": words.leaks(risk),
        "voided": verdicts.voided(document),
        "note": risk["note"],
    }
    return found | {"says": _said(found | {"unlike": words.unlike(document)})}


def _said(found: dict[str, Any]) -> str:
    if found["identified"] is None:
        return (
            f"At an error of {found['error']}, this audit cannot say how many training records are identified: "
            f"{found['note']}. It does not mean that none is."
        )
    best = f"“{found['attack']}”"
    if found["of"] > 1:
        best += (
            f" (chosen on reference models{', which do not behave like this model' if found['unlike'] else ''})"
            if found["chosen"]
            else f" (the best of {found['of']} attacks on these records)"
        )
    beyond = "" if found["leaks"] else " That is not surely more than chance; a stronger attack may find more."
    caution = "Taken at face value, though a check has failed on which it hangs: " if found["voided"] else ""
    return (
        f"{caution}At an error of {found['error']}, {found['identified']:,} [{found['low']:,}, {found['high']:,}] of "
        f"{found['members']:,} training records are identified by {best}; without the model, "
        f"{words.number(found['chance'])} would be.{beyond}"
    )
