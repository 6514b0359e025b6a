"""What passes of the games beside membership to the report: each a section of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ml_privacy_meter.findings import Check, Group, Risk


@dataclass(frozen=True)
class Tried:
    """What one attack reached, or an adversary without the model.

    Args:
        attack: its name, with the settings that are not its defaults.
        says: what it does: the first line of its docstring.
        sees: what the adversary was assumed to see: its docstring's ``Sees:``.
        risks: the figures; the baseline of each is what is reached without the model.
        excess: the figure that the verdict rests on: how much more is reached with the model; where the question is one
            of training records, how much more of that for members than for non-members. Its baseline is 0.
        groups: figures of parts of the records.
        failed: why it did not run to its end; empty where it did.
        note: what else must be said of it.
    """

    attack: str
    says: str
    sees: str
    risks: tuple[Risk, ...] = ()
    excess: Risk | None = None
    groups: tuple[Group, ...] = ()
    failed: str = ""
    note: str = ""

    @property
    def shows(self) -> bool | None:
        """Whether it surely reaches more than is reached without the model; None where that cannot be said.

        It rests on ``excess.surely`` where several attacks were tried, so that the luckiest of them is no leak.
        """
        if self.excess is None or self.excess.value is None:
            return None
        low = self.excess.low if self.excess.surely is None else self.excess.surely
        return low > self.excess.baseline


@dataclass(frozen=True)
class Line:
    """A line of a chart: pairs of a place on the horizontal axis, rising, and the figure there."""

    name: str
    points: tuple[tuple[float, Risk], ...]


@dataclass(frozen=True)
class Curve:
    """A chart: how a figure goes with what is varied.

    Args:
        title: what it shows.
        across: what is varied, with its unit: "queries".
        figure: what is measured, with its unit.
        lines: with the model and without.
        log: whether the horizontal axis is logarithmic.
    """

    title: str
    across: str
    figure: str
    lines: tuple[Line, ...]
    log: bool = False


@dataclass(frozen=True)
class Game:
    """One game, played on a model and measured: a section of the report.

    Args:
        name: of the game, and of its section in a run file: "attribute".
        secret: what is guessed, to tell two games of one name apart; may be empty.
        question: that was asked.
        knows: what the adversary knows and may do, in a sentence or two.
        without: how far one comes without the model, and by what, in a sentence or two.
        baselines: what was reached without the model.
        tried: the attacks, in the order they were named in.
        verdict: what the excess says, and what it does not, in a sentence or two.
        curves: charts.
        checks: questions on which the validity of the game hangs.
        notes: what a reader must know of the figures.
        how: settings and counts that the figures rest on, in what JSON can hold.
    """

    name: str
    question: str
    knows: str
    without: str
    baselines: tuple[Tried, ...]
    tried: tuple[Tried, ...]
    verdict: str
    secret: str = ""
    curves: tuple[Curve, ...] = ()
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    how: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shows(self) -> bool | None:
        """Whether any attack surely reaches more than is reached without the model.

        None where none could be judged, or where a check failed on which all figures hang.
        """
        if any(check.voids and not check.passed for check in self.checks):
            return None
        found = [one.shows for one in self.tried if one.shows is not None]
        return any(found) if found else None

    @property
    def risks(self) -> dict[str, dict[str, Risk]]:
        """The figures of each attack and of each baseline by their names: ``risks["csmia"]["accuracy, members"]``."""
        return {
            one.attack: {risk.name: risk for risk in (*one.risks, *([one.excess] if one.excess else []))}
            for one in (*self.baselines, *self.tried)
        }

    def __str__(self) -> str:
        rows = [f"{one.attack}: {risk}" for one in (*self.baselines, *self.tried) for risk in one.risks]
        rows += [f"{one.attack}: {one.excess}" for one in self.tried if one.excess]
        rows += [f"{one.attack}: failed ({one.failed})" for one in self.tried if one.failed]
        return "\n".join([*(f"! {check.says}" for check in self.checks if not check.passed), *rows, self.verdict])


def failed(name: str, why: str) -> Game:
    """A game that could not be played, and why."""
    tried = Tried(name, "Not played.", "Nothing.", failed=why)
    said = "Nothing: the game was not played."
    return Game(
        name, "This game failed, so it says nothing about the model.", said, said, (), (tried,), f"It failed: {why}"
    )
