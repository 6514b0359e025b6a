"""What of a report may leave for a tracker, as a document without ids and as named numbers."""

from collections.abc import Iterable, Iterator

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.report import Report
from ml_privacy_meter.report import document as documents
from ml_privacy_meter.report.document import Document

ENDS = {"low": "low", "high": "high", "baseline": "without the model"}
QUALITY = {"accuracy": "accuracy", "loss": "mean loss"}
SIDES = {"member": "members", "non_member": "non-members"}


def check_step(step: int) -> None:
    """Raises `InputError` unless it is a step that trackers take."""
    if not 0 <= step < 2**63:
        raise InputError(f"`step` must be 0 or more, and less than 2^63, found {step!s:.25}.")


def without_ids(report: Report) -> Document:
    """The report as `report.json` holds it, but for ids, and for messages in which an id or a value may stand."""
    found = documents.document(
        report.findings,
        report.checks,
        report.records,
        report.about,
        report.calibration,
        report.added,
        report.gradient_norms,
        games=report.games,
    )
    said_elsewhere = "The report says why."
    checks = [
        {**check, "ids": [], "says": check["says"] if check["passed"] or check["voids"] or check["risk"] else ""}
        for check in found["checks"]
    ]
    return found | {
        "about": {key: value for key, value in found["about"].items() if key != "assessment"},  # may name people
        "exposed": [],
        "paths": {},
        "checks": [check if check["says"] else {**check, "says": said_elsewhere} for check in checks],
        "findings": [
            {**finding, "failed": said_elsewhere if finding["failed"] else ""} for finding in found["findings"]
        ],
        "games": [_game_without_ids(game, said_elsewhere) for game in found["games"]],
    }


def _game_without_ids(game: Document, said_elsewhere: str) -> Document:
    """The game without what may name a record: ids among its settings, and messages."""
    none_ran = bool(game["tried"]) and all(one["failed"] for one in game["tried"])
    return game | {
        "how": {},
        "verdict": said_elsewhere if none_ran else game["verdict"],
        "checks": [
            {**check, "ids": [], "says": check["says"] if check["passed"] else said_elsewhere}
            for check in game["checks"]
        ],
        "tried": [{**one, "failed": said_elsewhere if one["failed"] else ""} for one in game["tried"]],
    }


def numbers(found: Document) -> dict[str, float]:
    """Every figure of every attack with the ends of its interval, in all and by group, and the model's accuracy.

    Names are paths, the attack first. What could not be resolved has none.
    """
    return dict(_apart(_numbers(found)))


def ranges(found: Document) -> dict[str, list[str]]:
    """For each attack, the names of its figures in `numbers` that have an interval."""
    names = numbers(found)
    attacks = [part(finding["attack"]) for finding in found["findings"]]
    return {
        attack: [name for name in names if name.rpartition("/")[0] == attack and f"{name}/low" in names]
        for attack in attacks
    }


def part(text: object) -> str:
    """``text`` as one part of a path."""
    return " ".join(str(text).split()).replace("/", "∕") or "–"


def shown(found: Document) -> list[Document]:
    """The findings of the attacks that ran."""
    return [finding for finding in found["findings"] if not finding["failed"]]


def grouped(finding: Document) -> Iterator[tuple[Document, Document]]:
    """Each group with the figure that is shown of all: the AUC, or the first that any group can resolve."""
    held = [(group, risk) for group in finding["groups"] for risk in group["risks"] if risk["value"] is not None]
    names = [risk["name"] for _, risk in held]
    chosen = "AUC" if "AUC" in names else next(iter(names), "")
    yield from ((group, risk) for group, risk in held if risk["name"] == chosen)


def _numbers(found: Document) -> Iterator[tuple[str, float]]:
    for finding in shown(found):
        attack = part(finding["attack"])
        for risk in finding["risks"]:
            yield from _ends(f"{attack}/{part(risk['name'])}", risk)
        for group, risk in grouped(finding):
            here = f"{attack} by {part(group['column'])}/{part(group['value'])}/{part(risk['name'])}"
            yield from _ends(here, risk)
    for game in found["games"]:
        here = part(f"{game['name']}: {game['secret']}" if game["secret"] else game["name"])
        for one in (*game["baselines"], *game["tried"]):
            for risk in (*one["risks"], *([one["excess"]] if one["excess"] else [])):
                yield from _ends(f"{here}/{part(one['attack'])}/{part(risk['name'])}", risk)
    for key, what in QUALITY.items():
        for side, who in SIDES.items():
            value = found["about"].get(f"{side}_{key}")
            if value is not None:
                yield f"model/{what} on {who}", float(value)
    yield "audit/members", float(found["about"]["members"])
    yield "audit/non-members", float(found["about"]["non_members"])
    yield "audit/checks failed", float(sum(not check["passed"] for check in found["checks"]))
    yield "audit/void", float(any(check["voids"] and not check["passed"] for check in found["checks"]))
    tried = [*found["findings"], *(one for game in found["games"] for one in game["tried"])]
    yield "audit/attacks failed", float(sum(bool(one["failed"]) for one in tried))


def _ends(name: str, risk: Document) -> Iterator[tuple[str, float]]:
    if risk["value"] is not None:
        yield name, float(risk["value"])
        for key, end in ENDS.items():
            if risk[key] is not None:
                yield f"{name}/{end}", float(risk[key])


def _apart(named: Iterable[tuple[str, float]]) -> Iterator[tuple[str, float]]:
    """The same with a number after each name that stood there before."""
    seen: set[str] = set()
    for name, value in named:
        one, count = name, 2
        while one in seen:
            one, count = f"{name} ({count})", count + 1
        seen.add(one)
        yield one, value
