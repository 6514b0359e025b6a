"""The result as JSON holds it; page, table and csv are made of this and of nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import combinations, permutations
from typing import Any

import numpy as np

from ml_privacy_meter.comparison.matching import match
from ml_privacy_meter.defending import leaks
from ml_privacy_meter.defending.leaks import Apart, Leaks, Line
from ml_privacy_meter.defending.trial import BY_LABELS, Trial
from ml_privacy_meter.defending.verdicts import Rival, Verdict, verdicts
from ml_privacy_meter.membership import describe
from ml_privacy_meter.report import words
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.risk.intervals import Interval
from ml_privacy_meter.training import Defense

SCHEMA = "ml-privacy-meter/defenses"
VERSION = 1
EXPOSED = 20  # records of "none" that are followed
COARSE = f"Are the scores of {describe(BY_LABELS)} varied?"  # a check of attacks that see more than labels
Pair = tuple[int, int]


@dataclass(frozen=True)
class Levels:
    """How sure intervals are.

    Args:
        alone: each by itself.
        figures: so many figures are shown, and ``joint`` is the confidence of each that makes all hold together.
        differences: so many are looked at, and ``sure`` is the confidence of each that makes all hold together.
    """

    alone: float
    figures: int
    differences: int

    @property
    def joint(self) -> float:
        return 1 - (1 - self.alone) / max(self.figures, 1)

    @property
    def sure(self) -> float:
        return 1 - (1 - self.alone) / max(self.differences, 1)

    def surely(self, at: Apart) -> Interval:
        """An interval of a difference that holds together with all others.

        That at the level ``alone`` lies inside: of figures that rise and fall together, whose own intervals are
        lopsided in another way at each level, the interval of the difference might else be the narrower one.
        """
        lows, highs = zip(at(self.alone), at(self.sure), strict=True)
        return min(lows), max(highs)


def document(
    trials: Sequence[Trial], failed: Mapping[str, str], folders: Sequence[str], *, confidence: float, limit: float
) -> Document:
    """What `schema.json` describes.

    Args:
        trials: the first is that of "none".
        failed: why an entry has no trial, by its name.
        folders: of the trials' reports, inside the result's.
        limit: the membership probability from which on a record counts as exposed.
    """
    lines = leaks.lines_of(trials)
    found = [leaks.leaks_of(trial, lines) for trial in trials]
    apart = _apart(trials, found)
    costs = [leaks.accuracy_apart(trials[0].right["non_members"], one.right["non_members"]) for one in trials[1:]]
    levels = Levels(confidence, sum(map(len, found)) + 2 * len(trials), sum(map(len, apart.values())) + len(costs))
    judged = _judged(trials, apart, costs, levels)
    probabilities = [_probabilities(trials[0], trial) for trial in trials]
    followed = _most_exposed(probabilities[0], limit)
    rows = [
        {
            **_model(trial),
            "accuracy": _accuracies(trial, levels),
            "accuracy_difference": _cost(trials, place, costs, levels),
            "leaks": [
                leaks.document_of(leak, line, (levels.alone, levels.joint))
                | {"difference": _difference(found, place, line, apart, levels)}
                for line, leak in found[place].items()
            ],
            "over_limit": int((probability >= limit).sum()),
            "remain": int((probability[followed] >= limit).sum()),
            "verdict": _plain(judged[trial.entry.name]),
            "report": folder,
        }
        for place, (trial, probability, folder) in enumerate(zip(trials, probabilities, folders, strict=True))
    ]
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "about": _about(trials[0], lines, levels, limit),
        "warnings": _warnings(trials),
        "rows": rows,
        "exposed": _followed(trials[0], followed, probabilities),
        "failed": [{"name": name, "why": why} for name, why in failed.items()],
    }


def said(line: Line) -> str:
    """A line in words."""
    return f"{line.figure} of attacks on {'answers' if line.sees == leaks.OUTPUTS else 'the weights'}"


def _about(none: Trial, lines: Sequence[Line], levels: Levels, limit: float) -> Document:
    about = none.audit.document["about"]
    return {
        "version": version("ml-privacy-meter"),
        **{key: about[key] for key in ("members", "non_members", "seed")},
        "reference_models": int(about.get("reference_models") or 0),
        "confidence": levels.alone,
        "figures": levels.figures,
        "joint_confidence": levels.joint,
        "differences": levels.differences,
        "sure_confidence": levels.sure,
        "limit": limit,
        "lines": [asdict(line) for line in lines],
    }


def _apart(trials: Sequence[Trial], found: Sequence[Leaks]) -> dict[Pair, dict[Line, Apart]]:
    """Of each pair of models, the differences in the lines that both have."""
    return {
        (one, other): {
            line: leaks.apart(line, trials[one], trials[other], (found[one][line], found[other][line]))
            for line in found[one]
            if line in found[other]
        }
        for one, other in combinations(range(len(trials)), 2)
    }


def _judged(
    trials: Sequence[Trial], apart: Mapping[Pair, Mapping[Line, Apart]], costs: Sequence[Apart], levels: Levels
) -> dict[str, Verdict]:
    names = [trial.entry.name for trial in trials]
    void = [leaks.voided(trial.audit) for trial in trials]
    signs: dict[tuple[str, str], dict[str, int]] = {}
    known = {pair: {said(line): leaks.sign(levels.surely(at)) for line, at in of.items()} for pair, of in apart.items()}
    for one, other in permutations(range(len(trials)), 2):
        turned = 1 if one < other else -1
        pair = {} if void[one] or void[other] else known[min(one, other), max(one, other)]
        signs[names[one], names[other]] = {line: turned * sign for line, sign in pair.items()}
    dearer = [False, *(leaks.sign(levels.surely(at)) < 0 for at in costs)]
    rivals = [
        Rival(t.entry.name, t.entry.kind, t.entry.wraps, float(t.right["non_members"].mean()), cost)
        for t, cost in zip(trials, dearer, strict=True)
    ]
    return verdicts(rivals, signs)


def _plain(verdict: Verdict) -> Document:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(verdict).items()}


def _model(trial: Trial) -> Document:
    entry, about = trial.entry, trial.audit.document["about"]
    return {
        "name": entry.name,
        "kind": entry.kind,
        "defense": None if entry.defense is None else _defense(entry.defense, trial.proven),
        "model": str(about.get("model") or ""),
        "void": leaks.voided(trial.audit),
    }


def _defense(defense: Defense, proven: tuple[float, float] | None) -> Document:
    settings = {
        key: value if isinstance(value, str | int | float | bool) else str(value)
        for key, value in defense.settings.items()
    }
    return {
        "name": defense.name,
        "settings": settings,
        "says": defense.says,
        "trains": defense.trains,
        "wraps": defense.wrap is not None,
        "epsilon": proven and proven[0],
        "delta": proven and proven[1],
    }


def _accuracies(trial: Trial, levels: Levels) -> Document:
    alone, joint = (
        {side: leaks.accuracy(right, at) for side, right in trial.right.items()} for at in (levels.alone, levels.joint)
    )
    return {side: alone[side] | {f"joint_{end}": joint[side][end] for end in ("low", "high")} for side in trial.right}


def _cost(trials: Sequence[Trial], place: int, costs: Sequence[Apart], levels: Levels) -> Document | None:
    if place == 0:
        return None
    first, own = (trials[number].right["non_members"].mean() for number in (0, place))
    return _ends(float(own - first), costs[place - 1], levels)


def _difference(
    found: Sequence[Leaks], place: int, line: Line, apart: Mapping[Pair, Mapping[Line, Apart]], levels: Levels
) -> Document | None:
    if place == 0 or line not in found[0]:
        return None
    return _ends(found[place][line].value - found[0][line].value, apart[0, place][line], levels)


def _ends(value: float, at: Apart, levels: Levels) -> Document:
    (low, high), (sure_low, sure_high) = at(levels.alone), levels.surely(at)
    return {"value": value, "low": low, "high": high, "sure_low": sure_low, "sure_high": sure_high}


def _probabilities(none: Trial, trial: Trial) -> np.ndarray:
    """Membership probabilities of the members, in the order of "none"."""
    rows = match(none.audit, trial.audit).rows
    assert rows is not None  # all are audited on the same records
    found: np.ndarray = trial.audit.known["membership_probability"][rows][none.audit.member]
    return found


def _most_exposed(probability: np.ndarray, limit: float) -> np.ndarray:
    first = np.argsort(-np.nan_to_num(probability), kind="stable")[:EXPOSED]
    return first[probability[first] >= limit]


def _followed(none: Trial, rows: np.ndarray, probabilities: Sequence[np.ndarray]) -> list[Document]:
    ids = none.audit.id[none.audit.member]
    kinds = None if none.audit.kind is None else none.audit.kind[none.audit.member]
    return [
        {
            "id": str(ids[row]),
            "class": None if kinds is None else str(kinds[row]),
            "probabilities": [float(one[row]) if np.isfinite(one[row]) else None for one in probabilities],
        }
        for row in rows
    ]


def _warnings(trials: Sequence[Trial]) -> list[Document]:
    """Checks that failed and attacks that failed, each with the models that it is said of; the gravest first."""
    found: dict[tuple[str, str, bool], list[str]] = {}
    for trial in trials:
        document: Any = trial.audit.document
        failing = [check for check in words.failing(document) if not _meant(trial, check["name"])]
        said = [(check["name"], check["says"], check["voids"]) for check in failing]
        said += [
            (f"The attack {one['attack']} failed", one["failed"], False)
            for one in document["findings"]
            if one["failed"]
        ]
        for one in said:
            found.setdefault(one, []).append(trial.entry.name)
    ordered = sorted(found.items(), key=lambda one: not one[0][2])
    return [
        {"title": title, "says": says, "voids": voids, "models": models} for (title, says, voids), models in ordered
    ]


def _meant(trial: Trial, check: str) -> bool:
    """Whether scores are coarse since answers are: of an attack on labels alone, of changed answers."""
    return check == COARSE or (trial.entry.wraps and check.startswith("Are the scores of "))
