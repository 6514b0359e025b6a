"""A comparison of saved reports, to read in Python or to save as a folder."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.table import Table

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.comparison import words
from ml_privacy_meter.comparison.changes import changes
from ml_privacy_meter.comparison.figures import calibration, figures, leading, quality
from ml_privacy_meter.comparison.matching import match, references, void, warnings
from ml_privacy_meter.comparison.reading import Audit, read
from ml_privacy_meter.comparison.terminal import table
from ml_privacy_meter.report import folder as folders
from ml_privacy_meter.report.document import Document, dump

SCHEMA = "ml-privacy-meter/comparison"
VERSION = 1
KIND = folders.Kind("comparison", frozenset({"comparison.json", "index.html"}), "comparison.json", SCHEMA)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Reports side by side.

    Args:
        document: what ``comparison.json`` holds, see ``schema.json``.
    """

    document: Document

    def save(self, folder: str | Path) -> Path:
        """The folder, now with ``comparison.json`` and ``index.html``; it appears whole or not at all.

        Raises:
            InputError: the folder holds something else than an earlier comparison; nothing is written then.
        """
        from ml_privacy_meter.comparison.page import page  # its libraries take a second to import

        check_folder(folder)
        made = {"comparison.json": dump(self.document).encode(), "index.html": page(self.document).encode()}
        return folders.write(folder, made, KIND)

    def table(self) -> Table:
        """The figures side by side, for a terminal; what speaks against comparing stands first."""
        return table(self.document)

    def __str__(self) -> str:
        found = [words.warned(one) for one in self.document["warnings"]]
        return "\n".join([*(f"! {line}" for line in found), *words.summary(self.document)])


def check_folder(folder: str | Path) -> None:
    """Raises `InputError` unless a comparison may go there: no folder, an empty one, or an earlier comparison."""
    folders.check_folder(folder, KIND)


def compare(reports: Sequence[str | Path], *, names: Sequence[str] = ()) -> Comparison:
    """What differs between saved reports, figure by figure and record by record; each is set beside the first.

    Args:
        reports: folders that `privacy-meter audit` or `Report.save` wrote, in the order to be shown in: two or more.
        names: what they are to be called; by default, their folders' names.

    Raises:
        InputError: fewer than two; a folder that holds no report, or a broken one; other than one name each.
    """
    if isinstance(reports, str | Path) or len(reports) < 2:
        raise InputError("A comparison takes two reports or more, found fewer. Name the folders of two audits.")
    called = _named(reports, names)
    audits = [read(folder) for folder in reports]
    first = audits[0]
    confidence = float(first.document["about"]["confidence"])
    matches = [match(first, audit) for audit in audits]
    rows = figures(audits, matches, confidence)
    strongest = first.document["about"].get("strongest") or {}
    return Comparison(
        {
            "schema": SCHEMA,
            "version": VERSION,
            "about": {"version": version("ml-privacy-meter"), "confidence": confidence},
            "reports": [
                _report(*one, confidence) for one in zip(audits, called, (m.how for m in matches), strict=True)
            ],
            "warnings": warnings(audits, called, matches),
            "figures": rows,
            "leading": leading(rows, strongest.get("AUC")),
            "changes": [changes(first, audit, m) for audit, m in zip(audits[1:], matches[1:], strict=True)],
            "paths": {name: str(folder) for name, folder in zip(called, reports, strict=True)},
        }
    )


def _report(audit: Audit, name: str, how: str, confidence: float) -> Document:
    about = audit.document["about"]
    model: Any = about.get("model")
    return {
        "name": name,
        "model": model if isinstance(model, str) else None,
        "version": about["version"],
        "seed": about["seed"],
        "confidence": about["confidence"],
        "members": about["members"],
        "non_members": about["non_members"],
        "reference_models": references(audit),
        "records": how,
        "void": void(audit),
        "quality": quality(audit, confidence),
        "calibration": calibration(audit),
    }


def _named(reports: Sequence[str | Path], names: Sequence[str]) -> list[str]:
    """One name each: those given, or the folders', with as many folders above as make them differ."""
    if names:
        if len(names) != len(reports) or len(set(names)) < len(names) or not all(name.strip() for name in names):
            raise InputError(
                f"Each report takes a name of its own: found {len(names)} names ({', '.join(names):.80}) for "
                f"{len(reports)} reports. Give as many different ones as reports, in the same order."
            )
        return list(names)
    parts = [Path(folder).resolve().parts for folder in reports]
    longest = max(map(len, parts))
    many = next((n for n in range(1, longest) if len({p[-n:] for p in parts}) == len({*parts})), longest)
    distinct = [max((n for n in (1, many) if n == 1 or _clashes(p, parts)), default=1) for p in parts]
    found = ["/".join(p[-n:]) for p, n in zip(parts, distinct, strict=True)]
    seen: Counter[str] = Counter()
    for place, name in enumerate(found):
        seen[name] += 1
        found[place] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return found


def _clashes(one: tuple[str, ...], parts: Sequence[tuple[str, ...]]) -> bool:
    """Whether another folder has the same name."""
    return any(other != one and other[-1] == one[-1] for other in parts)
