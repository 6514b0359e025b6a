"""What an audit of a claimed epsilon found: the claim, the bounds, the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.claims import words
from ml_privacy_meter.findings import EpsilonBound
from ml_privacy_meter.risk import epsilon_one_run, epsilon_one_run_gaussian
from ml_privacy_meter.types import Scores

SCHEMA = "ml-privacy-meter/claim"
VERSION = 1
STATUS = {"consistent": 0, "refuted": 1, "untestable": 3}  # of the command, as for `privacy-meter gate`


@dataclass(frozen=True)
class DPAudit:
    """A claim of (epsilon, delta)-differential privacy beside what canaries show.

    Args:
        epsilon, delta: what is claimed of the training, for one record in or out.
        bound: the one that judges.
        others: bounds that hold only under more than the claim says, and judge nothing.
        scores: of the canaries.
        says: how the canaries were made and the training was run.
    """

    epsilon: float
    delta: float
    bound: EpsilonBound
    others: tuple[EpsilonBound, ...]
    scores: Scores = field(repr=False)
    says: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Literal["refuted", "consistent", "untestable"]:
        """What the audit comes to; "untestable" where no scores of so many canaries could have refuted the claim."""
        if self.bound.value > self.epsilon:
            return "refuted"
        return "consistent" if self.bound.most > self.epsilon else "untestable"

    @property
    def exit_status(self) -> int:
        """0 consistent, 1 refuted, 3 not testable."""
        return STATUS[self.verdict]

    @property
    def document(self) -> dict[str, Any]:
        """What ``claim.json`` holds, see ``schema.json``."""
        told = {
            "claim": {"epsilon": self.epsilon, "delta": self.delta},
            "confidence": self.bound.confidence,
            "verdict": self.verdict,
            "bounds": [asdict(one) | {"judges": one is self.bound} for one in (self.bound, *self.others)],
            "canaries": {"count": len(self.scores.truth), "inside": int(self.scores.truth.sum())},
            "how": dict(self.says),
        }
        about = {"version": version("ml-privacy-meter")}
        return {"schema": SCHEMA, "version": VERSION, "about": about, "says": words.verdict(told), **told}

    def save(self, folder: str | Path) -> Path:
        """The folder, now with ``claim.json`` and ``claim.md``; it appears whole or not at all.

        Raises:
            InputError: the folder holds something else than an earlier audit of a claim; nothing is written then.
        """
        from ml_privacy_meter.claims.folder import write

        return write(folder, self.document)

    def __str__(self) -> str:
        return words.verdict(self.document)


def judge(
    scores: Scores,
    *,
    epsilon: float,
    delta: float,
    guesses: int | Sequence[int] | None = None,
    confidence: float = 0.95,
    says: Mapping[str, Any] | None = None,
) -> DPAudit:
    """A claim held against scores of canaries, each of which was in the training by a fair coin of its own.

    Args:
        scores: of all canaries of the draw.
        epsilon, delta: the claim.
        guesses, confidence: as of `risk.epsilon_one_run`, fixed before scores are looked at.
        says: how the scores came about.
    """
    check_claim(epsilon, delta)
    given: dict[str, Any] = {"delta": delta, "confidence": confidence, "guesses": guesses}
    bound = epsilon_one_run(scores, **given)
    others = (epsilon_one_run_gaussian(scores, **given),) if delta else ()  # at delta 0 no Gaussian has an epsilon
    return DPAudit(float(epsilon), float(delta), bound, others, scores, says or {})


def check_claim(epsilon: float, delta: float) -> None:
    """Raises `InputError` unless these are numbers that a claim may hold."""
    in_range(0, float("inf"), epsilon=epsilon)
    if not 0 <= delta < 1:
        raise InputError(f"`delta` must be 0 or more, and below 1, found {delta!r}.")
