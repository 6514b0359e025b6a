"""What was reconstructed, beside what anybody could guess, as figures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.reconstruction import Match
from ml_privacy_meter.risk.likeness import median, share_above

SCHEMA = "ml-privacy-meter/reconstruction"
VERSION = 1
FILE = "reconstruction.json"
CLOSER = "closer than every public image"
PLAIN, MARGIN = 30.0, 10.0  # dB: what no luck brings about, above zero and above the nearest public image


@dataclass(frozen=True)
class Attacked:
    """What one attack did to one batch.

    Args:
        attack: its name, with the settings that are not its defaults.
        says, sees: what it gives, and what the adversary is assumed to see, in its docstring's words.
        match: None where it gave nothing.
        applies: whether the model gives it a hold.
        reason: why it gave nothing.
    """

    attack: str
    says: str
    sees: str
    match: Match | None
    applies: bool = True
    reason: str = ""


@dataclass(frozen=True)
class Batch:
    """One client's records, and what was played against them; ``labels_right`` is the share of labels inferred."""

    records: Tensor
    nearest: Match
    mean: Match
    played: tuple[Attacked, ...]
    labels_right: float | None


@dataclass(frozen=True)
class Reconstruction:
    """What attacks reconstruct of the records of one or more batches.

    Args:
        batches: personal data: they hold the records, and what was reconstructed of them.
        assumes: what the adversary was given, and how the client trained.
        confidence: of every interval.
    """

    batches: tuple[Batch, ...] = field(repr=False)
    assumes: Mapping[str, Any]
    confidence: float = 0.95

    @property
    def attacks(self) -> tuple[str, ...]:
        """The names of those that were asked for."""
        return tuple(one.attack for one in self.batches[0].played)

    @property
    def failed(self) -> tuple[Attacked, ...]:
        """Those that broke, of all batches: not those to which a model gives no hold."""
        return tuple(one for batch in self.batches for one in batch.played if one.match is None and one.applies)

    def matches(self, attack: str) -> list[Match] | None:
        """What an attack came to on each batch; None where it gave nothing on any of them.

        The baselines go by "nearest public image" and "mean public image". On a batch to which the attack does not
        apply, though it does to others, the mean public image stands for each record.
        """
        if attack in BASELINES:
            return [batch.nearest if attack == BASELINES[0] else batch.mean for batch in self.batches]
        if attack not in self.attacks:
            raise InputError(f"There is no attack `{attack}` here; there are: {', '.join(self.attacks)}.")
        played = [next(one for one in batch.played if one.attack == attack) for batch in self.batches]
        if all(one.match is None for one in played):
            return None
        return [one.match or batch.mean for one, batch in zip(played, self.batches, strict=True)]

    def risks(self, attack: str) -> tuple[Risk, ...]:
        """The attack's figures over all records of all batches; none where it gave nothing.

        Their baselines are those of the nearest public image; of how often it is beaten, those of the mean image.
        """
        found, nearest = self.matches(attack), [batch.nearest for batch in self.batches]
        if found is None:
            return ()
        batch = np.repeat(np.arange(len(found)), [len(match.psnr) for match in found])
        of, without, mean = (_psnr(matches) for matches in (found, nearest, [b.mean for b in self.batches]))
        sure: dict[str, Any] = {"confidence": self.confidence}
        figures = [median("median PSNR", of, without, batch, **sure)]
        if all(match.ssim is not None for match in (*found, *nearest)):
            figures.append(median("median SSIM", _ssim(found), _ssim(nearest), batch, **sure))
        figures += [share_above(f"above {least} dB", of, without, batch, least=least, **sure) for least in (20, 30)]
        return (*figures, share_above(CLOSER, of - without, mean - without, batch, least=0, **sure))

    def shows(self, attack: str) -> bool:
        """Whether the attack shows a leak; that it does not is no proof that there is none.

        It does if any record came out above 30 dB and 10 dB closer than every public image: a leak of one record is
        one. And if it surely beats the public images more often than the mean of them surely does.
        """
        found = self.matches(attack)
        if found is None:
            return False
        of, nearest = _psnr(found), _psnr([batch.nearest for batch in self.batches])
        apart = self.risks(attack)[-1].low > self.risks(BASELINES[1])[-1].high
        return apart or bool(((of > PLAIN) & (of > nearest + MARGIN)).any())

    @property
    def document(self) -> dict[str, Any]:
        """What ``reconstruction.json`` holds, see ``schema.json``: figures, and nothing of any record."""
        right = [batch.labels_right for batch in self.batches if batch.labels_right is not None]
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "about": {"version": version("ml-privacy-meter")},
            "assumes": dict(self.assumes),
            "batches": len(self.batches),
            "confidence": self.confidence,
            "labels_right": float(np.mean(right)) if right else None,
            "baselines": [{"name": name, "figures": self._figures(name)} for name in BASELINES],
            "attacks": [self._attack(name) for name in self.attacks],
        }

    def save(self, folder: str | Path) -> Path:
        """The folder, now with ``reconstruction.json``, which holds nothing of any record; whole or not at all.

        Raises:
            InputError: the folder holds something else than an earlier reconstruction; nothing is written then.
        """
        from ml_privacy_meter.report import folder as folders
        from ml_privacy_meter.report.document import dump

        kind = folders.Kind("reconstruction", frozenset({FILE}), FILE, SCHEMA)
        return folders.write(folder, {FILE: dump(self.document).encode()}, kind)

    def pictures(self, file: str | Path, *, most: int = 8) -> Path:
        """The new PNG file with records above, and what was reconstructed of them below: personal data.

        See `reconstructing.pictures.draw`.
        """
        from ml_privacy_meter.reconstructing.pictures import draw

        return draw(self, Path(file), most=most)

    def __str__(self) -> str:
        from rich.console import Console

        from ml_privacy_meter.reconstructing.terminal import table

        console = Console(width=100, no_color=True, highlight=False)
        with console.capture() as captured:
            console.print(table(self))
        return captured.get()

    def _attack(self, name: str) -> dict[str, Any]:
        played = [next(one for one in batch.played if one.attack == name) for batch in self.batches]
        reasons = dict.fromkeys(one.reason for one in played if one.reason)
        return {
            "attack": name,
            "says": played[0].says,
            "sees": played[0].sees,
            "applies": any(one.applies for one in played),
            "reason": " ".join(reasons),
            "found": sum(one.match.found for one in played if one.match is not None),
            "shows": self.shows(name),
            "figures": self._figures(name),
        }

    def _figures(self, name: str) -> list[dict[str, Any]]:
        kept = ("name", "value", "low", "high", "baseline", "trials", "note")
        return [{key: _finite(asdict(risk)[key]) for key in kept} for risk in self.risks(name)]


BASELINES = ("nearest public image", "mean public image")


def together(results: Sequence[Reconstruction]) -> Reconstruction:
    """The batches of several results as one, so that figures have more records behind them.

    What the adversary was given must be the same in all, but for the numbers of records, as must be the attacks.
    """
    if not results:
        raise InputError("There must be at least one result to take together, found none.")
    first = results[0]
    for other in results:
        given = (other.attacks, dict(other.assumes) | {"public": 0}, other.confidence)
        if given != (first.attacks, dict(first.assumes) | {"public": 0}, first.confidence):
            raise InputError(
                f"Results go together where attacks and settings are the same, found {dict(first.assumes)} with "
                f"{first.attacks} and {dict(other.assumes)} with {other.attacks}."
            )
    return Reconstruction(tuple(b for one in results for b in one.batches), first.assumes, first.confidence)


def _psnr(matches: Sequence[Match]) -> np.ndarray:
    return np.concatenate([match.psnr.numpy() for match in matches])


def _ssim(matches: Sequence[Match]) -> np.ndarray:
    return np.concatenate([match.ssim.numpy() for match in matches if match.ssim is not None])


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
