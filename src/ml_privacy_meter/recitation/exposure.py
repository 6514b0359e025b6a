"""How far a language model gives canaries away, by how often they were in its training."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import binom, gamma
from tqdm.auto import tqdm

from ml_privacy_meter._checks import in_range
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.canaries import TextCanaries, load_texts
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.recitation.play import as_language
from ml_privacy_meter.recitation.result import risk_of, save
from ml_privacy_meter.recitation.secrets import EXACT, Exposed, exposed

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = "ml-privacy-meter/exposure"
VERSION = 1
UNLIKELY = 0.01  # of a figure that luck alone brings about


@dataclass(frozen=True)
class Level:
    """Canaries that were in the training equally often.

    Args:
        risk: their median exposure, in bits; its baseline is that of the controls.
        luck: how probably secrets that the model never saw come to as much exposure together.
    """

    repeats: int
    risk: Risk
    luck: float


@dataclass(frozen=True)
class Exposure:
    """Exposures of canaries, in bits, by the number of their repeats; ``levels`` begins with the controls."""

    levels: tuple[Level, ...]
    found: tuple[Exposed, ...]
    space: int
    how: Mapping[str, Any]

    @property
    def most(self) -> float:
        """The largest exposure that there can be."""
        return math.log2(self.space if self.how["by"] == EXACT else min(self.space, self.how["sample"] + 1))

    @property
    def sound(self) -> bool:
        """Whether the controls look as secrets do that were never seen."""
        return self.levels[0].luck >= UNLIKELY

    @property
    def shows(self) -> tuple[int, ...]:
        """At which numbers of repeats secrets surely are exposed, all of them together; none where it is not sound."""
        inserted = self.levels[1:]
        return tuple(one.repeats for one in inserted if self.sound and one.luck < UNLIKELY / len(inserted))

    @property
    def document(self) -> dict[str, Any]:
        """What `save` writes, see ``exposure.json``: neither secrets nor names."""
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "about": {"version": version("ml-privacy-meter")},
            "space": self.space,
            "most": self.most,
            "sound": self.sound,
            "shows": list(self.shows),
            "levels": [{"repeats": one.repeats, "risk": risk_of(one.risk), "luck": one.luck} for one in self.levels],
            "canaries": [
                {"number": number, "repeats": one.canary.repeats, "exposure": one.exposure, "by": one.by}
                | {"fitted": one.fitted, "log_probability": one.log_probability}
                for number, one in enumerate(self.found)
            ],
            "notes": self.notes(),
            "how": dict(self.how),
        }

    def save(self, file: str | Path) -> Path:
        """The new file with the document as JSON; another is not written over."""
        return save(self.document, file)

    def notes(self) -> list[str]:
        """What a reader must know."""
        said = [
            "Of a secret that was never seen, exposure is 1 in the middle, and above b in a share of 2^-b. It is "
            f"{self.most:.2f} at most."
        ]
        if not self.sound:
            said.append(
                "The controls are exposed, too: they were in the training after all, or their secrets were not drawn "
                "at random. Decide nothing by these figures."
            )
        elif self.shows:
            said.append(f"Exposed: secrets that were in the training {_listed(self.shows)} times.")
        else:
            said.append("No number of repeats shows exposure. Fewer canaries than it takes may hide it.")
        if self.how["by"] != EXACT:
            said.append(
                "Exposures are ranks among a sample, and end at its size. A fit beside them goes on; it is a guess."
            )
        return said

    def table(self) -> "Table":
        """One row a number of repeats."""
        from rich.table import Table

        made = Table(caption="\n".join(self.notes()), caption_justify="left", caption_style="")
        for name in ("repeats", "canaries", "median exposure, bits", "interval", "lowest", "highest", "by luck"):
            made.add_column(name, justify="right")
        for one in self.levels:
            bits = [each.exposure for each in self.found if each.canary.repeats == one.repeats]
            ends = (f"{min(bits):.2f}", f"{max(bits):.2f}", f"{one.luck:.2g}")
            within = f"[{one.risk.low:.2f}, {one.risk.high:.2f}]"
            made.add_row(str(one.repeats), str(len(bits)), f"{one.risk.value:.2f}", within, *ends)
        return made

    def __str__(self) -> str:
        return "\n".join(f"{one.repeats} repeats: {one.risk}" for one in self.levels)


def exposure(
    model: Any,
    canaries: TextCanaries | str | Path,
    *,
    most: int = 100_000,
    sample: int = 2_000,
    confidence: float = 0.95,
) -> Exposure:
    """How high the secrets of canaries stand among all that they could have been, in bits, by their repeats.

    Source: Carlini et al., The Secret Sharer: Evaluating and Testing Unintended Memorization in Neural Networks, USENIX
    Security 2019.

    Args:
        model: a `LanguageModel`, or the folder of one, trained on texts with these canaries.
        canaries: of `canaries.make_texts`, or the file that they were saved in.
        most: the largest number of secrets of which all are scored.
        sample: of larger spaces, how many references are drawn for each canary.
        confidence: of intervals of medians.

    Raises:
        InputError: the file holds no canaries, or no controls among them.
    """
    whole(1, most=most)
    whole(100, sample=sample)
    in_range(0, 1, confidence=confidence)
    opened = as_language(model, "model")
    made = canaries if isinstance(canaries, TextCanaries) else load_texts(canaries)
    each = tqdm(made.canaries, desc="Scoring canaries", delay=5, leave=False, disable=None)
    found = tuple(exposed(opened, made, one, most=most, sample=sample) for one in each)
    top = math.log2(made.space if made.space <= most else min(made.space, sample + 1))
    levels = _levels(found, top, confidence)
    how = {
        "model": opened.kind,
        "template": made.template,
        "canaries": len(found),
        "by": found[0].by,
        "sample": None if found[0].by == EXACT else min(sample, made.space - 1),
        "confidence": confidence,
    }
    return Exposure(levels, found, made.space, how)


def _levels(found: Sequence[Exposed], top: float, confidence: float) -> tuple[Level, ...]:
    bits = {
        repeats: np.array([one.exposure for one in found if one.canary.repeats == repeats])
        for repeats in sorted({one.canary.repeats for one in found})
    }
    levels = []
    for repeats, own in bits.items():
        name, ends = f"median exposure, {repeats} repeats", _of_median(own, top, confidence)
        risk = Risk(name, float(np.median(own)), *ends, float(np.median(bits[0])), len(own))
        # Fisher's method: of a secret that was never seen, rank over number is uniform
        luck = float(gamma.sf(own.sum() * math.log(2), len(own)))
        levels.append(Level(repeats, risk, luck))
    return tuple(levels)


def _of_median(bits: np.ndarray, top: float, confidence: float) -> tuple[float, float]:
    """The interval of order statistics, which holds whatever the distribution; few canaries leave it open."""
    below = int(binom.ppf((1 - confidence) / 2, len(bits), 0.5))  # so many surely lie below the median, less one
    ordered = np.sort(bits)
    return (float(ordered[below - 1]), float(ordered[len(bits) - below])) if below else (0.0, top)


def _listed(numbers: Sequence[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last
