"""What passes between figures and the report."""

import math
import re
from dataclasses import dataclass

from ml_privacy_meter.types import Scores

ABOVE = "Surely above its ceiling: the claimed guarantee does not hold, or the audit is wrong."  # begins a `Risk.note`


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
class Carried:
    """What an attack does to the target at a threshold that was set without the target.

    Args:
        fpr: the false positive rate that the threshold was set for, where reference models played the target.
        tpr: share of the target's members above it; its baseline is the false positive rate that was reached.
        reached: share of the target's non-members above it; its baseline is ``fpr``.
    """

    fpr: float
    tpr: Risk
    reached: Risk


@dataclass(frozen=True)
class Bin:
    """The records whose membership probabilities lie between two values, under even odds of membership.

    Args:
        lowest, highest: the two values.
        probability: mean of their membership probabilities.
        share: share of members among them.
        low, high: ends of the interval of that share.
    """

    lowest: float
    highest: float
    probability: float
    share: float
    low: float
    high: float
    members: int
    non_members: int


@dataclass(frozen=True)
class Calibration:
    """How near membership probabilities come to the shares of members.

    Args:
        error: expected calibration error, in [0, 1]; of probabilities learned from other records where those of the
            bins were learned from the records themselves.
        luck: about what probabilities that are exactly right would show in its place, with so few records.
    """

    bins: tuple[Bin, ...]
    error: float
    luck: float


@dataclass(frozen=True)
class Finding:
    """What one attack found.

    Args:
        attack: its name, with the settings that are not its defaults.
        says: what its score is: the first line of its docstring.
        sees: what the adversary was assumed to see: its docstring's ``Sees:``.
        scores: of every record, in the order of the report's records; None where the attack failed.
        failed: why it failed; empty where it did not.
        rehearsed: its scores where a reference model played the target, one for each that did.
        carried: what it does at thresholds that were set in these rehearsals.
    """

    attack: str
    says: str
    sees: str
    scores: Scores | None
    risks: tuple[Risk, ...] = ()
    groups: tuple[Group, ...] = ()
    failed: str = ""
    rehearsed: tuple[Scores, ...] = ()
    carried: tuple[Carried, ...] = ()


@dataclass(frozen=True)
class Added:
    """How far the strongest attack that reads a model's weights lies from the strongest that does not.

    Args:
        outputs: the attack that does not, chosen without regard to the records that the figure is taken of.
        weights: the attack that does, chosen alike.
        how: "rehearsals": both were chosen where reference models played the target, and are compared on all records;
            "half": both were chosen on one half of the records, and are compared on the other.
        reached: the figure of ``outputs`` and that of ``weights``, on the records that they are compared on.
        difference: named after the figure: that of ``weights`` less that of ``outputs``, paired record by record.
        at_most: the upper end of the interval whose lower end is ``difference.surely``: it holds together with those of
            the other figures.
    """

    outputs: str
    weights: str
    how: str
    reached: tuple[float, float]
    difference: Risk
    at_most: float


@dataclass(frozen=True)
class Norms:
    """The lengths of gradients of one kind of records: how many, and the 10%, 25%, 50%, 75% and 90% quantiles."""

    count: int
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class NormsOf:
    """The same of the members and of the non-members of one class."""

    value: str
    members: Norms
    non_members: Norms


@dataclass(frozen=True)
class GradientNorms:
    """Lengths of the gradients of each record's loss by all weights of the target.

    Args:
        edges: of bins, evenly spaced in the logarithm; the outermost hold all that lies beyond, and zeros.
        members, non_members: how many of them lie in each bin.
        classes: those with members and non-members, the farthest apart first.
    """

    edges: tuple[float, ...]
    members: tuple[int, ...]
    non_members: tuple[int, ...]
    classes: tuple[NormsOf, ...] = ()


@dataclass(frozen=True)
class Moment:
    """How exposed the records were at one moment of the training.

    Args:
        number: of the round or snapshot, from 0; the model as it was audited comes last.
        loss: AUC of minus the loss there.
        update: AUC of how far what was changed next lowered the loss; None where that was not seen.
        member, non_member: accuracy there (of quantities: the mean loss), on the members and on the others.
    """

    number: int
    loss: Risk
    update: Risk | None
    member: float
    non_member: float


@dataclass(frozen=True)
class ByRound:
    """The risk at moments of the training, the oldest first.

    Args:
        unit: of what is counted: "round" or "snapshot".
        viewer: who watched, in words.
        quality: what ``member`` and ``non_member`` are: "accuracy" or "loss".
        seen: how many moments were seen; where there are more than ``moments``, these are spread evenly over them.
        updates: what was seen to change: "clients", each one's own; "average", of all clients; "differences" from one
            moment to the next; or "none".
    """

    unit: str
    viewer: str
    quality: str
    seen: int
    moments: tuple[Moment, ...]
    updates: str = "none"


@dataclass(frozen=True)
class Claim:
    """A guarantee that is claimed for the training of the target.

    Args:
        says: the claim, in words.
        bounds: what its ceilings bound, and what they do not.
        fpr, tpr: false positive rates, rising, and the largest true positive rate that is allowed at each.
    """

    says: str
    bounds: str
    fpr: tuple[float, ...]
    tpr: tuple[float, ...]


@dataclass(frozen=True)
class EpsilonBound:
    """A lower bound on a mechanism's epsilon: what its leaks have shown, and never what it keeps to.

    Args:
        name: the method.
        value: epsilon at this ``delta`` is at least so much; 0 where nothing was shown. Above the true epsilon in at
            most one minus ``confidence`` of audits, if what it ``assumes`` holds.
        most: the largest value that as many trials and guesses could have shown, had the attack never been wrong. By
            how much a true epsilon lies above it cannot be seen.
        trials: how many canaries, or independent trials, stand behind it.
        assumes: what must hold for ``confidence`` to be true.
        note: what was counted.
    """

    name: str
    value: float
    delta: float
    confidence: float
    most: float
    trials: int
    assumes: str
    note: str = ""

    def __str__(self) -> str:
        shown, most = (math.floor(1000 * number) / 1000 for number in (self.value, self.most))  # never rounded up
        return (
            f"{self.name}: at least {shown:.3f} at delta {self.delta:g} with {100 * self.confidence:g}% confidence; "
            f"these counts cannot show more than {most:.3f}"
        )


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


def fpr_of(name: str) -> float | None:
    """The false positive rate in a figure's name: 0.01 of "TPR@1%FPR"; None for other figures."""
    found = re.fullmatch(r"TPR@(\d+(?:\.\d+)?)%FPR", name)
    return float(found[1]) / 100 if found and 0 < float(found[1]) < 100 else None
