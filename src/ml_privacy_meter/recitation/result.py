"""What a model recites, as a table and as JSON; texts only where somebody asks for them."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.recitation.compared import Beside, Figure

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = "ml-privacy-meter/recitation"
VERSION = 1
LISTED = 100  # passages and spans in the document, the most exposed ones


@dataclass(frozen=True)
class Recited:
    """A passage of a training text that the model gives, and its base, where there is one, does not.

    Args:
        kind: "beginning", or which personal data.
        id: the user's own name of the text.
        start, length: where it stands there, in tokens.
        greedy: the model gives it as the likeliest, token after token.
        log10_tries: log10 of how many draws give it with the result's probability.
        base_log10_tries: the same of the base; None without one.
        prompt, text: what stands before it, and itself.
    """

    kind: str
    id: str
    start: int
    length: int
    greedy: bool
    log10_tries: float
    base_log10_tries: float | None
    prompt: str = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True)
class Copied:
    """A span of a text that the model made up, beside the training text in which it stands word for word.

    Args:
        rank: of the text that was made up, from 1; the most suspicious first.
        start, length: where it stands in that, in tokens.
        id: the user's own name of the training text.
        source: where it stands there, in tokens.
    """

    rank: int
    start: int
    length: int
    id: str
    source: int
    text: str = field(repr=False)


@dataclass(frozen=True)
class Curve:
    """The share of passages that so many draws give with the result's probability."""

    tries: tuple[int, ...]
    trained: tuple[float, ...]
    held_out: tuple[float, ...] | None
    base: tuple[float, ...] | None


@dataclass(frozen=True)
class Recitation:
    """What a language model recites of the texts that it was trained on.

    Args:
        figures: shares of these texts, beside shares that need no memory.
        recited, copied: the passages and spans behind them, the most exposed first.
        notes: what a reader must know of the figures.
        how: what they rest on.
    """

    figures: tuple[Figure, ...]
    curve: Curve
    recited: tuple[Recited, ...]
    copied: tuple[Copied, ...]
    notes: tuple[str, ...]
    how: Mapping[str, Any]

    @property
    def shows(self) -> bool:
        """Whether any figure surely lies above all beside it; that none does is no proof that nothing is recited."""
        return any(figure.shows for figure in self.figures)

    @property
    def document(self) -> dict[str, Any]:
        """What `save` writes, see ``recitation.json``: ids and places, no text; the same for the same call."""
        return self._document(show_records=False)

    def save(self, file: str | Path, *, show_records: bool = False) -> Path:
        """The new file, which holds the document as JSON.

        Args:
            show_records: with the passages themselves: personal data, not to be passed on.

        Raises:
            InputError: there is something under this name already.
        """
        return save(self._document(show_records=show_records), file)

    def table(self) -> "Table":
        """One row a figure and side; below, what was found and what must be known."""
        from rich.table import Table

        made = Table(caption="\n".join(self._lines()), caption_justify="left", caption_style="")
        for name in ("figure", "of", "share", "95% interval", "the model, more"):
            made.add_column(name.replace("95", f"{100 * self.how['confidence']:g}"), justify="left")
        for one in self.figures:
            made.add_row(one.risk.name, "the model", *_cells(one.risk), "")
            for side in one.beside:
                made.add_row("", side.of, *_cells(side.risk), _more(side.excess))
            made.add_section()
        return made

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=120, no_color=True, highlight=False)
        with console.capture() as captured:
            console.print(self.table())
        return captured.get()

    def _lines(self) -> list[str]:
        lines = [f"Recites: {one.risk.name}: {one.says}" for one in self.figures if one.shows]
        lines = lines or ["Nothing shows that it recites, beyond what needs no memory. Another prompt may show it."]
        counted = f"{len(self.recited):,} passages and {len(self.copied):,} spans: see `recited` and `copied`."
        return [*lines, counted, *self.notes]

    def _document(self, *, show_records: bool) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "about": {"version": version("ml-privacy-meter")},
            "shows": self.shows,
            "figures": [_figure(one) for one in self.figures],
            "curve": {name: value and list(value) for name, value in asdict(self.curve).items()},
            "recited": [_listed(one, show_records) for one in self.recited[:LISTED]],
            "copied": [_listed(one, show_records) for one in self.copied[:LISTED]],
            "recited_in_all": len(self.recited),
            "copied_in_all": len(self.copied),
            "notes": list(self.notes),
            "how": dict(self.how),
        }


def save(document: Mapping[str, Any], file: str | Path) -> Path:
    """The new file with this document."""
    from ml_privacy_meter.report.document import dump

    file = Path(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as out:
            out.write(dump(dict(document)))
    except OSError as problem:
        raise InputError(f"What was found goes into a new file, found {file}: {problem}. Name another.") from problem
    return file


def schema(name: str = "recitation") -> dict[str, Any]:
    """The JSON Schema of what a `Recitation` saves, or an `Exposure` ("exposure")."""
    file = files("ml_privacy_meter.recitation").joinpath("schemas", f"{name}.json")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def risk_of(risk: Risk) -> dict[str, Any]:
    """A figure as JSON holds it."""
    names = ("name", "value", "low", "high", "baseline", "trials", "note")
    return {name: _finite(asdict(risk)[name]) for name in names}


def _figure(one: Figure) -> dict[str, Any]:
    return {"says": one.says, "shows": one.shows, "risk": risk_of(one.risk), "beside": [_side(s) for s in one.beside]}


def _side(one: Beside) -> dict[str, Any]:
    sure = {"surely": one.excess.surely, "at_most": one.at_most}
    return {"of": one.of, "risk": risk_of(one.risk), "excess": risk_of(one.excess) | sure}


def _listed(one: Recited | Copied, show_records: bool) -> dict[str, Any]:
    return {
        name: _finite(value) for name, value in asdict(one).items() if show_records or name not in ("prompt", "text")
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cells(risk: Risk) -> tuple[str, str]:
    if risk.value is None:
        return "-", risk.note
    return f"{100 * risk.value:.2f}% of {risk.trials:,}", _ends(risk)


def _more(excess: Risk) -> str:
    return f"{100 * (excess.value or 0.0):+.2f}% {_ends(excess)}"


def _ends(risk: Risk) -> str:
    return f"[{100 * risk.low:.2f}, {100 * risk.high:.2f}]"
