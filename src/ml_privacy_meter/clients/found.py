"""What an audit of clients found: figures by attack and by client, as a table and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Group, Risk
from ml_privacy_meter.report.document import dump

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = "ml-privacy-meter/clients"
VERSION = 1


@dataclass(frozen=True)
class Found:
    """What one attack found.

    Args:
        attack: its name, with the settings that are not its defaults.
        says: what its score is: the first line of its docstring.
        sees: what the adversary was assumed to see.
        risks: the figures.
        clients: the figures of each client.
    """

    attack: str
    says: str
    sees: str
    risks: tuple[Risk, ...]
    clients: tuple[Group, ...] = ()


@dataclass(frozen=True)
class ClientAudit:
    """What the rounds of a federated training tell of its clients.

    Args:
        game: "source" or "property".
        question: that was asked.
        viewer: who saw the training, in words.
        found: by each attack, those without the model among them.
        notes: what a reader must know of the figures.
        how: what they rest on.
    """

    game: str
    question: str
    viewer: str
    found: tuple[Found, ...]
    notes: tuple[str, ...] = ()
    how: Mapping[str, Any] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """What `save` writes, see ``schema.json``: the same for the same audit."""
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "about": {"version": version("ml-privacy-meter")},
            "game": self.game,
            "question": self.question,
            "viewer": self.viewer,
            "findings": [_found(one) for one in self.found],
            "notes": list(self.notes),
            "how": dict(self.how),
        }

    def save(self, file: str | Path) -> Path:
        """The file, which then holds the document as JSON.

        Raises:
            InputError: there is something under this name already.
        """
        file = Path(file)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as out:
                out.write(dump(self.document))
        except OSError as problem:
            raise InputError(
                f"What was found goes into a new file, found {file}: {problem}. Name another."
            ) from problem
        return file

    def table(self, *, clients: bool = False) -> "Table":
        """One row a figure; with ``clients`` also one a client."""
        from rich.table import Table

        made = Table(title=self.question, caption="\n".join(self.notes), caption_justify="left", caption_style="")
        for name, side in (("attack", "left"), ("figure", "left"), ("value", "right"), ("95% interval", "right")):
            made.add_column(name, justify=side)  # type: ignore[arg-type]
        made.add_column("without the model", justify="right")
        for one in self.found:
            rows = [("", risk) for risk in one.risks]
            if clients:
                rows += [(f" of {group.value}", risk) for group in one.clients for risk in group.risks]
            for of, risk in rows:
                made.add_row(one.attack, risk.name + of, *_numbers(risk))
            made.add_section()
        return made

    def __str__(self) -> str:
        return "\n".join(f"{one.attack}: {risk}" for one in self.found for risk in one.risks)


def _found(one: Found) -> dict[str, Any]:
    return {
        "attack": one.attack,
        "says": one.says,
        "sees": one.sees,
        "risks": [_risk(risk) for risk in one.risks],
        "clients": [
            {"client": group.value, "own": group.members, "others": group.non_members}
            | {"risks": [_risk(risk) for risk in group.risks]}
            for group in one.clients
        ],
    }


def _risk(risk: Risk) -> dict[str, Any]:
    names = ("name", "value", "low", "high", "baseline", "trials", "note")
    return {name: value for name, value in asdict(risk).items() if name in names}


def _numbers(risk: Risk) -> tuple[str, str, str]:
    if risk.value is None:
        return "-", risk.note, f"{risk.baseline:.3f}"
    return f"{risk.value:.3f}", f"{risk.low:.3f} to {risk.high:.3f}", f"{risk.baseline:.3f}"
