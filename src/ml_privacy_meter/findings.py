"""What passes between figures and the report."""

from dataclasses import dataclass

from ml_privacy_meter.types import Scores


@dataclass(frozen=True)
class Risk:
    """A figure of the report, with the interval it is known to.

    Args:
        value: the figure, or None where these counts cannot resolve it; then ``note`` says what it takes.
        low, high: ends of its interval.
        baseline: what an adversary without the model reaches.
        trials: how many records stand behind it.
        ceiling: the most that a claimed guarantee allows.
        surely: the lower end of an interval so wide that all figures of a report hold theirs together, at the same
            confidence; None where the figure was not taken beside others.
    """

    name: str
    value: float | None
    low: float
    high: float
    baseline: float
    trials: int
    ceiling: float | None = None
    note: str = ""
    surely: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.name}: not resolvable ({self.note})"
        return f"{self.name}: {self.value:.3f} [{self.low:.3f}, {self.high:.3f}], without the model {self.baseline:.3f}"


@dataclass(frozen=True)
class Group:
    """The risks of the records that share a value of ``column``."""

    column: str
    value: str
    members: int
    non_members: int
    risks: tuple[Risk, ...]


@dataclass(frozen=True)
class Finding:
    """What one attack found.

    Args:
        attack: its name, with the settings that are not its defaults.
        says: what its score is: the first line of its docstring.
        sees: what the adversary was assumed to see: its docstring's ``Sees:``.
        scores: of every record, in the order of the report's records; None where the attack failed.
        failed: why it failed; empty where it did not.
    """

    attack: str
    says: str
    sees: str
    scores: Scores | None
    risks: tuple[Risk, ...] = ()
    groups: tuple[Group, ...] = ()
    failed: str = ""


@dataclass(frozen=True)
class Check:
    """One question on which the validity of the audit hangs.

    Args:
        name: the question.
        passed: whether the audit may be read as it stands, as far as this question goes.
        says: the answer, with its figures, in a sentence or two.
        voids: a failure makes the audit's figures measure something else than the model.
        risk: the figure behind the answer, where there is one.
        ids: the records it is about, the first few.
    """

    name: str
    passed: bool
    says: str
    voids: bool = False
    risk: Risk | None = None
    ids: tuple[str, ...] = ()
