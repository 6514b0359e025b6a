"""What passes of users (authors, customers) from figures to the report."""

from dataclasses import dataclass

from ml_privacy_meter.findings import Risk


@dataclass(frozen=True)
class Known:
    """How well users are told apart by so many records of each.

    Args:
        known: records of each user that the adversary has.
        inside, outside: users with at least so many, of either kind.
        risks: of all these.
        same: AUC among the users who have as many as the last row asks for, so that rows can be compared.
    """

    known: int
    inside: int
    outside: int
    risks: tuple[Risk, ...]
    same: Risk


@dataclass(frozen=True)
class OfShare:
    """AUC of the users who gave about as much of the training data, against all who gave nothing.

    Args:
        lowest, highest: their shares of the training data, in [0, 1].
        users: how many they are.
    """

    lowest: float
    highest: float
    users: int
    auc: Risk


@dataclass(frozen=True)
class UserFinding:
    """What one attack finds of users.

    Args:
        rows: by the number of records known, rising.
        shares: by the user's share of the training data, rising; with the most records that resolve a figure.
        failed: why the attack failed; empty where it did not.
    """

    attack: str
    says: str
    rows: tuple[Known, ...] = ()
    shares: tuple[OfShare, ...] = ()
    failed: str = ""


@dataclass(frozen=True)
class ExposedUser:
    """One user whose records were trained on.

    Args:
        trained: how many records of theirs are members.
        share: these over all members.
        score: of the attack that the list is by.
        above: share of the users outside who score lower.
    """

    user: str
    trained: int
    share: float
    score: float
    above: float


@dataclass(frozen=True)
class ByUser:
    """Who contributed to the training, user by user.

    Args:
        column: that says whose a record is.
        held_out: the records asked about were not trained on; else those of users inside were.
        inside, outside: users with records among the members, and without.
        left_out: users inside without a record that could be asked about.
        findings: one for each attack.
        blind: AUC of a classifier on the records alone, judged on users that it did not learn from, by the number of
            records known: pairs of that number and the figure.
        exposed: users inside, the highest score first.
        exposed_by: the attack that they are ordered by, and how many records of each it was told.
        note: what else must be said.
    """

    column: str
    held_out: bool
    inside: int
    outside: int
    left_out: int
    findings: tuple[UserFinding, ...]
    blind: tuple[tuple[int, Risk], ...] = ()
    exposed: tuple[ExposedUser, ...] = ()
    exposed_by: tuple[str, int] = ("", 0)
    note: str = ""
